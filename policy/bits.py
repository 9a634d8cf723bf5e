"""Sets of small numbers as Python integers: bit n is set where n is in it.

Union, intersection and difference of ten thousand members are one operation each.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress

_DIGITS = bytes.maketrans(b"01", b"\0\1")
_POSITIONS = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


def bits_of(numbers: Iterable[int], size: int) -> int:
    """The set of `numbers`, all below `size`."""
    row = bytearray((size >> 3) + 1)
    for number in numbers:
        row[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(row, "little")


def members(bits: int) -> list[int]:
    """In rising order."""
    if not bits:
        return []
    size = bits.bit_length()
    if bits.bit_count() << 4 > size:
        # Where every other byte has several, looking at each place costs less than looking into bytes.
        return list(compress(range(size), f"{bits:b}"[::-1].encode().translate(_DIGITS)))
    row = bits.to_bytes((size + 7) >> 3, "little")
    out: list[int] = []
    for place in compress(range(len(row)), row):
        byte, base = row[place], place << 3
        if byte & (byte - 1):
            out += [base + bit for bit in _POSITIONS[byte]]
        else:
            out.append(base + byte.bit_length() - 1)
    return out
