"""Keys as a person wants them: what each screen's keys are moved to, and what stands in the way of moving one.

A screen knows its keys by the names that it was written with. What is pressed is turned into those before it is acted
on, and what is shown is turned the other way round, so that no screen need know of it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from console.app.actions import Action, keycap

EVERYWHERE = "*"
PREFERENCE = "keys"
FIXED = frozenset({"escape", "enter", "ctrl+c", "ctrl+q", "question_mark", "f1", *"123456789"})
"""What everyone may rely on: out, in, leave, help, and the screens."""
MOVES = {
    "up": "up", "down": "down", "left": "left", "right": "right", "j": "down", "k": "up", "g": "first", "G": "last",
    "home": "first", "end": "last", "pageup": "a page up", "pagedown": "a page down", "ctrl+f": "a page down",
    "ctrl+b": "a page up", "tab": "the next part", "shift+tab": "the part before", "left_square_bracket": "left",
    "right_square_bracket": "right", "ctrl+s": "apply", "backspace": "back",
}  # fmt: skip
"""Keys that screens move by, and what they do there."""


class Refused(ValueError):
    """A key cannot be had; its text says why."""


class Keymap(msgspec.Struct, frozen=True):
    """By screen (`*` is everywhere): keys as the screen has them, and as they are pressed instead."""

    moved: Mapping[str, Mapping[str, str]] = {}

    @classmethod
    def read(cls, text: str) -> Keymap:
        """Of `Devices:a=A *:z=u`. What is not of that form, or moves what stays, is passed over."""
        moved: dict[str, dict[str, str]] = {}
        for word in text.split():
            scope, colon, pair = word.partition(":")
            old, equals, new = pair.partition("=")
            if colon and equals and old and new and not {old, new} & FIXED and new not in moved.get(scope, {}).values():
                moved.setdefault(scope, {})[old] = new
        return cls(moved)

    def text(self) -> str:
        return " ".join(f"{scope}:{old}={new}" for scope, pairs in self.moved.items() for old, new in pairs.items())

    def pressed(self, title: str, key: str, has: Callable[[str], bool], *, typing: bool = False) -> str | None:
        """What the screen called `title` knows `key` by; None where it was moved away and nothing took its place.

        `has` says whether the screen itself has a key: it then goes before what is everywhere. While text is typed
        (`typing`), a key that types stays what it is.
        """
        if typing and types(key):
            return key
        here, everywhere = self.moved.get(title, {}), self.moved.get(EVERYWHERE, {})
        if key in here.values():
            return _key_of(here, key)
        if key not in here and has(key):
            return key
        if key in everywhere.values():
            return _key_of(everywhere, key)
        return None if key in here or key in everywhere else key

    def shown(self, scope: str, actions: Iterable[Action]) -> list[Action]:
        """The actions under the keys that do them."""
        pairs = self.moved.get(scope, {})
        return [
            msgspec.structs.replace(action, key=pairs[action.key], cap="") if action.key in pairs else action
            for action in actions
        ]

    def moving(self, scope: str, old: str, new: str, here: Iterable[Action], others: Iterable[Action]) -> Keymap:
        """With `old` of `scope` moved to `new`; back to where it was made where both are the same.

        `here` are the actions of `scope` by the keys that they were made with; `others`, as they are shown, those that
        hold beside them: of everywhere, or of every screen. Raises `Refused` where the key is another's.
        """
        pairs = {key: value for key, value in self.moved.get(scope, {}).items() if key != old}
        if old in FIXED:
            raise Refused(f"{keycap(old)} stays where it is, for everyone to rely on")
        if new != old:
            if new in FIXED or new in MOVES:
                raise Refused(f"{keycap(new)} means the same on every screen: {MOVES.get(new) or 'it stays free'}")
            pairs[old] = new
        rest = [action for action in here if action.key != old]
        for action in [*Keymap({scope: pairs}).shown(scope, rest), *others]:
            if action.key == new:
                raise Refused(f'{keycap(new)} is "{action.label}" already; move that first')
        moved = {**self.moved, scope: pairs}
        return Keymap({name: value for name, value in moved.items() if value})


def _key_of(pairs: Mapping[str, str], new: str) -> str:
    return next(old for old, value in pairs.items() if value == new)


def types(key: str) -> bool:
    """Whether it puts a character where text is typed."""
    return not key.startswith(("ctrl+", "alt+", "shift+")) and not (key.startswith("f") and key[1:].isdigit())
