"""Keeps this machine in step with a NetMap: reads what is, plans, carries out, and remembers what to undo."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from agent import files, hosts
from agent.exits import MARK
from agent.linux import FORWARDING, SOURCE_VALID_MARK, Machine, read_sysctl, routers_heard, write_sysctl
from agent.nft import Shield, ruleset
from agent.options import UpOptions
from agent.paths import Path as PeerPath
from agent.paths import choose
from agent.plan import Desired, Live, plan
from agent.sshd import Sshd
from agent.state import AgentState, Applied
from agent.tunnel import EXIT_ROUTES, FIRST_CALL, LiveTunnel, Surroundings, accepted, candidates, exit_of, wanted
from model.errors import Conflict, Unavailable
from model.ids import Address, DeviceID, Prefix, quoted
from model.keys import WireGuardKey
from model.netmap import NetMap

TABLE = "wardgate"
SEARCHING = 2.0
"""Seconds between looks while a peer has not answered."""


def table_name(interface: str, default: str) -> str:
    """Of the nftables table: one for each interface, so that two networks on a machine do not take each other's."""
    return TABLE if interface == default else f"{TABLE}_{interface.replace('-', '_').replace('.', '_')}"


def check_free(state: AgentState, machine: Machine) -> None:
    """`Conflict` where something that is not this agent's has the interface's name."""
    if state.applied().interface != machine.interface and machine.exists():
        raise Conflict(
            f"there is an interface {machine.interface} already, and it is not this agent's",
            hint=f"give another name with --interface, or remove it with: ip link del {machine.interface}",
        )


class _Reading(NamedTuple):
    """What follows from a map and the surroundings alone, kept as long as both are the same."""

    netmap: NetMap
    around: Surroundings
    carried: dict[DeviceID, frozenset[Prefix]]
    forward: frozenset[int]
    exit: frozenset[int] | None
    ruleset: str


