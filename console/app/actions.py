"""What can be done where, once: it feeds keys, the footer, the palette and help."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

Run = Callable[[], object]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """`key` as Textual names it; `label` is a verb for the footer, `about` a sentence for help."""

    key: str
    label: str
    run: Run
    about: str = ""
    shown: bool = True
    """In the footer."""
    writes: bool = False
    """Not offered to those who may only read."""
    when: Callable[[], bool] | None = None
    cap: str = ""
    """What stands for the key, where it is one of several."""

    @property
    def possible(self) -> bool:
        return self.when is None or self.when()

    @property
    def keycap(self) -> str:
        return self.cap or keycap(self.key)


_CAPS = {
    "enter": "Enter", "escape": "Esc", "tab": "Tab", "shift+tab": "Shift+Tab", "colon": ":", "slash": "/",
    "question_mark": "?", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home", "end": "End", "delete": "Del",
    "left_square_bracket": "[",
    "right_square_bracket": "]", "less_than_sign": "<", "greater_than_sign": ">", "ctrl+underscore": "ctrl+_",
    "plus": "+", "minus": "-", "asterisk": "*", "exclamation_mark": "!", "equals_sign": "=",
}  # fmt: skip


def keycap(key: str) -> str:
    if key.startswith("f") and key[1:].isdigit():
        return key.upper()
    return _CAPS.get(key, key)
