"""The one module that touches the machine: `ip`, `wg`, `nft`, sysctls. It decides nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from agent import exits, ipshow
from agent.plan import (
    AddAddress,
    AddRoutes,
    BringUp,
    ClearExit,
    CreateInterface,
    Forward,
    LoadRuleset,
    Operation,
    RemoveAddress,
    RemovePeers,
    RemoveRoutes,
    SetExit,
    SetInterface,
    SetPeers,
)
from agent.tunnel import LiveTunnel, Surroundings, TunnelPeer
from model.errors import Denied, Unavailable
from model.ids import Prefix, quoted

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
SOURCE_VALID_MARK = "net/ipv4/conf/all/src_valid_mark"
"""Lets the reverse path check see the mark: a strict one else drops WireGuard's own packets beside an exit node."""
NEEDED = {"ip": "iproute2", "wg": "wireguard-tools", "nft": "nftables"}
"""Program and the Debian package that has it."""
PEERS_A_CALL = 200
"""Of `wg set`: its arguments stay far under what the kernel takes."""
PROGRAM_TIMEOUT = 30
_SYSCTLS = Path("/proc/sys")

T = TypeVar("T")


def check_machine() -> None:
    """Refuses a machine on which the network could not be kept, or kept safe."""
    if os.geteuid() != 0:
        raise Denied("a device's network is root's to set up", hint="run it with sudo")
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            why = "; without it nothing would hold back what the policy does not allow" if program == "nft" else ""
            raise Unavailable(f"there is no {program} program here{why}", hint=f"apt-get install {package}")


def run(*words: str, text: str = "", check: bool = True) -> str:
    """A program's output. `Unavailable` with its first line of complaint where it fails and `check` holds."""
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, check=False, timeout=PROGRAM_TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{words[0]} did not run: {error}") from None
    if done.returncode != 0 and check:
        complaint = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
        raise Unavailable(f"`{' '.join(words[:4])}` failed: {quoted(complaint)}")
    return done.stdout if done.returncode == 0 else ""


