"""Durations as Go writes them (`1h30m`, `1.5s`): the field's policies and refusals have them in that form."""

from __future__ import annotations

import re

from policy.fault import go_quoted

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_TERM = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_MAX = 2**63 - 1


def nanoseconds(text: str) -> int:
    """What Go's `time.ParseDuration` makes of `text`; a `ValueError` carries its words where it makes nothing."""
    rest = text[1:] if text[:1] in ("+", "-") and text else text
    if rest == "0":
        return 0
    if not rest or len(text) > 100:
        raise ValueError(f"time: invalid duration {go_quoted(text[:100])}")
    total = 0
    while rest:
        match = _TERM.match(rest)
        assert match is not None
        whole, fraction, unit = match.groups()
        if not whole and not fraction:
            raise ValueError(f"time: invalid duration {go_quoted(text)}")
        if not unit:
            raise ValueError(f"time: missing unit in duration {go_quoted(text)}")
        if unit not in _UNITS:
            raise ValueError(f"time: unknown unit {go_quoted(unit)} in duration {go_quoted(text)}")
        scale = _UNITS[unit]
        total += int(whole or 0) * scale + int(fraction or 0) * scale // 10 ** len(fraction or "")
        if total > _MAX:
            raise ValueError(f"time: invalid duration {go_quoted(text)}")
        rest = rest[match.end() :]
    return -total if text.startswith("-") else total


def show(nanoseconds: int) -> str:
    """As Go prints it: `12h0m0s`, `5m0s`, `1.5s`, `20ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, scale in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if left < scale * 1000:
            return f"{sign}{_decimal(left, scale)}{unit}"
    minutes, rest = divmod(left, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, _UNITS['s'])}s"


def _decimal(value: int, scale: int) -> str:
    whole, rest = divmod(value, scale)
    digits = f"{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
