"""A small world for agents: hosts in network namespaces on one bridge, and a gate that a test plays itself.

Addresses on the bridge are 192.0.2.N; names carry this process's id, so that worlds run side by side.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()
RUNNER = Path(__file__).with_name("agent_runner.py")
ROOT = RUNNER.parent.parent.parent


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


def inside(namespace: str, work: Callable[[], T]) -> T:
    """`work` done by a thread that is in `namespace`; a socket that it makes stays there."""
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            with open(f"/run/netns/{namespace}") as handle:
                assert _libc.setns(handle.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


class Host:
    def __init__(self, name: str, address: str) -> None:
        self.namespace = name
        self.address = address
        self.interface = f"wgt{os.getpid() % 100000}x{next(_numbers)}"
        self._listening: list[socket.socket] = []

    def run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, *words], capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def listener(self, kind: socket.SocketKind, port: int, address: str = "") -> socket.socket:
        """A socket on this host, open until the host is forgotten."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def make() -> socket.socket:
            made = socket.socket(family, kind)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            if kind == socket.SOCK_STREAM:
                made.listen(8)
            return made

        self._listening.append(inside(self.namespace, make))
        return self._listening[-1]

    def connects(self, address: str, port: int, timeout: float = 0.8) -> bool:
        def attempt() -> bool:
            with contextlib.suppress(OSError), socket.create_connection((address, port), timeout):
                return True
            return False

        return inside(self.namespace, attempt)

    def connect(self, address: str, port: int, timeout: float = 5) -> socket.socket:
        return inside(self.namespace, lambda: socket.create_connection((address, port), timeout))

    def pings(self, address: str, seconds: float = 1) -> bool:
        words = ["ip", "netns", "exec", self.namespace, "ping", "-n", "-q", "-c", "1", "-W", str(seconds), address]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


class World:
    def __init__(self) -> None:
        self.name = f"wga{os.getpid()}n{next(_numbers)}"
        self._namespaces: list[str] = []
        self._count = 0
        self.hub = self._namespace("hub")
        # An address of its own: a bridge has its ports' lowest else, and one that comes later cuts all others off.
        ip("-n", self.hub, "link", "add", "br0", "address", "02:00:00:00:00:fe", "type", "bridge")
        ip("-n", self.hub, "link", "set", "br0", "up")
        ip("-n", self.hub, "addr", "add", "192.0.2.254/24", "dev", "br0")
        ip("-n", self.hub, "addr", "add", "2001:db8::254/64", "dev", "br0", "nodad")
        self.gate_address = "192.0.2.254"

    def _namespace(self, label: str) -> str:
        name = f"{self.name}{label}"
        ip("netns", "add", name)
        self._namespaces.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        return name

    def host(self, label: str) -> Host:
        """A machine on the bridge, whose way out is the hub."""
        self._count += 1
        name, number = self._namespace(label), self._count
        ip("-n", self.hub, "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", self.hub, "link", "set", f"p{number}", "master", "br0", "up")
        ip("-n", name, "addr", "add", f"192.0.2.{number}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", "192.0.2.254")
        return Host(name, f"192.0.2.{number}")

    def far(self, label: str) -> Host:
        """A machine beyond the bridge, which the hub passes packets to."""
        name = self._namespace(label)
        hub = Host(self.hub, self.gate_address)
        ip("-n", self.hub, "link", "add", "far0", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", self.hub, "addr", "add", "198.51.100.1/24", "dev", "far0")
        ip("-n", self.hub, "link", "set", "far0", "up")
        hub.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        ip("-n", name, "addr", "add", "198.51.100.2/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", "198.51.100.1")
        return Host(name, "198.51.100.2")

    def behind_nat(self, label: str, network: str) -> Host:
        """A machine behind a router of its own that masquerades, as at people's homes."""
        router = self.host(f"{label}nat")
        inner = self.behind(router, label, network)
        inner.run("ip", "route", "add", "default", "via", f"{network}.1")
        router.run(
            "nft",
            "table ip home {"
            ' chain out { type nat hook postrouting priority 100; oifname "eth0" masquerade; };'
            ' chain in { type filter hook input priority 0; iifname "eth0" ct state new drop; };'
            " }",
        )
        router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        return inner

    def behind(self, router: Host, label: str, network: str = "10.77.0") -> Host:
        """A machine that only `router` is joined to, and that knows no way to anywhere else."""
        name = self._namespace(label)
        ip("-n", router.namespace, "link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", router.namespace, "addr", "add", f"{network}.1/24", "dev", "lan0")
        ip("-n", router.namespace, "link", "set", "lan0", "up")
        ip("-n", name, "addr", "add", f"{network}.2/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        return Host(name, f"{network}.2")

    def end(self) -> None:
        for name in self._namespaces:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextlib.contextmanager
def world() -> Iterator[World]:
    made = World()
    try:
        yield made
    finally:
        made.end()


class RunningAgent:
    """`wardgate up` on a host, as a process of its own."""

    def __init__(self, host: Host, folder: Path, /, **options: object) -> None:
        self.host = host
        self.state = folder / "state"
        self.log = folder / "agent.log"
        self.hosts = folder / "hosts"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.hosts.exists():
            self.hosts.write_text("127.0.0.1 localhost\n")
        own = {"state": str(self.state), "interface": host.interface, "hosts_file": str(self.hosts), "sshd": False}
        self._options = own | options
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}

    def start(self, **more: object) -> RunningAgent:
        self._options |= more
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self._words("up", json.dumps(self._options)),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={**os.environ, **self.environment},
            )
        return self

    def down(self) -> str:
        done = subprocess.run(
            self._words("down", str(self.state)), capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(self._words(*words), capture_output=True, text=True, check=False, cwd=ROOT)
        return done.returncode, done.stdout + done.stderr

    def status(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.ask("status", str(self.state))[1])
        return answer

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def said(self) -> str:
        return self.log.read_text()

    def _words(self, *words: str) -> list[str]:
        return [shutil.which("ip") or "ip", "netns", "exec", self.host.namespace, sys.executable, str(RUNNER), *words]


def until(what: Callable[[], T], *, of: str, seconds: float = 20) -> T:
    """The first true answer of `what`."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {of}"
        time.sleep(0.05)
