"""Builders of values that agents read."""

from __future__ import annotations

import base64

from model.ids import Address, DeviceID, DeviceName, Domain, Endpoint, Prefix, Version
from model.keys import WireGuardKey
from model.netmap import FilterRule, Names, NetMap, NetMapDevice, NetworkFacts, Peer
from model.records import DeviceState, Route, RouteState

NETWORK = NetworkFacts(
    domain=Domain("net.example.com"), ipv4=Prefix("100.64.0.0/10"), ipv6=Prefix("fd7a:115c:a1e0::/48")
)


def a_wireguard_key(number: int) -> WireGuardKey:
    return WireGuardKey(base64.b64encode(number.to_bytes(32, "big")).decode())


def a_peer(number: int, *, routes: tuple[str, ...] = (), endpoints: tuple[str, ...] = ()) -> Peer:
    return Peer(
        id=DeviceID(str(number)),
        name=DeviceName(f"peer-{number}"),
        wireguard_key=a_wireguard_key(number),
        allowed_ips=(
            Prefix(f"100.64.{number // 256}.{number % 256}/32"),
            Prefix(f"fd7a:115c:a1e0::{number:x}/128"),
            *(Prefix(text) for text in routes),
        ),
        endpoints=tuple(Endpoint(text) for text in endpoints),
    )


def a_netmap(
    *peers: Peer,
    version: int = 1,
    filter: tuple[FilterRule, ...] = (),
    routes: tuple[str, ...] = (),
    names: Names | None = None,
) -> NetMap:
    """The map of device 1, with `routes` of its own approved."""
    device = NetMapDevice(
        id=DeviceID("1"),
        name=DeviceName("laptop"),
        ipv4=Address("100.64.0.1"),
        ipv6=Address("fd7a:115c:a1e0::1"),
        wireguard_key=a_wireguard_key(1),
        state=DeviceState.APPROVED,
        routes=tuple(Route(Prefix(text), RouteState.APPROVED) for text in routes),
    )
    return NetMap(
        version=Version(version),
        device=device,
        peers=peers,
        filter=filter,
        names=names or {},
        network=NETWORK,
    )
