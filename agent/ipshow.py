"""What `ip -j` and `wg show dump` print, as values. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from agent.tunnel import LivePeer, LiveTunnel, Surroundings
from model.ids import Address, Endpoint, Prefix
from model.keys import WireGuardKey


class _AddressShown(msgspec.Struct):
    local: str = ""
    prefixlen: int = 0
    scope: str = ""
    deprecated: bool = False
    temporary: bool = False
    tentative: bool = False


class _LinkShown(msgspec.Struct):
    ifname: str = ""
    mtu: int = 0
    flags: tuple[str, ...] = ()
    addr_info: tuple[_AddressShown, ...] = ()


class _RouteShown(msgspec.Struct):
    dst: str = ""
    dev: str = ""


def tunnel(shown: str, routes: Iterable[str], dump: str) -> LiveTunnel:
    """`shown` of `ip addr`, `routes` of `ip route` for both families, `dump` of `wg show INTERFACE dump`."""
    link = next(iter(_links(shown)), _LinkShown())
    first, *peers = dump.splitlines() or [""]
    _, key, port, *_ = [*first.split("\t"), "", "", "0"]
    return LiveTunnel(
        listen_port=int(port) if port.isdigit() else 0,
        key=WireGuardKey(key),
        addresses=frozenset(
            Prefix(f"{each.local}/{each.prefixlen}") for each in link.addr_info if each.scope != "link"
        ),
        routes=frozenset(_prefix(route.dst) for text in routes for route in _routes(text) if route.dst),
        peers={peer.key: peer for peer in map(_peer, peers)},
        mtu=link.mtu,
        up="UP" in link.flags,
    )


def _peer(line: str) -> LivePeer:
    key, _, endpoint, allowed, handshake, received, sent, keepalive = line.split("\t")
    return LivePeer(
        key=WireGuardKey(key),
        allowed_ips=frozenset(Prefix(text) for text in allowed.split(",") if text and text != "(none)"),
        endpoint=None if endpoint == "(none)" else Endpoint(endpoint),
        keepalive=int(keepalive) if keepalive.isdigit() else 0,
        handshake_at=int(handshake),
        received=int(received),
        sent=int(sent),
    )


def surroundings(shown: str, routes: Iterable[str], interface: str) -> Surroundings:
    """Of all interfaces but `interface` and loopback: what others could send to, the ways out first."""
    outward = {route.dev for text in routes for route in _routes(text) if route.dst == "default"}
    links = [link for link in _links(shown) if link.ifname != interface and "LOOPBACK" not in link.flags]
    links.sort(key=lambda link: (link.ifname not in outward, link.ifname))
    usable = [(link, each) for link in links for each in link.addr_info if each.scope == "global"]
    return Surroundings(
        addresses=tuple(
            Address(each.local)
            for _, each in usable
            if not (each.deprecated or each.temporary or each.tentative) and each.prefixlen
        ),
        connected=tuple(
            sorted(
                {Prefix(str(ipaddress.ip_interface(f"{each.local}/{each.prefixlen}").network)) for _, each in usable}
            )
        ),
    )


def _links(text: str) -> list[_LinkShown]:
    """`ip -j` prints an empty object for what a filter left out."""
    return [link for link in msgspec.json.decode(text or "[]", type=list[_LinkShown]) if link.ifname]


def _routes(text: str) -> list[_RouteShown]:
    return msgspec.json.decode(text or "[]", type=list[_RouteShown])


def _prefix(text: str) -> Prefix:
    """`ip` leaves out the length of a single address."""
    return Prefix(str(ipaddress.ip_network("0.0.0.0/0" if text == "default" else text)))