class Keeper:
    """Synchronous, for several threads: what was begun is over before the machine is given back."""

    def __init__(
        self, options: UpOptions, state: AgentState, machine: Machine, listen_port: int, report: Callable[[str], None]
    ) -> None:
        self._options = options
        self._state = state
        self._machine = machine
        self._listen_port = listen_port
        self._hands = threading.Lock()
        self._ended = False
        self.sshd = Sshd(options.sshd_folder, report)
        self._met: dict[WireGuardKey, float] = {}
        self._waiting: frozenset[WireGuardKey] = frozenset()
        self._paths: dict[WireGuardKey, PeerPath] = {}
        self._read: _Reading | None = None
        self._loaded: tuple[str, str] | None = None
        self._applied = state.applied()
        self.around = Surroundings()
        self.live: LiveTunnel | None = None

    def begin(self) -> None:
        """Writes down that the interface is this agent's, before it is made."""
        name, table = self._machine.interface, self._machine.table
        if self._applied.interface not in {None, name}:
            undo(self._state, Machine(self._applied.interface or name, self._applied.nft_table or table, Path()))
            self._applied = self._state.applied()
        self._remember(interface=name, nft_table=table)
        if self._options.exit_node is not None:
            before = {SOURCE_VALID_MARK: read_sysctl(SOURCE_VALID_MARK) or "0"}
            self._remember(exit=True, sysctls=before | self._applied.sysctls)

    def end(self, report: Callable[[str], None]) -> None:
        """Takes back everything; nothing is done to the machine after it."""
        with self._hands:
            self._ended = True
            undo(self._state, self._machine, report)

    def keep(self, netmap: NetMap, avoid: tuple[Address, ...]) -> bool:
        """Brings the machine in step with `netmap`; whether anything had to be done."""
        with self._hands:
            return not self._ended and self._keep(netmap, avoid)

    def _keep(self, netmap: NetMap, avoid: tuple[Address, ...]) -> bool:
        self.around = msgspec.structs.replace(self._machine.surroundings(), avoid=avoid)
        self.live = self._machine.tunnel()
        if self._read is None or self._read.netmap is not netmap or self._read.around != self.around:
            forward = self._forward(netmap)
            carried = _carried(netmap, self._options.accept_routes, self.around)
            through, exits = exit_of(netmap, self._options.exit_node)
            if through is not None:
                carried[through] |= exits
            versions = None if self._options.exit_node is None else frozenset(6 if ":" in each else 4 for each in exits)
            self._read = _Reading(netmap, self.around, carried, forward, versions, self._ruleset(netmap))
        self._choose_paths(netmap, self._read.carried)
        self._waiting = self._to_be_called(netmap)
        tunnel = wanted(
            netmap,
            listen_port=self._listen_port,
            carried=self._read.carried,
            paths=self._paths,
            waiting=self._waiting,
            ipv6=self._machine.has_ipv6(),
        )
        desired = Desired(tunnel=tunnel, ruleset=self._read.ruleset, forward=self._read.forward, exit=self._read.exit)
        live = Live(
            tunnel=self.live,
            ruleset=self._known_ruleset(),
            forwarded=self._machine.forwarded(),
            exit=self._machine.exit() if self._applied.exit else None,
        )
        steps = plan(desired, live)
        for step in steps:
            self._machine.perform(step)
        if live.ruleset != desired.ruleset:
            self._loaded = desired.ruleset, self._machine.shield_mark()
        return self._write_names(netmap) or bool(steps)

    def keep_logins(self, netmap: NetMap) -> None:
        """Tells this host's sshd who may log in, where there is one and it is ours to tell."""
        with self._hands:
            if self._ended or not self._options.sshd or not self.sshd.present:
                return
            if self._applied.sshd_folder is None:
                self._remember(sshd_folder=str(self._options.sshd_folder))
            self.sshd.keep(netmap)

    def put_host_certificate(self, line: str) -> None:
        with self._hands:
            if not self._ended:
                self.sshd.put_host_certificate(line)

    @property
    def problem(self) -> str | None:
        """What a person should know although everything was done that can be."""
        if self._read is None or self._read.exit != frozenset():
            return None
        name = quoted(self._options.exit_node or "")
        return f"{name} is no exit node for this device, and nothing beyond the network is reached"

    @property
    def look_again(self) -> float | None:
        """Seconds after which the machine may need something though nothing was heard; None in peace."""
        return FIRST_CALL if self._waiting else SEARCHING if self._searching else None

    @property
    def _searching(self) -> bool:
        """Whether some peer with an endpoint has not answered yet."""
        live = self.live.peers if self.live else {}
        return any(
            path.candidates and not (key in live and live[key].handshake_at) for key, path in self._paths.items()
        )

    def _choose_paths(self, netmap: NetMap, carried: dict[DeviceID, frozenset[Prefix]]) -> None:
        inside = [netmap.network.ipv4, netmap.network.ipv6]
        for peer in netmap.peers:
            inside += carried[peer.id].difference(peer.allowed_ips[:2]) - EXIT_ROUTES
        live = self.live.peers if self.live else {}
        wall, now, paths = time.time(), time.monotonic(), {}
        for peer in netmap.peers:
            seen = live.get(peer.wireguard_key)
            age = wall - seen.handshake_at if seen and seen.handshake_at else None
            before = self._paths.get(peer.wireguard_key, PeerPath())
            usable = candidates(peer.endpoints, inside, self.around)
            paths[peer.wireguard_key] = choose(before, usable, seen.endpoint if seen else None, age, now)
        self._paths = paths

    def _to_be_called(self, netmap: NetMap) -> frozenset[WireGuardKey]:
        """Peers that are new here, and whose part it is to call first."""
        now, live = time.monotonic(), self.live.peers if self.live else {}
        keys = {peer.wireguard_key for peer in netmap.peers}
        self._met = {key: self._met.get(key, now) for key in keys}
        callers = {key for key in keys if key < netmap.device.wireguard_key and now - self._met[key] < FIRST_CALL}
        return frozenset(key for key in callers if key not in live or not live[key].handshake_at)

    def _forward(self, netmap: NetMap) -> frozenset[int]:
        """The IP versions of the routes that this device has approved; what it forwarded before is remembered first."""
        versions = frozenset(6 if ":" in prefix else 4 for prefix in _own_routes(netmap))
        possible = frozenset(version for version in versions if read_sysctl(FORWARDING[version]) is not None)
        names = [FORWARDING[version] for version in sorted(possible)]
        names += routers_heard() if 6 in possible else ()
        new = {name: read_sysctl(name) or "0" for name in names if name not in self._applied.sysctls}
        if new:
            self._remember(sysctls={**self._applied.sysctls, **new})
        return possible

    def _ruleset(self, netmap: NetMap) -> str:
        device = netmap.device
        off_before = {version for version, name in FORWARDING.items() if self._applied.sysctls.get(name) == "0"}
        shield = Shield(
            table=self._machine.table,
            interface=self._machine.interface,
            addresses=(device.ipv4, device.ipv6),
            network=(netmap.network.ipv4, netmap.network.ipv6),
            routes=_own_routes(netmap),
            masquerade=self._options.masquerade,
            forward_only_tunnel=frozenset(off_before),
            keep_mark=None if self._options.exit_node is None else MARK,
        )
        return ruleset(netmap.filter, shield)

    def _known_ruleset(self) -> str | None:
        if self._loaded is None:
            return None
        text, mark = self._loaded
        return text if mark and self._machine.shield_mark() == mark else None

    def _write_names(self, netmap: NetMap) -> bool:
        path = self._options.hosts_file
        if path is None:
            return False
        data = files.read_or_none(path)
        old = (data or b"").decode("utf-8", "surrogateescape")
        new = hosts.with_block(old, hosts.block(netmap.names, netmap.network.domain))
        if new == old:
            return False
        if self._applied.hosts_file is None:
            self._remember(hosts_file=str(path), hosts_made=data is None)
        files.write_whole(path, new.encode("utf-8", "surrogateescape"), files.mode_of(path))
        return True

    def _remember(self, **changes: object) -> None:
        self._applied = msgspec.structs.replace(self._applied, **changes)
        self._state.put_applied(self._applied)


