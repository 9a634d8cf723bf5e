"""Pieces of maps, ready as bytes: what many devices are told alike is encoded once, and its bytes are shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from gate.snapshot import Snapshot
from model.ids import DeviceID, DNSName, Endpoint, Prefix
from model.netmap import FilterRule, Logins, Names, NetMapDevice, Peer, Trust, weight
from model.records import Device, Name

Observed = Callable[[DeviceID], tuple[Endpoint, ...]]
"""Endpoints at which others see a device, which it need not know itself."""

_encode = msgspec.json.Encoder().encode


class Piece(NamedTuple):
    """JSON as it stands in a line, and what it adds to a map's digest."""

    text: bytes
    weight: int


class Shown:
    """A device as others are told of it."""

    __slots__ = ("by_allowed", "device", "name")

    def __init__(self, device: Device, name: Piece) -> None:
        self.device = device
        self.name = name
        self.by_allowed: dict[tuple[Prefix, ...], Piece] = {}


class _Common:
    """What a snapshot tells every device alike, in part taken over from the one `before`."""

    __slots__ = ("clash", "krl", "names", "network", "of", "trust")

    def __init__(self, snapshot: Snapshot, before: _Common | None) -> None:
        old: Snapshot | None = before.of if before else None
        self.of: Snapshot = snapshot
        self.network = _part("network", snapshot.network)
        self.trust = _part("trust", snapshot.trust)
        self.krl: Piece
        self.clash: bool
        self.names: tuple[Piece, ...]
        if before and old and old.krl == snapshot.krl:
            self.krl = before.krl
        else:
            self.krl = _part("krl", snapshot.krl)
        if before and old and old.names is snapshot.names and old.by_name is snapshot.by_name:
            self.clash, self.names = before.clash, before.names
        else:
            self.clash = _clash(snapshot)
            self.names = joined(names_of((), snapshot.names, snapshot.domain))


class Pieces:
    """Belongs to one event loop. Keeps the newest piece of each device, by its record: a record is never changed.

    Whoever keeps the observed endpoints says `forget` when some differ.
    """

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._shown: dict[DeviceID, Shown] = {}
        self._common: _Common | None = None
        self._sources: dict[int, tuple[tuple[str, ...], bytes]] = {}
        self._logins: dict[int, tuple[Logins, Piece]] = {}

    def forget(self, id: DeviceID) -> None:
        """The device is gone, or others see it at another endpoint."""
        self._shown.pop(id, None)

    def known(self, id: DeviceID) -> bool:
        """Whether there is a piece of the device, of its record now or an older one."""
        return id in self._shown

    def common(self, snapshot: Snapshot) -> _Common:
        if self._common is None or self._common.of is not snapshot:
            self._common = _Common(snapshot, self._common)
        return self._common

    def shown(self, now: Snapshot, ids: Iterable[DeviceID]) -> list[Shown]:
        devices, kept = now.devices, self._shown
        return [
            one if (one := kept.get(id)) is not None and one.device is devices[id] else self._anew(devices[id], now)
            for id in ids
        ]

    def _anew(self, device: Device, now: Snapshot) -> Shown:
        before = self._shown.get(device.id)
        alike = before is not None and _named_alike(before.device, device)
        name = before.name if before is not None and alike else _name(device, now.domain)
        new = self._shown[device.id] = Shown(device, name)
        return new

    def peers(self, shown: Iterable[Shown], allowed: Iterable[tuple[Prefix, ...]]) -> list[Piece]:
        return [
            one.by_allowed.get(prefixes) or self._peer(one, prefixes)
            for one, prefixes in zip(shown, allowed, strict=True)
        ]

    def _peer(self, shown: Shown, allowed: tuple[Prefix, ...]) -> Piece:
        text = _encode(as_peer(shown.device, allowed, self._observed))
        piece = shown.by_allowed[allowed] = Piece(text, weight("peers", text))
        return piece

    def filter(self, rules: tuple[FilterRule, ...]) -> Piece:
        """Sources are what rules have in common, and most of their text."""
        text = b"[" + b",".join([self._rule(rule) for rule in rules]) + b"]"
        return Piece(text, weight("filter", text))

    def _rule(self, rule: FilterRule) -> bytes:
        kept = self._sources.get(id(rule.src))
        if kept is None:
            if len(self._sources) > 4096:
                self._sources.clear()
            kept = self._sources[id(rule.src)] = rule.src, b'{"src":' + _encode(rule.src) + b',"dst":'
        rest = b',"proto":' + _encode(rule.proto) + b"}" if rule.proto else b"}"
        return kept[1] + _encode(rule.dst) + rest

    def logins(self, logins: Logins) -> Piece:
        """The policy gives the same value to devices of which all logins are the same."""
        kept = self._logins.get(id(logins))
        if kept is None:
            if len(self._logins) > 4096:
                self._logins.clear()
            total = sum(weight("ssh", _encode(pair)) for pair in logins.items())
            kept = self._logins[id(logins)] = logins, Piece(_encode(logins), total)
        return kept[1]


def itself(device: Device) -> NetMapDevice:
    return NetMapDevice(
        id=device.id, name=device.name, user=device.user, tags=device.tags, ipv4=device.ipv4, ipv6=device.ipv6,
        wireguard_key=device.wireguard_key, state=device.state, expires_at=device.expires_at, routes=device.routes,
    )  # fmt: skip


def own(device: Device) -> Piece:
    return _part("device", itself(device))


def as_peer(device: Device, allowed: tuple[Prefix, ...], observed: Observed) -> Peer:
    known = device.endpoints
    return Peer(
        id=device.id, name=device.name, user=device.user, tags=device.tags, wireguard_key=device.wireguard_key,
        allowed_ips=allowed, endpoints=(*known, *(found for found in observed(device.id) if found not in known)),
    )  # fmt: skip


def names_of(devices: Iterable[Device], records: Iterable[Name], domain: str) -> Names:
    """Names of devices under the domain, and what operators set. An operator's record never covers a device's own."""
    out: Names = {}
    for device in devices:
        out[DNSName(f"{device.name}.{domain}")] = {"A": (device.ipv4,), "AAAA": (device.ipv6,)}
    taken = frozenset(out)
    for record in records:
        if record.name in taken and record.type in {"A", "AAAA", "CNAME"}:
            continue
        values = out.setdefault(record.name, {})
        values[record.type] = (*values.get(record.type, ()), record.value)
    return out


def joined(names: Names) -> tuple[Piece, ...]:
    return tuple(_name_piece(name, types) for name, types in names.items())


def _name_piece(name: DNSName, types: dict[str, tuple[str, ...]]) -> Piece:
    return Piece(
        _encode(name) + b":" + _encode(types), weight("names", _encode((name, dict(sorted(types.items())))))
    )  # fmt: skip


def _name(device: Device, domain: str) -> Piece:
    return joined(names_of((device,), (), domain))[0]


def _named_alike(one: Device, other: Device) -> bool:
    return (one.name, one.ipv4, one.ipv6) == (other.name, other.ipv4, other.ipv6)


def _clash(snapshot: Snapshot) -> bool:
    """Whether an operator's record has the name of a device: who sees that device is then told other names."""
    ending = f".{snapshot.domain}"
    return any(
        record.name.endswith(ending) and record.name.removesuffix(ending) in snapshot.by_name
        for record in snapshot.names
    )


def _part(part: str, value: NetMapDevice | Trust | str | msgspec.Struct) -> Piece:
    text = _encode(value)
    return Piece(text, weight(part, text))
