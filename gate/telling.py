"""The lines that a device is told, put together from shared pieces: whole maps, and what differs between two moments.

What they say is what `gate.netmaps` says as values; the tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from gate.pieces import Observed, Piece, Pieces, Shown, joined, names_of, own
from gate.snapshot import Snapshot
from model.ids import DeviceID, Prefix, Version
from model.netmap import FilterRule, Logins, seal
from model.records import Device, DeviceState

PARTS = ("device", "filter", "names", "ssh", "network", "trust", "krl")
Allowed = Mapping[DeviceID, tuple[Prefix, ...]]


class Teller:
    """Belongs to one event loop."""

    def __init__(self, observed: Observed) -> None:
        self.pieces = Pieces(observed)
        self._said_of: Snapshot | None = None
        self._said: dict[tuple[Version, tuple[DeviceID, ...], tuple[str, ...]], bytes] = {}

    def forget(self, id: DeviceID) -> None:
        """The device is gone, or others see it at another endpoint."""
        self.pieces.forget(id)
        self._said_of = None

    def make_ready(self, now: Snapshot, ids: Iterable[DeviceID]) -> None:
        """The pieces that most are told of these devices, so that a line to whoever sees many is put together soon."""
        world = now.compiled.world
        some = {place.id: place.shown[1] for id in ids if (place := world.device(id)) is not None and id in now.devices}
        self._peers(now, some)

    # Whole maps.

    def whole(self, now: Snapshot, id: DeviceID) -> bytes:
        """The whole map of device `id` as a line. Raises KeyError where there is no such device."""
        return _whole(now.version, *self._of(now, id))

    def digest(self, now: Snapshot, id: DeviceID) -> str:
        return _sealed(*self._of(now, id))

    def _of(self, now: Snapshot, id: DeviceID) -> tuple[list[Piece], dict[str, Piece]]:
        return self._all(now, id, _peers(now, id), _filter(now, id, _approved(now.devices[id])))

    def _all(
        self, now: Snapshot, id: DeviceID, allowed: Allowed, rules: tuple[FilterRule, ...]
    ) -> tuple[list[Piece], dict[str, Piece]]:
        shown = self.pieces.shown(now, allowed)
        return self.pieces.peers(shown, allowed.values()), self._parts(now, id, shown, rules, PARTS)

    def _parts(
        self, now: Snapshot, id: DeviceID, shown: Sequence[Shown], rules: tuple[FilterRule, ...],
        wanted: Container[str],
    ) -> dict[str, Piece]:  # fmt: skip
        """The parts besides `peers`, in the map's order. All peers are `shown` where their names are `wanted`."""
        device, common = now.devices[id], self.pieces.common(now)
        makers: dict[str, Callable[[], Piece]] = {
            "device": lambda: own(device),
            "filter": lambda: self.pieces.filter(rules),
            "names": lambda: self._names(now, device, shown),
            "ssh": lambda: self.pieces.logins(_logins(now, id, _approved(device))),
            "network": lambda: common.network,
            "trust": lambda: common.trust,
            "krl": lambda: common.krl,
        }
        return {part: make() for part, make in makers.items() if part in wanted}

    def _peers(self, now: Snapshot, allowed: Allowed) -> list[Piece]:
        return self.pieces.peers(self.pieces.shown(now, allowed), allowed.values())

    def _names(self, now: Snapshot, device: Device, shown: Sequence[Shown]) -> Piece:
        common, records = self.pieces.common(now), now.names if _approved(device) else ()
        if common.clash and records:
            found = joined(names_of((device, *(one.device for one in shown)), records, now.domain))
        else:
            mine = self.pieces.shown(now, (device.id,))[0].name
            found = (mine, *[one.name for one in shown], *(common.names if records else ()))
        return Piece(
            b"{" + b",".join([piece.text for piece in found]) + b"}", sum([piece.weight for piece in found])
        )  # fmt: skip

    # What differs.

    def news(
        self, now: Snapshot, id: DeviceID, base: Version, shown: tuple[DeviceID, ...], parts: tuple[str, ...],
        *, sealed: bool = False,
    ) -> bytes | None:  # fmt: skip
        """Devices of `shown`, which `id` sees, anew, and `parts` anew; for when nothing else differs.

        `sealed` adds the digest, which takes as long as a whole map.
        """
        if now is not self._said_of:
            self._said_of, self._said = now, {}
        line = None if sealed else self._said.get((base, shown, parts))
        return line or self._news(now, id, base, shown, parts, sealed=sealed)

    def _news(
        self, now: Snapshot, id: DeviceID, base: Version, shown: tuple[DeviceID, ...], parts: tuple[str, ...],
        *, sealed: bool,
    ) -> bytes | None:  # fmt: skip
        device, compiled = now.devices[id], now.compiled
        some = [place for one in shown if (place := compiled.world.device(one)) is not None and one != id]
        allowed: Allowed
        alike = not compiled.no_ipv4 and not any(place.routes or place.exits for place in some)
        if not alike:
            mine = _peers(now, id)
            allowed = {place.id: mine[place.id] for place in some if place.id in mine}
        else:
            allowed = {place.id: place.shown[1] for place in some} if _approved(device) else {}
        named = self.pieces.shown(now, _peers(now, id)) if "names" in parts else ()
        told = self._parts(now, id, named, (), parts)
        if not allowed and not told:
            return None
        digest = self.digest(now, id) if sealed else ""
        line = _delta(now.version, base, self._peers(now, allowed), (), told, digest)
        if alike and not sealed and len(allowed) == len(shown) and told.keys() <= {"krl", "trust"}:
            self._said[base, shown, parts] = line  # all who are told this are told it in these words
        return line

    def difference(
        self, before: Snapshot, now: Snapshot, id: DeviceID, base: Version, shown: Sequence[DeviceID] = (),
        parts: Iterable[str] = (), *, sealed: bool = True,
    ) -> bytes | None:  # fmt: skip
        """All that differs for `id` between two snapshots, and `shown` and `parts` in any case; None where nothing.

        Where that is longer than the whole map, the whole map. `sealed` adds the digest.
        """
        alike = _approved(before.devices[id]) == _approved(now.devices[id]) and now.compiled.knows_as(
            before.compiled, id
        )
        quick = alike and not sealed and not shown and now.devices is before.devices
        new = {} if quick else _peers(now, id)
        old = new if alike else _peers(before, id)
        changed = {peer: new[peer] for peer in shown if peer in new}
        if old != new or now.devices is not before.devices:
            for peer, prefixes in new.items():
                if old.get(peer) != prefixes or not _shown_alike(before.devices[peer], now.devices[peer]):
                    changed[peer] = prefixes
        removed = tuple(peer for peer in old if peer not in new)
        rules = _filter(now, id, _approved(now.devices[id]))
        differ = {*parts, *self._differing(before, now, id, old, new, rules)}
        if not (changed or removed or differ):
            return None
        peers, few = self._peers(now, changed), quick or len(changed) + len(removed) < len(new)
        if few and not sealed:
            all_named = (_peers(now, id) if quick else new) if "names" in differ else ()
            mine = self._parts(now, id, self.pieces.shown(now, all_named), rules, differ)
            return _delta(now.version, base, peers, removed, mine, "")
        all_peers, all_parts = self._all(now, id, new, rules)
        told = {part: piece for part, piece in all_parts.items() if part in differ}
        line = _delta(now.version, base, peers, removed, told, _sealed(all_peers, all_parts))
        return line if few else min(line, _whole(now.version, all_peers, all_parts), key=len)

    def _differing(
        self, before: Snapshot, now: Snapshot, id: DeviceID, old: Allowed, new: Allowed, rules: tuple[FilterRule, ...]
    ) -> list[str]:
        device, was = now.devices[id], before.devices[id]
        approved, was_approved = _approved(device), _approved(was)
        found = []
        if device is not was and own(device).text != own(was).text:
            found.append("device")
        if _filter(before, id, was_approved) != rules:
            found.append("filter")
        if (
            (now.names is not before.names or approved != was_approved or self.pieces.common(now).clash)
            or old.keys() != new.keys()
            or (
                now.devices is not before.devices
                and not all(_named_alike(before.devices[peer], now.devices[peer]) for peer in (id, *new))
            )
        ):
            found.append("names")
        if _logins(before, id, was_approved) != _logins(now, id, approved):
            found.append("ssh")
        if before.generations is not now.generations and before.trust != now.trust:
            found.append("trust")
        if before.krl != now.krl:
            found.append("krl")
        return found


