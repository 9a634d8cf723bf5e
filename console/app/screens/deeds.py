"""Entries of the trail that one command made: each is a deed of its own, and they are read as one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from model.records import AuditEntry, Record

MOST = 1000
"""Entries that are looked through for where a deed ends."""


def together(one: Record | None, other: Record | None) -> bool:
    """Whether two that stand side by side are of one command: by one actor, from one place, in one second."""
    if not isinstance(one, AuditEntry) or not isinstance(other, AuditEntry) or abs(one.number - other.number) != 1:
        return False
    same = (one.at, one.actor, one.action, one.source) == (other.at, other.actor, other.action, other.source)
    return same and one.subject != other.subject


def around(row: Callable[[int], Record | None], index: int) -> list[AuditEntry]:
    """All of the command of the entry at `index`, in the order of the list, as far as they are at hand."""
    first = last = index
    while first > 0 and index - first < MOST and together(row(first), row(first - 1)):
        first -= 1
    while last - index < MOST and together(row(last), row(last + 1)):
        last += 1
    return [entry for at in range(first, last + 1) if isinstance(entry := row(at), AuditEntry)]


def in_sight(row: Callable[[int], Record | None], top: int, height: int) -> Mapping[int, int]:
    """By its number, of each entry that is one of several: how many there are on the first in sight, else 0."""
    out: dict[int, int] = {}
    for index in range(top, top + height):
        entry = row(index)
        if not isinstance(entry, AuditEntry):
            continue
        if index > top and together(row(index - 1), entry):
            out[entry.number] = 0
        elif (several := len(around(row, index))) > 1:
            out[entry.number] = several
    return out
