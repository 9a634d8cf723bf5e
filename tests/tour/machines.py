"""Machines to walk the tour on: network and mount namespaces, joined by a bridge, each with its own /etc and home.

Nothing here has a name that another test could meet: a machine is a process, and ends with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PROGRAMS = Path(sys.executable).parent

_SETTLE = """
set -e
mount --bind "$BOX/etc" /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p /run/sshd
hostname "$NAME"
ip link set lo up
echo ready
exec sleep infinity
"""


class Machine:
    """`do` runs a command to its end as this machine's root; `start` leaves one running until the machine ends."""

    def __init__(self, name: str, box: Path) -> None:
        self.name = name
        self.home = box / "home"
        self._running: list[subprocess.Popen[str]] = []
        self._furnish(box)
        self._environment = {
            "PATH": f"{box / 'bin'}:{PROGRAMS}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home), "LANG": "C.UTF-8", "TERM": "xterm-256color", "USER": "root", "SHELL": "/bin/sh",
        }  # fmt: skip
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "sh", "-c", _SETTLE],
            env=self._environment | {"BOX": str(box), "NAME": name},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        self.pid = self._process.pid

    def _furnish(self, box: Path) -> None:
        shutil.copytree("/etc", box / "etc", symlinks=True, ignore_dangling_symlinks=True)
        for shared in (box / "etc" / "ssh").glob("ssh_host_*"):  # no two hosts have one key
            shared.unlink()
        for part in ("bin", "home/.ssh"):
            (box / part).mkdir(parents=True, mode=0o700)
        (box / "bin" / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (box / "bin" / "sudo").chmod(0o755)
        (box / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        accounts = (box / "etc" / "passwd").read_text().splitlines()
        fields = next(line for line in accounts if line.startswith("root:")).split(":")
        fields[5] = str(self.home)
        others = [line for line in accounts if not line.startswith("root:")]
        (box / "etc" / "passwd").write_text("\n".join([":".join(fields), *others]) + "\n")

    def command(self, line: str) -> list[str]:
        inside = ["nsenter", "-t", str(self.pid), "--net", "--mount", "--uts"]
        return [*inside, "sh", "-c", f"cd && {line}"]

    def do(self, line: str, *, stdin: str = "", status: int | None = 0, timeout: float = 60) -> str:
        """Standard output of `line`, which must end with `status` (None: with any)."""
        done = subprocess.run(
            self.command(line), env=self._environment, input=stdin, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip
        said = f"{self.name}$ {line}\n{done.stdout}{done.stderr}exit {done.returncode}"
        assert status is None or done.returncode == status, said
        return done.stdout

    def start(self, line: str, log: Path) -> subprocess.Popen[str]:
        with log.open("w") as output:
            process = subprocess.Popen(
                self.command(line), env=self._environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
        self._running.append(process)
        return process

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        """A file in this machine's home."""
        path = self.home / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def end(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for pid in self._living():  # daemons have left every group that we know; the last one is this machine itself
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _living(self) -> list[int]:
        """Every process in this machine's network namespace."""
        own = os.readlink(f"/proc/{self.pid}/ns/net")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(folder / "ns" / "net") == own:
                    found.append(int(folder.name))
        return found


class Wire:
    """A bridge that machines are plugged into, as 10.9.0.1, 10.9.0.2 … in the order they come."""

    def __init__(self, box: Path) -> None:
        self.box = box
        self.machines: list[Machine] = []
        self._names: list[str] = []
        self._bridge = Machine("bridge", box / "bridge")
        self._bridge.do("ip link add br0 type bridge && ip link set br0 up")

    def machine(self, name: str, *, known_as: str = "") -> Machine:
        """A new machine; `known_as` is a name under which every machine finds it, as if DNS said so."""
        machine = Machine(name, self.box / name)
        number = len(self.machines) + 1
        self.machines.append(machine)
        self._bridge.do(
            f"ip link add port{number} type veth peer name eth0 netns {machine.pid}"
            f" && ip link set port{number} master br0 up"
        )
        machine.do(
            f"ip address add 10.9.0.{number}/24 dev eth0 && ip link set eth0 up && ip route add default dev eth0"
        )
        self._publish(machine, f"10.9.0.{number}", known_as)
        return machine

    def _publish(self, machine: Machine, address: str, name: str) -> None:
        line = f"{address} {name}\n" if name else ""
        for each in self.machines:
            with (self.box / each.name / "etc" / "hosts").open("a") as hosts:
                hosts.write("".join(self._names) + line if each is machine else line)
        self._names.append(line)

    def end(self) -> None:
        for machine in reversed(self.machines):
            machine.end()
        self._bridge.end()


@contextlib.contextmanager
def wire(box: Path) -> Iterator[Wire]:
    made = Wire(box)
    try:
        yield made
    finally:
        made.end()


def until(what: Callable[[], T], *, of: str | Callable[[], str], seconds: float = 30) -> T:
    """The first true answer of `what`; fails where none comes."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {of if isinstance(of, str) else of()}"
        time.sleep(0.1)