class Machine:
    """One interface and its packet filter on this machine."""

    def __init__(self, interface: str, table: str, key_file: Path) -> None:
        self.interface = interface
        self.table = table
        self._key_file = key_file
        self._steps: dict[type[Operation], Callable[..., None]] = {
            LoadRuleset: self._load_ruleset,
            Forward: self._forward,
            CreateInterface: self._create_interface,
            SetInterface: self._set_interface,
            BringUp: self._bring_up,
            AddAddress: self._add_address,
            RemoveAddress: self._remove_address,
            RemovePeers: self._remove_peers,
            SetPeers: self._set_peers,
            AddRoutes: self._add_routes,
            RemoveRoutes: self._remove_routes,
            SetExit: self._set_exit,
            ClearExit: self.clear_exit,
        }

    def perform(self, operation: Operation) -> None:
        self._steps[type(operation)](operation)

    def tunnel(self) -> LiveTunnel | None:
        """The interface as it is now; None where there is none."""
        if not self.exists():
            return None
        shown = run("ip", "-j", "addr", "show", "dev", self.interface)
        routes = [
            run("ip", "-j", family, "route", "show", "dev", self.interface, "proto", "static")
            for family in ("-4", "-6")
        ]
        return ipshow.tunnel(shown, routes, run("wg", "show", self.interface, "dump"))

    def exists(self) -> bool:
        return Path(f"/sys/class/net/{self.interface}").exists() or bool(
            run("ip", "-j", "link", "show", "dev", self.interface, check=False)
        )

    def shield_mark(self) -> str:
        """The packet filter as listed without its sets, which shows when somebody touched it. Empty: it is gone."""
        return run("nft", "-t", "list", "table", "inet", self.table, check=False)

    def forwarded(self) -> frozenset[int]:
        return frozenset(version for version, name in FORWARDING.items() if read_sysctl(name) == "1")

    def has_ipv6(self) -> bool:
        """Whether an interface of this machine may have IPv6 addresses."""
        names = ("all", self.interface if self.exists() else "default")
        return all(read_sysctl(f"net/ipv6/conf/{name}/disable_ipv6") == "0" for name in names)

    def exit(self) -> frozenset[int] | None:
        """The IP versions that go through the tunnel as a whole; None where no exit node is set."""
        table = str(exits.TABLE)
        found = {
            version: exits.carried(
                run("ip", f"-{version}", "-j", "rule", "show", check=False),
                run("ip", f"-{version}", "-j", "route", "show", "table", table, check=False),
                self.interface,
            )
            for version in self._versions()
        }
        if None in found.values():
            return None
        return frozenset(version for version, through in found.items() if through)

    def clear_exit(self, _: ClearExit | None = None) -> None:
        for version in self._versions():
            run("ip", f"-{version}", "-force", "-batch", "-", text="\n".join([*exits.off(), ""]), check=False)

    def _set_exit(self, step: SetExit) -> None:
        write_sysctl(SOURCE_VALID_MARK, "1")
        for version in self._versions():
            lines = exits.on(self.interface, version in step.versions)
            run("ip", f"-{version}", "-force", "-batch", "-", text="\n".join([*lines, ""]), check=False)

    def _versions(self) -> tuple[int, ...]:
        return (4, 6) if read_sysctl("net/ipv6/conf/all/disable_ipv6") == "0" else (4,)

    def surroundings(self) -> Surroundings:
        return ipshow.surroundings(
            run("ip", "-j", "addr", "show", "up"),
            [run("ip", "-j", family, "route", "show") for family in ("-4", "-6")],
            self.interface,
        )

    def remove(self) -> None:
        """The interface with its routes, then the filter, which stands as long as anything could pass."""
        if self.exists():
            run("ip", "link", "del", "dev", self.interface, check=False)
            _wait_until(lambda: not self.exists())
            Path(f"/run/wireguard/{self.interface}.sock").unlink(missing_ok=True)
        run("nft", "delete", "table", "inet", self.table, check=False)

    def _load_ruleset(self, step: LoadRuleset) -> None:
        run("nft", "-f", "-", text=step.text)

    def _forward(self, step: Forward) -> None:
        if step.version == 6:
            for name in routers_heard():
                write_sysctl(name, "2")
        write_sysctl(FORWARDING[step.version], "1")

    def _create_interface(self, _: CreateInterface) -> None:
        """In the kernel where it can, in a program of its own where it cannot."""
        kernel = subprocess.run(
            ["ip", "link", "add", "dev", self.interface, "type", "wireguard"], capture_output=True, check=False
        )
        if kernel.returncode == 0:
            return
        if shutil.which("wireguard-go") is None:
            raise Unavailable(
                "this kernel has no WireGuard, and there is no wireguard-go program",
                hint="apt-get install wireguard-go",
            )
        environment = {name: value for name, value in os.environ.items() if name != "WG_PROCESS_FOREGROUND"}
        subprocess.run(
            ["wireguard-go", self.interface], env={**environment, "LOG_LEVEL": "silent"}, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PROGRAM_TIMEOUT,
            start_new_session=True,
        )  # fmt: skip
        if not _wait_until(lambda: bool(run("wg", "show", self.interface, "dump", check=False))):
            raise Unavailable(
                f"wireguard-go made no interface {self.interface}", hint="does /dev/net/tun exist here, and is it free?"
            )

    def _set_interface(self, step: SetInterface) -> None:
        words = ["listen-port", str(step.listen_port), "private-key", str(self._key_file), "fwmark", str(exits.MARK)]
        run("wg", "set", self.interface, *words)

    def _bring_up(self, step: BringUp) -> None:
        run("ip", "link", "set", "dev", self.interface, "mtu", str(step.mtu), "up")

    def _add_address(self, step: AddAddress) -> None:
        run("ip", "addr", "replace", step.address, "dev", self.interface, *_no_detection(step.address))

    def _remove_address(self, step: RemoveAddress) -> None:
        run("ip", "addr", "del", step.address, "dev", self.interface)

    def _remove_peers(self, step: RemovePeers) -> None:
        for some in _slices(step.keys):
            run("wg", "set", self.interface, *(word for key in some for word in ("peer", key, "remove")))

    def _set_peers(self, step: SetPeers) -> None:
        for some in _slices(step.peers):
            run("wg", "set", self.interface, *(word for peer in some for word in _peer_words(peer)))

    def _add_routes(self, step: AddRoutes) -> None:
        self._routes("replace", step.prefixes)

    def _remove_routes(self, step: RemoveRoutes) -> None:
        self._routes("del", step.prefixes)

    def _routes(self, verb: str, prefixes: Iterable[Prefix]) -> None:
        lines = [f"route {verb} {prefix} dev {self.interface} proto static" for prefix in prefixes]
        run("ip", "-force", "-batch", "-", text="\n".join(lines) + "\n")


def _peer_words(peer: TunnelPeer) -> list[str]:
    words = ["peer", peer.key, "persistent-keepalive", str(peer.keepalive) if peer.keepalive else "off"]
    if peer.endpoint is not None:
        words += ["endpoint", peer.endpoint]
    return [*words, "allowed-ips", ",".join(sorted(peer.allowed_ips))]


def _no_detection(address: Prefix) -> list[str]:
    """A tunnel has no neighbours that could have the address: it is usable at once."""
    return ["nodad"] if ":" in address else []


def _slices(items: tuple[T, ...]) -> Iterable[tuple[T, ...]]:
    return (items[at : at + PEERS_A_CALL] for at in range(0, len(items), PEERS_A_CALL))


def routers_heard() -> tuple[str, ...]:
    """Sysctls of interfaces that take their IPv6 routes from routers, and would stop once this host forwards."""
    names = (str(path.relative_to(_SYSCTLS)) for path in _SYSCTLS.glob("net/ipv6/conf/*/accept_ra"))
    return tuple(sorted(name for name in names if read_sysctl(name) == "1"))


def read_sysctl(name: str) -> str | None:
    """None where this kernel has none of that name (no IPv6, say)."""
    try:
        return (_SYSCTLS / name).read_text().strip()
    except OSError:
        return None


def write_sysctl(name: str, value: str) -> None:
    try:
        (_SYSCTLS / name).write_text(value)
    except OSError as error:
        raise Unavailable(f"/proc/sys/{name} cannot be set: {error.strerror}") from None


def _wait_until(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not (done := holds()) and time.monotonic() < end:
        time.sleep(0.02)
    return done
