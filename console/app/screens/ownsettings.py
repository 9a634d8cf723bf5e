"""A person's own settings: how the console looks, the columns of its lists, and its keys. Kept in the gate for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from console.app import columnchoice, keymap, snoozed
from console.app.keysmode import KeysMode
from console.app.listview import ListView
from console.app.times import plural

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

PREFERENCES = (
    ("theme", ("auto", "dark", "light"), "the colours of this console; auto asks the terminal"),
    ("colours", ("auto", "truecolor", "256", "16", "none"), "what the terminal can show, where auto is wrong"),
    ("glyphs", ("auto", "unicode", "ascii"), "signs of states"),
    ("mouse", ("on", "off"), "off leaves it to the terminal, from the next session on"),
    ("motion", ("full", "reduced"), "reduced marks a changed row by its sign alone"),
)
AS_MADE = "as made"


class Entry(msgspec.Struct):
    key: str
    value: str
    about: str
    changed: bool = False
    choices: tuple[str, ...] = ()
    open: Callable[[], object] | None = None
    """What changes it, where that is neither a choice nor a line of text."""

    @property
    def own(self) -> bool:
        return bool(self.choices) or self.open is not None


def entries(app: ConsoleApp) -> list[Entry]:
    chosen = app.preferences
    look = [
        Entry(key, chosen.get(key, choices[0]), about, key in chosen, choices) for key, choices, about in PREFERENCES
    ]
    return [*look, *_columns(app), _keys(app), *_snoozed(app)]


def _columns(app: ConsoleApp) -> list[Entry]:
    out = []
    for _, title in app.screens():
        view = app.view_of(title)
        if not isinstance(view, ListView):
            continue
        key = columnchoice.preference(title)
        choice = columnchoice.read(text := app.preferences.get(key, ""), view.columns())
        said = [f"{len(choice.order) - len(choice.hidden)} of {len(choice.order)}"]
        said += [f"by {choice.sort.replace('_', ' ')}"] if choice.sort else []
        about = f"the columns of {title}, their order, and what it is sorted by"
        out.append(Entry(key, ", ".join(said) if text else AS_MADE, about, bool(text), open=_choose(app, title)))
    return out


def _choose(app: ConsoleApp, title: str) -> Callable[[], object]:
    """On the list itself, which follows at once; Esc comes back from it."""

    def choose() -> None:
        app.go(title)
        view = app.view
        assert isinstance(view, ListView)
        view.choose_columns()

    return choose


def _keys(app: ConsoleApp) -> Entry:
    moved = sum(len(pairs) for pairs in app.keymap.moved.values())

    def choose() -> None:
        app.mode = KeysMode(app, *(app.view_of(title) for _, title in app.screens()))

    value = f"{moved} moved" if moved else AS_MADE
    return Entry(keymap.PREFERENCE, value, "what each key does, on every screen", bool(moved), open=choose)


def _snoozed(app: ConsoleApp) -> list[Entry]:
    kept = snoozed.read(app.preferences.get(snoozed.PREFERENCE, ""), app.backend.now())
    if not kept:
        return []
    about = "what Overview does not remind you of for a while; Enter brings it back"
    wake = lambda: app.keep_preference(snoozed.PREFERENCE, "")  # noqa: E731 - one of several of its kind
    return [Entry(snoozed.PREFERENCE, plural(len(kept), "thing"), about, True, open=wake)]
