"""A deed on what is selected, or else on the row under the cursor: one command, which the question shows as it runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.app.form import Form
from console.app.modes import Asked
from console.app.times import plural

if TYPE_CHECKING:
    from console.app.listview import ListView

MANY = 20
"""Over so many, their count must be typed."""


def shown(names: Sequence[str]) -> str:
    """`web-1, web-2`, and how many more where there is no room for all."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6:,} more" if len(names) > 6 else "")


def called(names: Sequence[str], one: str, many: str = "") -> str:
    """The name of one, the number of several."""
    return names[0] if len(names) == 1 else plural(len(names), one, many)


def only_one(view: ListView, deed: str) -> bool:
    """Whether one is meant; otherwise says that `deed` is for one at a time."""
    if len(view.table.chosen()) == 1:
        return True
    view.console_app.say_refused(f"{deed} one at a time", "Esc lets the selection go")
    return False


def perform(
    view: ListView,
    words: Sequence[str],
    done: str,
    *,
    undo: Sequence[str] = (),
    undo_label: str = "undoes",
    form: Form | None = None,
) -> None:
    """Runs the command, and lets the selection go; where it is refused, what was selected is meant still."""
    selection, meant = view.table.selection, view.table.selection.rows
    selection.clear()
    view.console_app.perform(
        words, done, undo=undo, undo_label=undo_label, form=form, refused=lambda: selection.back(meant)
    )


def ask(
    view: ListView,
    words: Sequence[str],
    done: str,
    *,
    title: str,
    follows: str,
    can: str,
    deed: str,
    names: Sequence[str] = (),
    undo: Sequence[str] = (),
    plane: str = "bad",
    run: Callable[[], object] | None = None,
) -> None:
    """Asks before `words` run; `can` says whether they can be taken back. Of many `names` the count must be typed."""
    view.console_app.ask(
        Asked(
            title=title,
            follows=follows,
            command=shlex.join(words),
            undo=can,
            deed=deed,
            plane=plane,
            typed=str(len(names)) if len(names) > MANY else "",
            run=run or (lambda: perform(view, words, done, undo=undo)),
        )
    )
