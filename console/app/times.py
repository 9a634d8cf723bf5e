"""Times and amounts as people read them. Ages count from `now`; absolute times are UTC with `Z`."""

from __future__ import annotations

from datetime import UTC, datetime

from console.commandline import render

MINUTE, HOUR, DAY = 60, 3600, 86400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def span(seconds: int) -> str:
    """`41 s`, `22 min`, `14 h`, `3 d`."""
    seconds = max(0, seconds)
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR} h"
    return f"{seconds // DAY:,} d"


def age(at: int, now: int) -> str:
    """How long ago, then the date after 60 days."""
    seconds = now - at
    if seconds < 5:
        return "now"
    return span(seconds) if seconds < 60 * DAY else day(at, now)


def ago(at: int, now: int) -> str:
    """`3 h ago`; `now` and a date stand as they are."""
    past = age(at, now)
    return f"{past} ago" if 5 <= now - at < 60 * DAY else past


def day(at: int, now: int) -> str:
    """`3 Feb`, with the year where it is another."""
    moment = datetime.fromtimestamp(at, UTC)
    text = f"{moment.day} {_MONTHS[moment.month - 1]}"
    return text if moment.year == datetime.fromtimestamp(now, UTC).year else f"{text} {moment.year}"


def clock(at: int, *, seconds: bool = True) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S" if seconds else "%H:%M")


def moment(at: int, now: int) -> str:
    """`12:20Z` today, `3 Feb 12:20Z` else."""
    text = clock(at, seconds=False) + "Z"
    return text if at // DAY == now // DAY else f"{day(at, now)} {text}"


def count(number: int) -> str:
    return f"{number:,}"


plural = render.plural
