"""What a new policy changes in a network: who gains and who loses which access, before it is set."""

from __future__ import annotations

import msgspec

from model.ids import DeviceID
from policy import nets
from policy.bits import members
from policy.cells import Cell, Cells, Place, Who, between, show_cells
from policy.compiled import Compiled
from policy.edges import Edge
from policy.naming import device_names
from policy.reach import Login
from policy.world import Seen

MAX_LISTED = 1_000
"""Changes of a kind that are listed; all are counted."""
MAX_SOURCES = 100
"""Devices that one change lists as its sources."""


class Change(msgspec.Struct, frozen=True):
    """`sources` (devices by name, then addresses that no device has) gain or lose `ways` to `destination`.

    `nets` is empty for the device itself; else it is what lies behind it.
    """

    destination: str
    nets: tuple[str, ...]
    ways: tuple[str, ...]
    sources: tuple[str, ...]
    """The first of them; there are `count` in all."""
    count: int


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    gained_pairs: int
    """Of a source and a destination between which something passes that did not."""
    lost_pairs: int
    logins_gained: tuple[Login, ...]
    logins_lost: tuple[Login, ...]
    gained_logins: int
    """Of a host and a login there that somebody gets who did not."""
    lost_logins: int
    devices: frozenset[DeviceID]
    """Those that are touched: as a source, as a destination, or by a login."""

    @property
    def empty(self) -> bool:
        return not (self.gained_pairs or self.lost_pairs or self.gained_logins or self.lost_logins)


def diff(old: Compiled, new: Compiled) -> Diff:
    """From `old` to `new`, both taken in the network of `old`."""
    if new.world is not old.world:
        new = Compiled(new.program, old.world)
    for each in (old, new):
        each.index()
    tally = {True: _Side(old), False: _Side(old)}
    touched = 0
    worked: dict[object, tuple[Cells, Cells]] = {}
    for receiver in old.in_order(_concerned(old, new)):
        gained, lost = between(old, new, receiver, worked)
        for side, cells in ((tally[True], gained), (tally[False], lost)):
            touched |= side.add(receiver, cells)
    logins_gained, logins_lost, hosts = _logins(old, new)
    names = old.world.names
    return Diff(
        gained=tuple(tally[True].changes), lost=tuple(tally[False].changes),
        gained_pairs=tally[True].pairs, lost_pairs=tally[False].pairs,
        logins_gained=tuple(logins_gained[:MAX_LISTED]), logins_lost=tuple(logins_lost[:MAX_LISTED]),
        gained_logins=len(logins_gained), lost_logins=len(logins_lost),
        devices=frozenset(names[slot] for slot in members(touched)) | hosts,
    )  # fmt: skip


# --- which devices to look at


def _alike(edge: Edge) -> object:
    """Rules of which this is equal let the same pass."""
    sources = edge.sources
    return (
        edge.rule.packets, sources.named, tuple(part.spans for part in sources.parts), edge.receivers,
        edge.own_senders, edge.rule.via,
        tuple((target.kind, target.own, target.spans, each.ways)
              for target, each in zip(edge.targets, edge.rule.dst, strict=True)),
    )  # fmt: skip


def _concerned(old: Compiled, new: Compiled) -> int:
    """The devices that get a rule which is not in both."""
    before, after = ({_alike(edge): edge for edge in compiled.edges} for compiled in (old, new))
    found = 0
    for alike in before.keys() ^ after.keys():
        edge = before.get(alike) or after[alike]
        found |= edge.receivers
        for slot in members(edge.own_senders):
            found |= old.world.owner_devices(old.world.at(slot).user)
    return found


# --- gathering


class _Side:
    """What is gained, or what is lost."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.names = device_names(compiled)
        self.changes: list[Change] = []
        self.pairs = 0

    def add(self, receiver: Seen, cells: Cells) -> int:
        """Counts and lists what changes at `receiver`; returns the devices that it touches."""
        itself = 1 << receiver.slot
        by_place: dict[Place, tuple[int, tuple[nets.Span, ...]]] = {}
        groups: dict[tuple[bool, Who], list[Cell]] = {}
        for cell, (bits, spans) in cells.items():
            who = bits & ~itself, spans
            if not who[0] and not who[1]:
                continue
            place = "own" if isinstance(cell[0], str) else cell[0]
            known = by_place.get(place, (0, ()))
            by_place[place] = known[0] | who[0], nets.merge((*known[1], *who[1]))
            groups.setdefault((place == "own", who), []).append(cell)
        self.pairs += sum(bits.bit_count() + len(spans) for bits, spans in by_place.values())
        touched = itself if by_place else 0
        for bits, _ in by_place.values():
            touched |= bits
        for (own, who), found in groups.items():
            if len(self.changes) < MAX_LISTED:
                self.changes.append(self._change(receiver, own, who, found))
        return touched

    def _change(self, receiver: Seen, own: bool, who: Who, cells: list[Cell]) -> Change:
        places = [] if own else [cell[0] for cell in cells if not isinstance(cell[0], str)]
        sources = [self.names[seen.id] for seen in self.compiled.in_order(who[0], MAX_SOURCES)]
        return Change(
            self.names[receiver.id], tuple(map(nets.show_span, nets.merge(places))), show_cells(cells),
            (*sources, *map(nets.show_span, who[1])), who[0].bit_count() + len(who[1]),
        )  # fmt: skip


def _logins(old: Compiled, new: Compiled) -> tuple[list[Login], list[Login], frozenset[DeviceID]]:
    names = device_names(old)
    gained: list[Login] = []
    lost: list[Login] = []
    hosts: set[DeviceID] = set()
    for seen in old.in_order(old.world.live):
        before, after = old.logins(seen.id), new.logins(seen.id)
        if before == after:
            continue
        hosts.add(seen.id)
        for login in sorted(before.keys() | after.keys()):
            was, now = set(before.get(login, ())), set(after.get(login, ()))
            for found, extra in ((gained, now - was), (lost, was - now)):
                if extra:
                    found.append(Login(names[seen.id], login, tuple(sorted(extra))))
    return gained, lost, frozenset(hosts)
