"""What happened to the maps of a network lately: so that one who was away, or reads slowly, is told what it missed."""

from __future__ import annotations

import msgspec

from gate.snapshot import News, Snapshot
from model.ids import DeviceID, Version

LENGTH = 2048
"""Steps that are kept."""
SNAPSHOTS = 48
"""Of them, those with a whole snapshot to compare with."""
DEVICES = 1_000_000
"""In all those snapshots: each keeps lists of all its devices, which the collector has to walk."""
LEAST = 4
"""Snapshots that are kept however large they are."""


class Step(msgspec.Struct, frozen=True):
    """`before` is there where maps have to be compared; `version` is that of the snapshot after."""

    version: Version
    news: News
    before: Snapshot | None = None
    unnumbered: bool = False
    """No change of the network: somebody is seen at another endpoint."""


class Missed(msgspec.Struct, frozen=True):
    """All that one device missed. `before` is the snapshot to compare with, where comparing is needed."""

    shown: tuple[DeviceID, ...]
    parts: tuple[str, ...]
    before: Snapshot | None

    def __bool__(self) -> bool:
        return bool(self.shown or self.parts or self.before is not None)


class Journal:
    """Steps have places that count from 0 and are never dealt again."""

    def __init__(self, version: Version) -> None:
        self._steps: list[Step] = []
        self._first = 0
        self._floor = Version(version + 1)
        """Maps of an earlier version are not known, and of the version at the start nobody knows who was seen where."""

    @property
    def end(self) -> int:
        """The place of the next step."""
        return self._first + len(self._steps)

    def add(self, step: Step) -> int:
        """Keeps `step`; returns its place."""
        self._steps.append(step)
        self._forget(len(self._steps) - LENGTH)
        if step.before is not None:
            most = max(LEAST, min(SNAPSHOTS, DEVICES // max(1, len(step.before.devices))))
            whole = [place for place, kept in enumerate(self._steps) if kept.before is not None]
            self._forget(whole[-most] if len(whole) > most else 0)
        return self.end - 1

    def forget(self) -> None:
        """Whoever waits from an earlier place on, or comes back with an earlier map, is told all."""
        self._forget(len(self._steps))

    def _forget(self, count: int) -> None:
        if count > 0:
            last = self._steps[count - 1]
            self._floor = Version(last.version + last.unnumbered)
            del self._steps[:count]
            self._first += count

    def place(self, version: Version) -> int | None:
        """Where one goes on who holds a map of `version`; None where that is not known."""
        if version < self._floor:
            return None
        at = len(self._steps)
        while at and (self._steps[at - 1].version > version or self._is_unnumbered_at(at - 1, version)):
            at -= 1
        return self._first + at

    def _is_unnumbered_at(self, at: int, version: Version) -> bool:
        return self._steps[at].unnumbered and self._steps[at].version == version

    def missed(self, place: int, id: DeviceID, slot: int | None) -> Missed | None:
        """What device `id` missed since `place`; None where that is not known any more."""
        if place < self._first:
            return None
        if place == self.end - 1:
            return self._missed_one(self._steps[-1], id, slot)
        missed = [self._missed_one(step, id, slot) for step in self._steps[place - self._first :]]
        return Missed(
            tuple(dict.fromkeys(one for each in missed for one in each.shown)),
            tuple(dict.fromkeys(part for each in missed for part in each.parts)),
            next((each.before for each in missed if each.before is not None), None),
        )

    @staticmethod
    def _missed_one(step: Step, id: DeviceID, slot: int | None) -> Missed:
        news = step.news
        before = step.before if news.everyone or id in news.views else None
        shown = (
            tuple([one for one, viewers in news.seen.items() if viewers >> slot & 1])
            if slot is not None and news.seen else ()
        )  # fmt: skip
        return Missed(shown, (*(("device",) if id in news.own else ()), *news.parts), before)
