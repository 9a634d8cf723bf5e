"""Sets of serials in the fewest bytes that a KRL can say them in (OpenSSH's PROTOCOL.krl, section 2)."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Collection, Sequence
from typing import Final

from sshca.serialsets import FAR, LONG_RUN, Block, SerialSet, serial_set
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
assert _LISTED == FAR - 1
assert _RANGE - _BITMAP == LONG_RUN, "a range of its own is then no longer than a bitmap of its own"
_NEVER: Final = 2**64


def serial_sections(serials: Collection[int]) -> bytes:
    """The certificate sections that revoke exactly `serials`, each from 1 to 2**64 - 1, in any order.

    The steps between neighbours decide. No bitmap reaches over one above `_BITMAP`, since a new bitmap is shorter: a
    serial alone between two such is listed. Over one up to `_LISTED` a bitmap reaches for less than the next serial
    takes in a list: serials this close are a block, in a bitmap all or none. What is left to weigh, and what
    the time goes into, is blocks and rows alone.
    """
    if not serials:
        return b""
    known = serial_set(serials)
    if known.apart(_BITMAP):
        return _list(known.values(1, _NEVER))
    listed, blocks = _alone(known.blocks())
    parts: list[bytes] = []
    for first, last, way in _weighed(blocks, any_listed=bool(listed)):
        if way == SERIAL_LIST:
            listed += known.values(first, last)
        elif way == SERIAL_RANGE:
            parts.append(serial_range(first, last))
        else:
            parts += _bitmaps(known, first, last)
    if listed:
        parts.append(_list(sorted(listed)))
    return b"".join(parts)


def serial_range(first: int, last: int) -> bytes:
    """The section that revokes all from `first` to `last`."""
    return _section(SERIAL_RANGE, struct.pack(">QQ", first, last))


def _list(serials: Sequence[int]) -> bytes:
    listed = array("Q", serials)
    if sys.byteorder == "little":
        listed.byteswap()
    return _section(SERIAL_LIST, listed.tobytes())


def _alone(blocks: list[Block]) -> tuple[list[int], list[Block]]:
    """Serials that are listed whatever comes, and the blocks that are left to weigh."""
    listed, others, before = list[int](), list[Block](), -_NEVER
    for block, after in zip(blocks, [*blocks[1:], (2 * _NEVER, 0, 0, False)], strict=True):
        first, last, count, _ = block
        if count == 1 and first - before > _BITMAP < after[0] - last:
            listed.append(first)
        else:
            others.append(block)
        before = last
    return listed, others


def _weighed(blocks: Sequence[Block], *, any_listed: bool) -> list[tuple[int, int, int]]:
    """From, to, and the section that says all between: the least in bytes."""
    cost, ways = _choose(blocks)
    few = sum(count for (_, _, count, row), way in zip(blocks, ways, strict=True) if way == _ALONE and not row)
    if not any_listed and 0 < few <= _LIST:  # each was listed to save a bit or more: is that worth the list's frame?
        without, other_ways = _choose(blocks, listing=False)
        ways = ways if cost + _LIST <= without else other_ways
    spans: list[tuple[int, int, int]] = []
    for (first, last, _, row), way in zip(blocks, ways, strict=True):
        if way == _ALONE:
            spans.append((first, last, SERIAL_RANGE if row else SERIAL_LIST))
        elif way == _OPENS_BITMAP:
            spans.append((first, last, SERIAL_BITMAP))
        else:
            spans[-1] = (spans[-1][0], last, SERIAL_BITMAP)
    return spans


_ALONE, _OPENS_BITMAP, _GROWS_BITMAP, _CLOSES_BEFORE = 0, 1, 2, 4


def _choose(blocks: Sequence[Block], *, listing: bool = True) -> tuple[int, bytearray]:
    """For each block and row whether it stands alone, opens a bitmap or grows the one before it.

    Two sums are carried along: the least so far with no bitmap open at the end, and the least with one. A bitmap
    costs its frame once, then a bit for each serial it covers, gaps included. The ways are noted as the sums are
    made, with `_CLOSES_BEFORE` where a bitmap ends just before, and followed from the end. Without `listing` only
    rows stand alone. The least sum comes first, in bits and without the frame of the list.
    """
    closed, opened, reached = 0, _NEVER, 0
    listed = _LISTED if listing else _NEVER
    outside, inside = bytearray(len(blocks)), bytearray(len(blocks))
    for number, (first, last, count, row) in enumerate(blocks):
        grown = opened + last - reached
        reached = last
        if opened < closed:
            closed = opened
            outside[number] = _CLOSES_BEFORE
        new = closed + _BITMAP + last - first + 1
        if grown < new:
            opened = grown
            inside[number] = _GROWS_BITMAP
        else:
            opened = new
            inside[number] = _OPENS_BITMAP | outside[number]
        closed += _RANGE if row else listed * count
    least, within = min(opened, closed), opened < closed
    for number in range(len(blocks) - 1, -1, -1):
        way = inside[number] if within else outside[number]
        outside[number] = way & 3
        within = way == _GROWS_BITMAP or way >= _CLOSES_BEFORE
    return least, outside


def _bitmaps(known: SerialSet, first: int, last: int) -> list[bytes]:
    """One bitmap, or several where it would be longer than OpenSSH reads."""
    parts, offset = [], first
    while 0 < offset <= last:
        bits = known.bits(offset, min(MAX_BITMAP_BITS, last - offset + 1))
        data = bits.to_bytes(bits.bit_length() // 8 + 1, "big")
        parts.append(_section(SERIAL_BITMAP, offset.to_bytes(8, "big") + string(data)))
        offset = known.after(offset + MAX_BITMAP_BITS) if last >= offset + MAX_BITMAP_BITS else 0
    return parts


def _section(kind: int, data: bytes) -> bytes:
    return bytes((kind,)) + string(data)
