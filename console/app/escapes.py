"""Esc and the key after it told from Alt and that key: a terminal sends the same for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from weakref import WeakMethod

from textual import events
from textual._xterm_parser import XTermParser

ESC = "\x1b"
ALT_ALWAYS = frozenset({"\x7f", "\t", "b", "f", ESC})
"""After Esc these are keys of their own, that terminals and hands agree on: a word away, a word back, Shift+Tab."""
OPTION = frozenset("0123456789-=§")
"""What Textual reads, after Esc, as the sign that Option and this key make on a keyboard of Apple's."""


class Parser(XTermParser):
    """Esc and a character that come together are two keys, unless `has_alt` says that somebody has that one with Alt.

    Over a network what was typed one after the other comes in one packet; lost, an Esc before Enter would do what was
    to be left.
    """

    def __init__(self, has_alt: Callable[[str], bool]) -> None:
        """`has_alt` is a method of what may end before the parser does."""
        super().__init__()
        self._has_alt = WeakMethod(has_alt)  # parsers are kept by a cache of Textual's; what asks them must not be

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if len(sequence) == 2 and sequence[1] in OPTION and sequence[0] == ESC:
            alt, sequence = True, sequence[1]
        if alt and len(sequence) == 1 and sequence not in ALT_ALWAYS:
            keys = list(super()._sequence_to_key_events(sequence, True))
            if any(key.key.startswith("alt+") and self._has(key.key) for key in keys):
                yield from keys
                return
            yield events.Key("escape", ESC)
            alt = False
        yield from super()._sequence_to_key_events(sequence, alt)

    def _has(self, key: str) -> bool:
        has_alt = self._has_alt()
        return has_alt is not None and has_alt(key)