def current(version: Version, base: Version) -> bytes:
    """To one that resumes and missed nothing."""
    return _delta(version, base, (), (), {}, "")


def _whole(version: Version, peers: Sequence[Piece], parts: Mapping[str, Piece]) -> bytes:
    """In the order of `model.netmap.NetMap`: device, peers, filter and so on, which a shell script may count on."""
    device, rest = parts["device"], [(part, piece) for part, piece in parts.items() if part != "device"]
    ends = [b'"%s":%s' % (part.encode(), piece.text) for part, piece in rest]
    return b'{"type":"netmap","version":%d,"device":%s,"peers":[%s],%s,"digest":"%s"}\n' % (
        version, device.text, b",".join([piece.text for piece in peers]), b",".join(ends),
        _sealed(peers, parts).encode(),
    )  # fmt: skip


def _delta(
    version: Version, base: Version, peers: Sequence[Piece], removed: Sequence[DeviceID], parts: Mapping[str, Piece],
    digest: str,
) -> bytes:  # fmt: skip
    told = b",".join([b'"%s":%s' % (part.encode(), piece.text) for part, piece in parts.items()])
    ids = b",".join([b'"%s"' % id.encode() for id in removed])
    shown = b",".join([piece.text for piece in peers])
    end = b',"digest":"%s"}\n' % digest.encode() if digest else b"}\n"
    return b'{"type":"delta","version":%d,"base":%d,"peers":[%s],"removed":[%s],"set":{%s}%s' % (
        version, base, shown, ids, told, end,
    )  # fmt: skip


def _sealed(peers: Sequence[Piece], parts: Mapping[str, Piece]) -> str:
    return seal(sum([piece.weight for piece in peers]) + sum([piece.weight for piece in parts.values()]))


def _approved(device: Device) -> bool:
    return device.state is DeviceState.APPROVED


def _peers(snapshot: Snapshot, id: DeviceID) -> Allowed:
    return snapshot.compiled.peers(id) if _approved(snapshot.devices[id]) else {}


def _filter(snapshot: Snapshot, id: DeviceID, approved: bool) -> tuple[FilterRule, ...]:
    return snapshot.compiled.filter(id) if approved else ()


def _logins(snapshot: Snapshot, id: DeviceID, approved: bool) -> Logins:
    return snapshot.compiled.logins(id) if approved else {}


def _shown_alike(one: Device, other: Device) -> bool:
    return one is other or (one.name, one.user, one.tags, one.wireguard_key, one.endpoints) == (
        other.name, other.user, other.tags, other.wireguard_key, other.endpoints,
    )  # fmt: skip


def _named_alike(one: Device, other: Device) -> bool:
    return one is other or (one.name, one.addresses) == (other.name, other.addresses)
