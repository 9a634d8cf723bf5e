"""The tunnel as values: what a NetMap asks of this machine, and what the machine has now."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

import msgspec

from agent.paths import Path
from model.ids import Address, DeviceID, Endpoint, Prefix
from model.keys import WireGuardKey
from model.netmap import NetMap, Peer

MTU = 1280
"""What IPv6 asks of every link at least; a tunnel in a tunnel still carries it."""
KEEPALIVE = 25
"""Seconds; under the 30 after which the hastiest NATs forget a UDP flow."""
EXIT_ROUTES = frozenset({"0.0.0.0/0", "::/0"})


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
    network = _networks((netmap.network.ipv4, netmap.network.ipv6))
    mine = {route.prefix for route in netmap.device.routes}
    out = set()
    for text in peer.allowed_ips:
        prefix = ipaddress.ip_network(text)
        own = prefix.num_addresses == 1 and any(_within(prefix, wide) for wide in network)
        if own or (
            accept_routes
            and text not in EXIT_ROUTES
            and text not in mine
            and not any(_within(prefix, near) for near in _networks(around.connected))
            and not any(_within(ipaddress.ip_network(address), prefix) for address in around.avoid)
        ):
            out.add(text)
    return frozenset(out)


def candidates(endpoints: Iterable[Endpoint], inside: Iterable[Prefix]) -> tuple[Endpoint, ...]:
    """Of a peer's endpoints those that are not behind the tunnel itself, where a packet would only go in circles."""
    networks = _networks(inside)
    hosts = {endpoint: ipaddress.ip_network(host_of(endpoint)) for endpoint in endpoints}
    return tuple(each for each, host in hosts.items() if not any(_within(host, network) for network in networks))


def wanted(
    netmap: NetMap,
    *,
    listen_port: int,
    carried: Mapping[DeviceID, frozenset[Prefix]],
    paths: Mapping[WireGuardKey, Path],
) -> Tunnel:
    """The tunnel that `netmap` describes, where `carried` is what each peer is sent."""
    peers = {
        peer.wireguard_key: TunnelPeer(
            key=peer.wireguard_key,
            allowed_ips=carried[peer.id],
            endpoint=paths.get(peer.wireguard_key, Path()).endpoint,
            keepalive=KEEPALIVE if peer.endpoints else 0,
        )
        for peer in netmap.peers
    }
    network = frozenset({netmap.network.ipv4, netmap.network.ipv6})
    routes = {prefix for prefixes in carried.values() for prefix in prefixes}
    wide = _networks(network)
    beyond = {text for text in routes if not any(_within(ipaddress.ip_network(text), net) for net in wide)}
    return Tunnel(
        listen_port=listen_port,
        key=netmap.device.wireguard_key,
        addresses=frozenset({Prefix(f"{netmap.device.ipv4}/32"), Prefix(f"{netmap.device.ipv6}/128")}),
        routes=network | beyond,
        peers=peers,
    )


def host_of(endpoint: Endpoint) -> str:
    return endpoint.rpartition(":")[0].strip("[]")


def endpoint_of(address: Address, port: int) -> Endpoint:
    return Endpoint(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(prefixes: Iterable[Prefix]) -> list[_Network]:
    return [ipaddress.ip_network(text) for text in prefixes]


def _within(inner: _Network, outer: _Network) -> bool:
    return (
        inner.version == outer.version
        and outer.network_address <= inner.network_address  # type: ignore[operator]  # of one version, as just checked
        and inner.broadcast_address <= outer.broadcast_address  # type: ignore[operator]
    )
