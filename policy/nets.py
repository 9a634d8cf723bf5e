"""Addresses, prefixes and ranges as numbers, for both families on one line.

An IPv4 address is its number; an IPv6 address is its number + 2**128. So the families never meet, a set of
addresses is a sorted tuple of spans, and everything else is comparing integers.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

Span = tuple[int, int]
"""First and last address."""

SIX = 1 << 128
V4: Span = (0, (1 << 32) - 1)
V6: Span = (SIX, SIX + (1 << 128) - 1)
EVERYTHING: tuple[Span, ...] = (V4, V6)

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = re.compile(rf"(?:{_BYTE}\.){{3}}{_BYTE}")
_V6 = re.compile(r"[0-9a-fA-F:.]{2,45}")


def address(text: str) -> int | None:
    """The number of an IP address; None for any other text. A zone (`%eth0`) is no address here."""
    if ":" not in text:
        return int.from_bytes(bytes(map(int, text.split(".")))) if _V4.fullmatch(text) else None
    if not _V6.fullmatch(text):
        return None
    if "." not in text:
        quick = _six(text)
        if quick is not None:
            return quick
    try:
        return SIX + int(ipaddress.IPv6Address(text))
    except ValueError:
        return None


def _six(text: str) -> int | None:
    """The common forms, an order of magnitude sooner than `ipaddress`."""
    head, double, tail = text.partition("::")
    first = head.split(":") if head else []
    last = tail.split(":") if tail else []
    missing = 8 - len(first) - len(last)
    if "::" in tail or (missing < 1 if double else missing != 0):
        return None
    number = 0
    for group in first:
        if not 0 < len(group) <= 4:
            return None
        number = number << 16 | int(group, 16)
    number <<= 16 * (missing + len(last))
    for place, group in enumerate(reversed(last)):
        if not 0 < len(group) <= 4:
            return None
        number |= int(group, 16) << 16 * place
    return SIX + number


def prefix(text: str) -> Span | None:
    """The span of an address or of `address/length`; host bits are masked off."""
    base, slash, length = text.partition("/")
    number = address(base)
    if number is None:
        return None
    if not slash:
        return number, number
    size = 32 if number < SIX else 128
    if not (length.isascii() and length.isdigit()) or (len(length) > 1 and length[0] == "0") or int(length[:4]) > size:
        return None
    width = 1 << (size - int(length))
    start = number & ~(width - 1)
    return start, start + width - 1


def range_(text: str) -> Span | None:
    """The span of `first-last`, both of one family."""
    low, dash, high = text.partition("-")
    first, last = address(low), address(high)
    if not dash or first is None or last is None or first > last or (first < SIX) != (last < SIX):
        return None
    return first, last


def show(number: int) -> str:
    return str(ipaddress.IPv4Address(number)) if number < SIX else str(ipaddress.IPv6Address(number - SIX))


def show_span(span: Span) -> str:
    """An address, a prefix, or `first-last`, whichever says it."""
    low, high = span
    if low == high:
        return show(low)
    width = high - low + 1
    if width & (width - 1) == 0 and low % width == 0:
        return f"{show(low)}/{(32 if low < SIX else 128) - width.bit_length() + 1}"
    return f"{show(low)}-{show(high)}"


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same addresses in the fewest spans, in order."""
    out: list[Span] = []
    for low, high in sorted(spans):
        if out and low <= out[-1][1] + 1 and (low < SIX) == (out[-1][0] < SIX):
            if high > out[-1][1]:
                out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return tuple(out)


def runs(ordered: Sequence[int]) -> list[Span]:
    """The same addresses in the fewest spans; they come in rising order, each once."""
    ends = [place for place, (one, other) in enumerate(pairwise(ordered)) if other - one != 1 or other == SIX]
    return [(ordered[first], ordered[last]) for first, last in zip(
        [0, *(end + 1 for end in ends)], [*ends, len(ordered) - 1], strict=True,
    )] if ordered else []  # fmt: skip


def subtract(spans: Iterable[Span], less: Iterable[Span]) -> tuple[Span, ...]:
    """What is in `spans` and not in `less`."""
    holes = merge(less)
    out: list[Span] = []
    next_hole = 0
    for low, high in merge(spans):
        at = low
        while next_hole < len(holes) and holes[next_hole][1] < low:
            next_hole += 1
        place = next_hole
        while place < len(holes) and holes[place][0] <= high:
            first, last = holes[place]
            if first > at:
                out.append((at, first - 1))
            at = max(at, last + 1)
            place += 1
        if at <= high:
            out.append((at, high))
    return tuple(out)


def contains(merged: tuple[Span, ...], span: Span) -> bool:
    """Whether one of `merged` holds all of `span`."""
    at = bisect_right(merged, (span[0], V6[1])) - 1
    return at >= 0 and merged[at][1] >= span[1]


def overlaps(merged: tuple[Span, ...], span: Span) -> bool:
    """Whether `merged` and `span` share an address."""
    at = bisect_right(merged, (span[1], V6[1])) - 1
    return at >= 0 and merged[at][1] >= span[0]


_INTERNET = tuple(
    span
    for span in map(range_, (
        "0.0.0.0-9.255.255.255", "11.0.0.0-100.63.255.255", "100.128.0.0-169.253.255.255", "169.255.0.0-172.15.255.255",
        "172.32.0.0-192.167.255.255", "192.169.0.0-255.255.255.255",
    ))
    if span is not None
) + tuple(span for span in (prefix("2000::/3"),) if span is not None)  # fmt: skip


def internet(network: Iterable[Span]) -> tuple[Span, ...]:
    """Everything but private, carrier-grade and link-local space, and but the network's own addresses."""
    return subtract(_INTERNET, network)
