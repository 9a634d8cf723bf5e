"""Sets of serials in the fewest bytes that a KRL can say them in (OpenSSH's PROTOCOL.krl, section 2)."""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from operator import sub
from typing import Final

from model.errors import Invalid
from sshca.wire import string

SERIAL_LIST: Final = 0x20
SERIAL_RANGE: Final = 0x21
SERIAL_BITMAP: Final = 0x22

MAX_BITMAP_BITS: Final = 16384
"""OpenSSH refuses numbers that are longer (SSHBUF_MAX_BIGNUM, 2048 bytes)."""

# What each way costs, in bits: a section's type and length are 40, a list has one section for all its entries.
_LIST: Final = 40
_LISTED: Final = 64
_RANGE: Final = 40 + 128
_BITMAP: Final = 40 + 64 + 32 + 8
_LONG_RUN: Final = re.compile(b"\x01{%d,}" % (_RANGE - _BITMAP - 1))
"""Steps of 1 for so many serials in a row that a range of their own is no longer than a bitmap of their own."""
_FAR: Final = 2**64


def serial_sections(serials: Iterable[int]) -> bytes:
    """The certificate sections that revoke exactly `serials`, each from 1 to 2**64 - 1, in any order.

    The steps between neighbours decide. No bitmap reaches over one above `_BITMAP`, since a new bitmap is shorter: a
    serial alone between two such is listed. Over one up to `_LISTED` a bitmap reaches for less than the next serial
    takes in a list: serials this close are a block, in a bitmap all or none. What is left to weigh, and what
    the time goes into, is blocks and long runs alone.
    """
    ordered, steps = _ordered(serials)
    if not ordered:
        return b""
    listed, spans = _weighed(ordered, steps)
    parts: list[bytes] = []
    for start, end, way in spans:
        if way == SERIAL_LIST:
            listed += ordered[start:end]
        elif way == SERIAL_RANGE:
            parts.append(_section(SERIAL_RANGE, struct.pack(">QQ", ordered[start], ordered[end - 1])))
        else:
            parts += _bitmaps(ordered[start:end])
    if listed:
        parts.append(_section(SERIAL_LIST, struct.pack(f">{len(listed)}Q", *sorted(listed))))
    return b"".join(parts)


def _ordered(serials: Iterable[int]) -> tuple[list[int], list[int]]:
    """The serials in order, each once, and the steps between them."""
    ordered = sorted(serials)
    steps = list(map(sub, islice(ordered, 1, None), ordered))
    if 0 in steps:
        return _ordered(set(ordered))
    if ordered and not 1 <= ordered[0] <= ordered[-1] < 2**64:
        raise Invalid("a KRL holds serials from 1 to 2^64-1")
    return ordered, steps


def _weighed(ordered: Sequence[int], steps: Sequence[int]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Serials to list, and spans of `ordered` (start, end) with the section that says each: the least in bytes."""
    runs = {match.start(): match.end() + 1 for match in _LONG_RUN.finditer(bytes(map((1).__eq__, steps)))}
    starts = [0, *[at for at, step in enumerate(steps, 1) if step > _LISTED]]
    if runs:
        starts = sorted({*starts, *runs, *runs.values()} - {len(ordered)})
    blocks = list(zip(starts, [*starts[1:], len(ordered)], strict=True))
    before, after = (_FAR, *steps), (*steps, _FAR)
    listed = [ordered[start] for start, end in blocks if before[start] > _BITMAP < after[start] and end - start == 1]
    if listed:
        blocks = [
            (start, end) for start, end in blocks if not before[start] > _BITMAP < after[start] or end - start > 1
        ]
    cost, ways = _choose(ordered, blocks, runs)
    few = sum(
        end - start for (start, end), way in zip(blocks, ways, strict=True) if way == _ALONE and start not in runs
    )
    if not listed and 0 < few <= _LIST:  # each was listed to save a bit or more: is that worth the list's own frame?
        without, other_ways = _choose(ordered, blocks, runs, listing=False)
        ways = ways if cost + _LIST <= without else other_ways
    return listed, _spans(blocks, ways, runs)


def _spans(blocks: Sequence[tuple[int, int]], ways: Sequence[int], runs: Collection[int]) -> list[tuple[int, int, int]]:
    spans: list[tuple[int, int, int]] = []
    for (start, end), way in zip(blocks, ways, strict=True):
        if way == _ALONE:
            spans.append((start, end, SERIAL_RANGE if start in runs else SERIAL_LIST))
        elif way == _OPENS_BITMAP:
            spans.append((start, end, SERIAL_BITMAP))
        else:
            spans[-1] = (spans[-1][0], end, SERIAL_BITMAP)
    return spans


_ALONE, _OPENS_BITMAP, _GROWS_BITMAP, _CLOSES_BEFORE = 0, 1, 2, 4


def _choose(
    ordered: Sequence[int], blocks: Sequence[tuple[int, int]], runs: Collection[int], *, listing: bool = True
) -> tuple[int, bytearray]:
    """For each block and long run whether it stands alone, opens a bitmap or grows the one before it.

    Two sums are carried along: the least so far with no bitmap open at the end, and the least with one. A bitmap
    costs its frame once, then a bit for each serial it covers, gaps included. The ways are noted as the sums are
    made, with `_CLOSES_BEFORE` where a bitmap ends just before, and followed from the end. Without `listing` only
    long runs stand alone. The least sum comes first, in bits and without the frame of the list.
    """
    closed, opened, last = 0, _FAR, 0
    listed = _LISTED if listing else _FAR
    outside, inside = bytearray(len(blocks)), bytearray(len(blocks))
    for number, (start, end) in enumerate(blocks):
        reached = last
        last = ordered[end - 1]
        grown = opened + last - reached
        if opened < closed:
            closed = opened
            outside[number] = _CLOSES_BEFORE
        new = closed + _BITMAP + last - ordered[start] + 1
        if grown < new:
            opened = grown
            inside[number] = _GROWS_BITMAP
        else:
            opened = new
            inside[number] = _OPENS_BITMAP | outside[number]
        closed += _RANGE if start in runs else listed * (end - start)
    least, within = min(opened, closed), opened < closed
    for number in range(len(blocks) - 1, -1, -1):
        way = inside[number] if within else outside[number]
        outside[number] = way & 3
        within = way == _GROWS_BITMAP or way >= _CLOSES_BEFORE
    return least, outside


def _bitmaps(serials: Sequence[int]) -> list[bytes]:
    """One bitmap, or several where it would be longer than OpenSSH reads."""
    parts, at = [], 0
    while at < len(serials):
        offset = serials[at]
        end = bisect_left(serials, offset + MAX_BITMAP_BITS, at)
        size = serials[end - 1] - offset
        bits = _bits(serials[at:end]).to_bytes(size // 8 + 1 + (size % 8 == 7), "big")
        parts.append(_section(SERIAL_BITMAP, offset.to_bytes(8, "big") + string(bits)))
        at = end
    return parts


_DIGITS: Final = tuple(b"0" * (step - 1) + b"1" for step in range(1, _BITMAP + 2))
"""What each step adds to a bitmap's binary digits, the lowest first. No wider one is bridged."""


def _bits(serials: Sequence[int]) -> int:
    """A number with the bit of each serial set, counted from the first."""
    steps = map(sub, islice(serials, 1, None), serials)
    digits = b"1" + b"".join([_DIGITS[step - 1] for step in steps])
    return int(digits[::-1], 2)


def _section(kind: int, data: bytes) -> bytes:
    return bytes((kind,)) + string(data)
