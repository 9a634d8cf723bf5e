"""What one Device is told. The shapes are the wire's: `docs/protocol.md` describes them for other programs."""

from __future__ import annotations

import msgspec

from model.ids import Address, DeviceID, DeviceName, DNSName, Domain, Endpoint, Prefix, Tag, UserName, Version
from model.keys import WireGuardKey
from model.records import DeviceState, Route


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    id: DeviceID
    name: DeviceName
    user: UserName | None = None
    tags: tuple[Tag, ...] = ()
    wireguard_key: WireGuardKey
    allowed_ips: tuple[Prefix, ...]
    """Its own addresses, then the routes that go through it."""
    endpoints: tuple[Endpoint, ...] = ()


class FilterDestination(msgspec.Struct, frozen=True):
    net: str
    """An address, a prefix, a range `first-last`, or `*`."""
    ports: tuple[int, int]


class FilterRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lets packets in: from any of `src` to any of `dst`. No `proto` means 6, 17, 1 and 58."""

    src: tuple[str, ...]
    dst: tuple[FilterDestination, ...]
    proto: tuple[int, ...] = ()


class NetMapDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The receiving Device's own record, as far as it concerns that Device."""

    id: DeviceID
    name: DeviceName
    user: UserName | None = None
    tags: tuple[Tag, ...] = ()
    ipv4: Address
    ipv6: Address
    wireguard_key: WireGuardKey
    state: DeviceState
    expires_at: int | None = None
    routes: tuple[Route, ...] = ()


class NetworkFacts(msgspec.Struct, frozen=True, kw_only=True):
    domain: Domain
    ipv4: Prefix
    ipv6: Prefix


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """CA public keys to trust, as lines; the generations that sign and those that still may be met."""

    user_ca: tuple[str, ...] = ()
    host_ca: tuple[str, ...] = ()


Names = dict[DNSName, dict[str, tuple[str, ...]]]
"""Fully qualified name -> record type -> values."""
Logins = dict[str, tuple[str, ...]]
"""Login on this host, or `*` for any but root without an entry of its own -> principals."""


class NetMap(msgspec.Struct, frozen=True, kw_only=True, tag="netmap", tag_field="type"):
    """Peers come in order of id. Immutable: a newer one is a new value."""

    version: Version
    device: NetMapDevice
    peers: tuple[Peer, ...] = ()
    filter: tuple[FilterRule, ...] = ()
    names: Names = {}
    ssh: Logins = {}
    network: NetworkFacts
    trust: Trust = Trust()
    krl: str = ""
    """The KRL of the moment in base64, ready to be written for sshd; empty where none was made yet."""


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag="delta", tag_field="type"):
    """Turns the map of version `base` into that of `version`; it applies to no other."""

    version: Version
    base: Version
    peers: tuple[Peer, ...] = ()
    """Changed or new, whole."""
    removed: tuple[DeviceID, ...] = ()
    set: dict[str, object] = {}
    """Other top-level keys of the map with their new values."""


_PARTS = ("device", "filter", "names", "ssh", "network", "trust", "krl")


def delta(old: NetMap, new: NetMap) -> Delta | None:
    """What turns `old` into `new`; None where nothing that the device is told differs."""
    before = {peer.id: peer for peer in old.peers}
    after = {peer.id: peer for peer in new.peers}
    peers = tuple(peer for peer in new.peers if before.get(peer.id) != peer)
    removed = tuple(id for id in before if id not in after)
    changed: dict[str, object] = {
        part: getattr(new, part) for part in _PARTS if getattr(old, part) != getattr(new, part)
    }
    if not (peers or removed or changed):
        return None
    return Delta(version=new.version, base=old.version, peers=peers, removed=removed, set=changed)


def apply_delta(old: NetMap, change: Delta) -> NetMap:
    """`old` advanced by `change`, whose `base` must be the version of `old`."""
    if change.base != old.version:
        raise ValueError(f"a delta over version {change.base} does not apply to version {old.version}")
    peers = {peer.id: peer for peer in old.peers}
    for id in change.removed:
        peers.pop(id, None)
    peers |= {peer.id: peer for peer in change.peers}
    parts = {part: value for part, value in change.set.items() if part in _PARTS}
    whole = msgspec.to_builtins(old) | {part: msgspec.to_builtins(value) for part, value in parts.items()}
    whole |= {
        "version": change.version,
        "peers": [msgspec.to_builtins(peers[id]) for id in sorted(peers, key=int)],
    }
    return msgspec.convert(whole, NetMap)
