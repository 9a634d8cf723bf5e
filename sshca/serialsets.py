"""Sets of serials as the encoder asks about them: where they lie close together, in a row, or alone."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from operator import sub
from typing import Final, Protocol

from model.errors import Invalid

FAR: Final = 65
"""A step of so much, or more, ends a block."""
LONG_RUN: Final = 24
"""Serials in a row that are a block of their own."""
_ROW: Final = b"\x01" * LONG_RUN
_ROWS: Final = re.compile(b"\x01{%d,}" % LONG_RUN)
_STEPS_OF_ONE: Final = re.compile(b"\x01{%d,}" % (LONG_RUN - 1))
_GAP: Final = bytes(FAR - 1)
_DENSE: Final = 32
"""As many bytes a serial are spent on marks, which is what a number in a list takes."""
_TO_DIGITS: Final = b"01" + bytes(254)
_NEVER: Final = 2**64
_HEAP: Final = 64
"""Serials in a heap, about, where they lie evenly."""


Block = tuple[int, int, int, bool]
"""First, last, how many, whether it is all between: serials of which no two neighbours are `FAR` apart, or a row."""


class SerialSet(Protocol):
    def blocks(self) -> list[Block]:
        """In order, together the whole set."""
        ...

    def apart(self, step: int) -> bool:
        """Whether all neighbours are known to be further apart."""
        ...

    def values(self, first: int, last: int) -> Sequence[int]:
        """The serials from `first` to `last`, in order."""
        ...

    def bits(self, first: int, size: int) -> int:
        """Bit n for the serial `first` + n, below `size`."""
        ...

    def after(self, serial: int) -> int:
        """The least serial that is not below `serial`; 0 where there is none."""
        ...


def serial_set(serials: Collection[int]) -> SerialSet:
    """A set of one or more serials from 1 to 2**64 - 1, which may come in any order and more than once."""
    low, high = min(serials), max(serials)
    if low < 1 or high >= 2**64:
        raise Invalid("a KRL holds serials from 1 to 2^64-1")
    for start in (0, low):
        if high - start < _DENSE * len(serials):
            return MarkedSerials(serials, start, high)
    return SortedSerials(serials, high)


class MarkedSerials:
    """A byte for each number from `low` to the greatest: no order to be made, and searched by C's own means."""

    def __init__(self, serials: Collection[int], low: int, high: int) -> None:
        self._low = low
        self._marks = marks = bytearray(high - low + 1)
        for serial in [serial - low for serial in serials] if low else serials:
            marks[serial] = 1

    def apart(self, step: int) -> bool:
        return False

    def blocks(self) -> list[Block]:
        marks, low, found, at = self._marks, self._low, list[Block](), self._marks.find(1)
        rows = _ROW in marks
        while at >= 0:
            gap = marks.find(_GAP, at)
            end = len(marks) if gap < 0 else gap
            start = at
            for row in _ROWS.finditer(marks, at, end) if rows else ():
                self._add(found, start, row.start())
                found.append((low + row.start(), low + row.end() - 1, row.end() - row.start(), True))
                start = row.end()
            self._add(found, start, end)
            at = -1 if gap < 0 else marks.find(1, gap + len(_GAP))
        return found

    def _add(self, found: list[Block], start: int, end: int) -> None:
        first, last = self._marks.find(1, start, end), self._marks.rfind(1, start, end)
        if first >= 0:
            count = self._marks.count(1, first, last + 1)
            found.append((self._low + first, self._low + last, count, False))

    def values(self, first: int, last: int) -> Sequence[int]:
        marks, low = self._marks, self._low
        return [low + at for at in range(first - low, last - low + 1) if marks[at]]

    def bits(self, first: int, size: int) -> int:
        at = first - self._low
        return int(self._marks[at : at + size].translate(_TO_DIGITS)[::-1], 2)

    def after(self, serial: int) -> int:
        at = self._marks.find(1, serial - self._low)
        return self._low + at if at >= 0 else 0


class SortedSerials:
    """In order: for serials that lie far apart."""

    def __init__(self, serials: Collection[int], high: int) -> None:
        ordered = _in_order(serials, high)
        closest = min(_steps(ordered), default=_NEVER)
        if closest == 0:
            ordered = array("Q", sorted(set(ordered)))
            closest = min(_steps(ordered), default=_NEVER)
        self._ordered, self._closest = ordered, closest

    def apart(self, step: int) -> bool:
        return self._closest > step

    def blocks(self) -> list[Block]:
        ordered, steps = self._ordered, list(_steps(self._ordered))
        ones = bytes(map((1).__eq__, steps))
        rows = {match.start(): match.end() + 1 for match in _STEPS_OF_ONE.finditer(ones)}
        starts = {0, *[at for at, step in enumerate(steps, 1) if step >= FAR], *rows, *rows.values()} - {len(ordered)}
        bounds = sorted(starts)
        return [
            (ordered[start], ordered[end - 1], end - start, start in rows)
            for start, end in zip(bounds, [*bounds[1:], len(ordered)], strict=True)
        ]

    def values(self, first: int, last: int) -> Sequence[int]:
        ordered = self._ordered
        return ordered[bisect_left(ordered, first) : bisect_right(ordered, last)]

    def bits(self, first: int, size: int) -> int:
        found = 0
        for serial in self.values(first, first + size - 1):
            found |= 1 << (serial - first)
        return found

    def after(self, serial: int) -> int:
        at = bisect_left(self._ordered, serial)
        return self._ordered[at] if at < len(self._ordered) else 0


def _steps(ordered: array[int]) -> Iterator[int]:
    """Between neighbours. They are looked at as they come: to keep them takes longer than to make them twice."""
    return map(sub, islice(ordered, 1, None), ordered)


def _in_order(serials: Collection[int], high: int) -> array[int]:
    """Sorted, side by side. They are put into heaps by their leading bits first: a sort compares less where there are
    few, and what it put in order is still at hand when it is copied."""
    shift = max(0, high.bit_length() - (len(serials) // _HEAP).bit_length())
    heaps: list[list[int]] = [[] for _ in range((high >> shift) + 1)]
    for serial in serials:
        heaps[serial >> shift].append(serial)
    ordered = array("Q")
    for heap in heaps:
        heap.sort()
        ordered.fromlist(heap)
    return ordered
