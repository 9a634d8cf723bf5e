"""Sets of serials in the fewest bytes that a KRL can say them in (OpenSSH's PROTOCOL.krl, section 2)."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from model.errors import Invalid
from sshca.wire import string

SERIAL_LIST: Final = 0x20
SERIAL_RANGE: Final = 0x21
SERIAL_BITMAP: Final = 0x22

MAX_BITMAP_BITS: Final = 16384
"""OpenSSH refuses numbers that are longer (SSHBUF_MAX_BIGNUM, 2048 bytes)."""

# What each way costs, in bits: a section's type and length are 40, a list has one section for all its entries.
_LISTED: Final = 64
_RANGE: Final = 40 + 128
_BITMAP: Final = 40 + 64 + 32 + 8
_IN_LIST, _IN_RANGE, _OPENS_BITMAP, _GROWS_BITMAP = range(4)


def serial_sections(serials: Iterable[int]) -> bytes:
    """The certificate sections that revoke exactly `serials`, each from 1 to 2**64 - 1, in any order."""
    ordered = sorted(set(serials))
    if not ordered:
        return b""
    if ordered[0] < 1 or ordered[-1] >= 2**64:
        raise Invalid("a KRL holds serials from 1 to 2^64-1")
    breaks = [at for at, (low, high) in enumerate(pairwise(ordered), 1) if high - low != 1]
    starts, ends = [0, *breaks], [*breaks, len(ordered)]
    return _encode(ordered, starts, ends, _choose(ordered, starts, ends))


def _choose(ordered: Sequence[int], starts: Sequence[int], ends: Sequence[int]) -> bytearray:
    """For each run of consecutive serials how it is said, so that the sum is least.

    Two sums are carried along: the least so far with no bitmap open at the end, and the least with one. A bitmap
    costs its frame once, then a bit for each serial it covers, gaps included. Ways back are noted as the
    sums are made, and followed from the end.
    """
    closed, opened, previous = 0, 1 << 62, 0
    alone, inside = bytearray(len(starts)), bytearray(len(starts))
    # alone[i]: how run i is said outside a bitmap, inside[i]: within one; 4 is added where a bitmap closed before it
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        low, length = ordered[start], end - start
        listed = _LISTED * length
        way = _IN_LIST
        if listed > _RANGE:
            listed, way = _RANGE, _IN_RANGE
        grown = opened + low - previous - 1
        if opened < closed:
            closed, way, fresh = opened, way + 4, _OPENS_BITMAP + 4
        else:
            fresh = _OPENS_BITMAP
        if grown <= closed + _BITMAP:
            opened, inside[number] = grown + length, _GROWS_BITMAP
        else:
            opened, inside[number] = closed + _BITMAP + length, fresh
        closed += listed
        alone[number] = way
        previous = low + length - 1
    return _follow(alone, inside, within=opened < closed)


def _follow(alone: bytearray, inside: bytearray, *, within: bool) -> bytearray:
    chosen = bytearray(len(alone))
    for number in range(len(alone) - 1, -1, -1):
        way = inside[number] if within else alone[number]
        chosen[number] = way & 3
        within = way == _GROWS_BITMAP or way >= 4
    return chosen


def _encode(ordered: Sequence[int], starts: Sequence[int], ends: Sequence[int], chosen: bytearray) -> bytes:
    listed: list[int] = []
    parts: list[bytes] = []
    bitmaps: list[tuple[int, int]] = []
    for start, end, way in zip(starts, ends, chosen, strict=True):
        if way == _IN_LIST:
            listed += ordered[start:end]
        elif way == _IN_RANGE:
            parts.append(_section(SERIAL_RANGE, struct.pack(">QQ", ordered[start], ordered[end - 1])))
        elif way == _OPENS_BITMAP:
            bitmaps.append((start, end))
        else:
            bitmaps[-1] = (bitmaps[-1][0], end)
    for start, end in bitmaps:
        parts += _bitmaps(ordered[start:end])
    if listed:
        parts.append(_section(SERIAL_LIST, struct.pack(f">{len(listed)}Q", *listed)))
    return b"".join(parts)


def _bitmaps(serials: Sequence[int]) -> list[bytes]:
    """One bitmap, or several where it would be longer than OpenSSH reads."""
    parts, at = [], 0
    while at < len(serials):
        offset = serials[at]
        if serials[-1] - offset < MAX_BITMAP_BITS:
            end = len(serials)
        else:
            end = bisect_left(serials, offset + MAX_BITMAP_BITS, at)
        size = serials[end - 1] - offset
        digits = bytearray(b"0") * (size + 1)
        for serial in serials[at:end]:
            digits[size - serial + offset] = 49
        number = int(digits, 2)
        bits = string(number.to_bytes(size // 8 + 1 + (size % 8 == 7), "big"))
        parts.append(_section(SERIAL_BITMAP, offset.to_bytes(8, "big") + bits))
        at = end
    return parts


def _section(kind: int, data: bytes) -> bytes:
    return bytes((kind,)) + string(data)