def undo(state: AgentState, machine: Machine, report: Callable[[str], None] = lambda _: None) -> bool:
    """Takes back what `state` says was done; whether there was anything. Safe to do again after an interruption.

    What sshd still reads stays, and stays in `state` for the next time.
    """
    applied = state.applied()
    if applied == Applied():
        return False
    if applied.interface is not None:
        if applied.exit:
            machine.clear_exit()
        machine.remove()
        report(f"removed interface {applied.interface} and its packet filter")
    for name, value in applied.sysctls.items():
        with contextlib.suppress(Unavailable):  # of an interface that is gone
            write_sysctl(name, value)
    folder = applied.sshd_folder
    if folder is not None and Sshd(Path(folder), report).remove():
        folder = None
    if applied.hosts_file is not None:
        _take_names(Path(applied.hosts_file), applied.hosts_made)
    state.put_applied(Applied(sshd_folder=folder))
    return True


def _take_names(path: Path, made: bool) -> None:
    data = files.read_or_none(path)
    if data is None:
        return
    old = data.decode("utf-8", "surrogateescape")
    new = hosts.without_block(old)
    if made and not new:
        path.unlink()
    elif new != old:
        files.write_whole(path, new.encode("utf-8", "surrogateescape"), files.mode_of(path))


def _carried(netmap: NetMap, accept_routes: bool, around: Surroundings) -> dict[DeviceID, frozenset[Prefix]]:
    """What each peer is sent. A prefix goes to one peer; the first that has it keeps it."""
    dealt: set[Prefix] = set()
    out = {}
    for peer in netmap.peers:
        mine = accepted(netmap, peer, accept_routes, around) - dealt
        dealt |= mine
        out[peer.id] = mine
    return out


def _own_routes(netmap: NetMap) -> tuple[Prefix, ...]:
    return tuple(sorted(route.prefix for route in netmap.device.routes if route.state == "approved"))
