"""What a person does not want to be reminded of for a while. Kept among their preferences; what changed comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from console.app.backend import Need
from console.app.times import HOUR

PREFERENCE = "snoozed"
LASTS = 8 * HOUR
MOST = 100


def read(text: str, now: int) -> dict[str, int]:
    """By what it says, until when. What is over, or is no such thing, is left out."""
    try:
        kept = msgspec.json.decode(text.encode(), type=dict[str, int])
    except (msgspec.DecodeError, UnicodeError):
        return {}
    return {what: until for what, until in kept.items() if until > now}


def write(kept: Mapping[str, int]) -> str:
    """Empty where nothing is snoozed."""
    newest = sorted(kept.items(), key=lambda item: item[1])[-MOST:]
    return msgspec.json.encode(dict(newest)).decode() if newest else ""


def awake(needs: Iterable[Need], kept: Mapping[str, int]) -> tuple[Need, ...]:
    return tuple(need for need in needs if need.what not in kept)
