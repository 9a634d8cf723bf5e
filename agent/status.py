"""`wardgate status` and `wardgate ping`: how this device stands, from its own files and from WireGuard."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agent import hostcert
from agent.linux import Machine
from agent.options import DEFAULT_STATE
from agent.paths import FRESH_HANDSHAKE
from agent.sshd import Sshd
from agent.state import AgentState
from agent.tunnel import LivePeer, LiveTunnel
from model.errors import Ambiguous, Invalid, NotFound, Unavailable, WardgateError
from model.ids import Address, address, quoted
from model.netmap import NetMap, Peer


def status(state: Path = DEFAULT_STATE) -> dict[str, object]:
    """A JSON object. Times are RFC 3339 in UTC, ages in seconds; what is not known is null."""
    kept = AgentState(state)
    membership, netmap = kept.membership(), kept.netmap()
    running = kept.holder() is not None
    link = kept.link()
    live = _live(kept)
    return {
        "running": running,
        "interface": kept.applied().interface,
        "gate": None if membership is None else {"host": membership.host, "port": membership.port},
        "connected": running and link.connected,
        "since": _time(link.since),
        "problem": link.problem or None,
        "version": netmap.version if netmap else None,
        "device": _device(netmap),
        "host_certificate": _host_certificate(kept),
        "peers": [_peer(peer, live) for peer in netmap.peers] if netmap else [],
    }


def resolve(netmap: NetMap, name: str) -> tuple[Address, ...]:
    """The addresses of a peer's name, short or full, of a name of the network, or of a device's own address.

    `NotFound` where this device is told of no such name, which is also what it is told where the policy says no.
    """
    text = name.strip().rstrip(".").lower()
    with contextlib.suppress(Invalid):
        return (address(text),)
    label = text.removesuffix(f".{netmap.network.domain}")
    if label == netmap.device.name:
        return netmap.device.ipv4, netmap.device.ipv6
    for peer in netmap.peers:
        if label == peer.name:
            return tuple(Address(prefix.partition("/")[0]) for prefix in peer.allowed_ips[:2])
    full = [known for known in netmap.names if text in {known, known.removesuffix(f".{netmap.network.domain}")}]
    if len(full) > 1:
        raise Ambiguous(f"{quoted(name)} may be {' or '.join(full)}", hint="give the full name")
    values = [value for known in full for kind in ("A", "AAAA") for value in netmap.names[known].get(kind, ())]
    if not values:
        raise NotFound(
            f"this device sees no device named {quoted(name)}",
            hint="`wardgate status` lists those that it sees; the policy decides which",
        )
    return tuple(map(address, values))


async def ping(name: str, report: Callable[[str], None], state: Path = DEFAULT_STATE, *, count: int = 3) -> int:
    """Sends `count` echo requests through the tunnel; 0 where one is answered, 1 where none is.

    Tells `ping`'s own lines, and how fresh the tunnel to that peer is.
    """
    kept = AgentState(state)
    netmap, interface = kept.netmap(), kept.applied().interface
    if netmap is None or interface is None:
        raise Unavailable("this machine is not up in a network", hint="`wardgate up` first")
    target = resolve(netmap, name)[0]
    words = ["ping", "-n", "-c", str(count), "-i", "0.3", "-W", "2", "-I", interface, target]
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except FileNotFoundError:
        raise Unavailable("there is no ping program here", hint="apt-get install iputils-ping") from None
    assert process.stdout is not None
    async for line in process.stdout:
        if text := line.decode("utf-8", "replace").strip():
            report(text)
    answered = await process.wait() == 0
    tunnel = _tunnel_line(netmap, target, _live(kept))
    refused = not answered and tunnel.startswith("tunnel to ")
    report(f"{tunnel}: no ping came back, as where the policy allows none" if refused else tunnel)
    return 0 if answered else 1


def _tunnel_line(netmap: NetMap, target: Address, live: LiveTunnel | None) -> str:
    peers = [peer for peer in netmap.peers if target in {prefix.partition("/")[0] for prefix in peer.allowed_ips}]
    seen = live.peers.get(peers[0].wireguard_key) if peers and live else None
    if not peers:
        return f"{target} is not a peer's own address"
    if seen is None or not seen.handshake_at:
        return f"no tunnel to {peers[0].name} yet: it never answered a handshake"
    age = int(time.time()) - seen.handshake_at
    return f"tunnel to {peers[0].name} by {seen.endpoint or 'no endpoint'}, last handshake {age} s ago"


def _live(kept: AgentState) -> LiveTunnel | None:
    interface = kept.applied().interface
    if interface is None:
        return None
    try:
        return Machine(interface, "", kept.wireguard_key_file).tunnel()
    except WardgateError:
        return None


def _device(netmap: NetMap | None) -> dict[str, object] | None:
    if netmap is None:
        return None
    device = netmap.device
    return {
        "id": device.id,
        "name": device.name,
        "fqdn": f"{device.name}.{netmap.network.domain}",
        "user": device.user,
        "tags": list(device.tags),
        "ipv4": device.ipv4,
        "ipv6": device.ipv6,
        "state": device.state.value,
        "expires_at": _time(device.expires_at or 0),
        "routes": [{"prefix": route.prefix, "state": route.state.value} for route in device.routes],
    }


def _host_certificate(kept: AgentState) -> dict[str, object] | None:
    """What this host's sshd has to show, and why it is none; None where there is no sshd, or it is left alone."""
    standing, folder = kept.host_standing(), kept.applied().sshd_folder
    if standing is None or not standing.host:
        return None
    line = Sshd(Path(folder), lambda _: None).host_certificate() if folder else None
    return {
        "valid_before": _time(hostcert.ends(line) if line else 0),
        "problem": standing.problem or None,
        "hint": standing.hint or None,
    }


def _peer(peer: Peer, live: LiveTunnel | None) -> dict[str, object]:
    seen: LivePeer | None = live.peers.get(peer.wireguard_key) if live else None
    handshake = seen.handshake_at if seen else 0
    age = int(time.time()) - handshake if handshake else None
    return {
        "id": peer.id,
        "name": peer.name,
        "user": peer.user,
        "tags": list(peer.tags),
        "allowed_ips": list(peer.allowed_ips),
        "endpoint": seen.endpoint if seen else None,
        "handshake_age": age,
        "active": age is not None and age < FRESH_HANDSHAKE,
        "received": seen.received if seen else 0,
        "sent": seen.sent if seen else 0,
    }


def _time(epoch: int) -> str | None:
    return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z") if epoch else None
