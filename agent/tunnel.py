"""The tunnel as values: what a NetMap asks of this machine, and what the machine has now."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from agent.paths import Path
from model.ids import Address, DeviceID, Endpoint, Prefix
from model.keys import WireGuardKey
from model.netmap import NetMap, Peer

MTU = 1280
"""What IPv6 asks of every link at least; a tunnel in a tunnel still carries it."""
KEEPALIVE = 25
"""Seconds; under the 30 after which the hastiest NATs forget a UDP flow."""
FIRST_CALL = 0.7
"""Seconds. Two devices that learn of each other at one moment would both begin a handshake, and two that cross leave
them with different keys until one is tired of waiting (15 s). So the one with the lesser key calls at once, and the
other, by setting its keepalive, after this time: the first call may have come before it knew the caller."""
EXIT_ROUTES = frozenset({Prefix("0.0.0.0/0"), Prefix("::/0")})


class TunnelPeer(msgspec.Struct, frozen=True, kw_only=True):
    key: WireGuardKey
    allowed_ips: frozenset[Prefix]
    endpoint: Endpoint | None = None
    """None leaves it where WireGuard found it."""
    keepalive: int = 0
    """Seconds; 0 is off."""


class LivePeer(TunnelPeer, frozen=True, kw_only=True):
    handshake_at: int = 0
    """Epoch seconds of the last one; 0 for never."""
    received: int = 0
    sent: int = 0


class Tunnel(msgspec.Struct, frozen=True, kw_only=True):
    """An interface of this kind. Addresses carry their own length (/32, /128)."""

    listen_port: int
    key: WireGuardKey
    addresses: frozenset[Prefix]
    routes: frozenset[Prefix]
    peers: Mapping[WireGuardKey, TunnelPeer]
    mtu: int = MTU
    up: bool = True


class LiveTunnel(Tunnel, frozen=True, kw_only=True):
    peers: Mapping[WireGuardKey, LivePeer]


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What this machine has apart from the tunnel."""

    addresses: tuple[Address, ...] = ()
    """Of its other interfaces, those on the way out first."""
    connected: tuple[Prefix, ...] = ()
    """Networks that it is in itself."""
    avoid: tuple[Address, ...] = ()
    """Must stay reachable without the tunnel: the gate's addresses."""


def accepted(netmap: NetMap, peer: Peer, accept_routes: bool, around: Surroundings) -> frozenset[Prefix]:
    """Of what `peer` may carry, what this device sends to it: its own addresses, and routes that take nothing away.

    Not taken: exit routes, what this device routes itself, a part of a network that it is in, the way to the gate.
    """
    network = _spans((netmap.network.ipv4, netmap.network.ipv6))
    mine = {route.prefix for route in netmap.device.routes}
    near, avoided = _spans(around.connected), _spans(around.avoid)
    out = set()
    for text in peer.allowed_ips:
        span = _span(text)
        own = span.first == span.last and _any(network, span)
        if own or (
            accept_routes
            and text not in EXIT_ROUTES
            and text not in mine
            and not _any(near, span)
            and not any(span.holds(each) for each in avoided)
        ):
            out.add(text)
    return frozenset(out)


def exit_of(netmap: NetMap, name: str | None) -> tuple[DeviceID | None, frozenset[Prefix]]:
    """The peer called `name`, and the exit routes that it may carry; empty where it offers none to this device."""
    label = (name or "").strip().lower().removesuffix(f".{netmap.network.domain}")
    for peer in netmap.peers:
        if name is not None and peer.name == label:
            return peer.id, EXIT_ROUTES.intersection(peer.allowed_ips)
    return None, frozenset()


def candidates(endpoints: Iterable[Endpoint], inside: Iterable[Prefix], around: Surroundings) -> tuple[Endpoint, ...]:
    """Of a peer's endpoints those worth trying, the likeliest first: in a network that both are in, public, private.

    Left out: what is behind the tunnel itself, where a packet would only go in circles, and addresses of this machine
    (two machines with containers often share one).
    """
    hidden, near = _spans(inside), _spans(around.connected)

    def rank(host: _Span) -> int:
        return 0 if _any(near, host) else 2 if _any(_PRIVATE, host) else 1

    hosts = {endpoint: host_of(endpoint) for endpoint in endpoints}
    usable = [each for each, host in hosts.items() if host not in around.addresses and not _any(hidden, _span(host))]
    return tuple(sorted(usable, key=lambda each: rank(_span(hosts[each]))))


def wanted(
    netmap: NetMap,
    *,
    listen_port: int,
    carried: Mapping[DeviceID, frozenset[Prefix]],
    paths: Mapping[WireGuardKey, Path],
    waiting: Collection[WireGuardKey] = (),
    ipv6: bool = True,
) -> Tunnel:
    """The tunnel that `netmap` describes: `carried` is what each peer is sent, `waiting` are those that call first.

    A machine without IPv6 gets a tunnel without it.
    """
    peers = {
        peer.wireguard_key: TunnelPeer(
            key=peer.wireguard_key,
            allowed_ips=carried[peer.id],
            endpoint=paths.get(peer.wireguard_key, Path()).endpoint,
            keepalive=KEEPALIVE if peer.endpoints and peer.wireguard_key not in waiting else 0,
        )
        for peer in netmap.peers
    }
    network = frozenset({netmap.network.ipv4, netmap.network.ipv6})
    routes = {prefix for prefixes in carried.values() for prefix in prefixes} - EXIT_ROUTES
    wide = _spans(network)
    beyond = {text for text in routes if not _any(wide, _span(text))}
    addresses = {Prefix(f"{netmap.device.ipv4}/32"), Prefix(f"{netmap.device.ipv6}/128")}
    return Tunnel(
        listen_port=listen_port,
        key=netmap.device.wireguard_key,
        addresses=frozenset(text for text in addresses if ipv6 or ":" not in text),
        routes=frozenset(text for text in network | beyond if ipv6 or ":" not in text),
        peers=peers,
    )


def host_of(endpoint: Endpoint) -> str:
    return endpoint.rpartition(":")[0].strip("[]")


def endpoint_of(address: Address, port: int) -> Endpoint:
    return Endpoint(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")


class _Span(NamedTuple):
    """A prefix as numbers: what comparing ten thousand of them asks for."""

    version: int
    first: int
    last: int

    def holds(self, other: _Span) -> bool:
        return self.version == other.version and self.first <= other.first and other.last <= self.last


@functools.lru_cache(maxsize=1 << 16)
def _span(text: str) -> _Span:
    """ValueError for what is no address or prefix."""
    network = ipaddress.ip_network(text)
    return _Span(network.version, int(network[0]), int(network[-1]))


def _spans(prefixes: Iterable[str]) -> list[_Span]:
    return [_span(text) for text in prefixes]


def _any(spans: Iterable[_Span], inner: _Span) -> bool:
    return any(each.holds(inner) for each in spans)


_PRIVATE = _spans(("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
"""RFC 1918, 6598 and 4193: an address from there means another machine to everybody."""
