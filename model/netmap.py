"""What one Device is told. The shapes are the wire's: `docs/protocol.md` describes them for other programs."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise
from typing import get_type_hints

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
    digest: str = ""
    """What `digest` says of all the rest; empty where nobody worked it out."""


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag="delta", tag_field="type"):
    """Turns the map of version `base` into that of `version`; it applies to no other."""

    version: Version
    base: Version
    peers: tuple[Peer, ...] = ()
    """Changed or new, whole."""
    removed: tuple[DeviceID, ...] = ()
    set: dict[str, object] = {}
    """Other top-level keys of the map with their new values."""
    digest: str = ""
    """Of the map that results, where the gate worked it out: see `digest`."""


WHOLE_PARTS = ("device", "filter", "network", "trust", "krl")
_PARTS = (*WHOLE_PARTS, "names", "ssh")
_TYPES = {part: hint for part, hint in get_type_hints(NetMap).items() if part in _PARTS}


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
    """`old` advanced by `change`, whose `base` must be the version of `old`. Its digest is left empty."""
    if change.base != old.version:
        raise ValueError(f"a delta over version {change.base} does not apply to version {old.version}")
    peers = {peer.id: peer for peer in old.peers}
    for id in change.removed:
        peers.pop(id, None)
    peers |= {peer.id: peer for peer in change.peers}
    in_order = tuple(peers.values()) if _rising(peers) else tuple(peers[id] for id in sorted(peers, key=int))
    parts = {
        part: msgspec.convert(msgspec.to_builtins(value), _TYPES[part])
        for part, value in change.set.items() if part in _TYPES
    }  # fmt: skip
    return msgspec.structs.replace(old, version=change.version, peers=in_order, digest="", **parts)


def _rising(ids: Iterable[DeviceID]) -> bool:
    return all(int(a) < int(b) for a, b in pairwise(ids))


# --- the digest

DIGEST = "1"
"""Of the way in which digests are made. One of another way says nothing to who does not know it."""
_WRAP = (1 << 64) - 1


def weight(part: str, text: bytes) -> int:
    """What one piece adds to a digest: the first 8 bytes of BLAKE2b over `part`, a zero byte and its JSON."""
    return int.from_bytes(blake2b(part.encode() + b"\0" + text, digest_size=8).digest(), "big")


def seal(total: int) -> str:
    """The digest of pieces whose weights sum up to `total`."""
    return f"{DIGEST}:{total & _WRAP:016x}"


def digest(map: NetMap) -> str:
    """A sum over the pieces of a map, by which two sides find out that they hold the same. It finds accidents; the
    SSH connection it comes over keeps out malice.

    Pieces are each peer, each name as `[name, {type: values}]` with types in order, each login as
    `[login, principals]`, and the parts `device`, `filter`, `network`, `trust` and `krl` whole; each in compact JSON.
    """
    encode = msgspec.json.encode
    total = sum(weight("peers", encode(peer)) for peer in map.peers)
    total += sum(weight("names", encode((name, dict(sorted(types.items()))))) for name, types in map.names.items())
    total += sum(weight("ssh", encode(pair)) for pair in map.ssh.items())
    total += sum(weight(part, encode(getattr(map, part))) for part in WHOLE_PARTS)
    return seal(total)


def is_diverged(map: NetMap, told: str) -> bool:
    """Whether `told`, the gate's digest of what should be `map`, is of another map. Without a digest nobody knows."""
    return told.partition(":")[0] == DIGEST and told != digest(map)
