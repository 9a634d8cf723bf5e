"""Access's tests: what the policy claims about itself, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.app.inert import inert
from console.app.row import Row, fit

if TYPE_CHECKING:
    from console.app.backend import TestCase
    from console.app.screens.access import AccessView


def draw(view: AccessView, width: int, height: int) -> list[Row]:
    heads = Row(width)
    heads.right(9, "Line", "muted")
    heads.put(14, "Claims", "muted")
    if not view.verdict.cases:
        rows = [Row(width) for _ in range(height)]
        broken = any(fault.line for fault in view.verdict.faults)
        rows[0].put(2, "No tests run on a policy with errors" if broken else "No tests in this policy", "text")
        more = (
            "F8 goes to the error"
            if broken
            else '"tests": [{"src": "a@b.c", "accept": ["tag:db:5432"]}] holds it to that'
        )
        rows[1].put(2, fit(more, width - 4), "muted")
        return rows[:height]
    rows, places = [heads], []
    for at, case in enumerate(view.verdict.cases):
        places.append(len(rows))
        rows += _case(view, case, width, under=at == view.at)
    line = places[min(view.at, len(places) - 1)]
    top = max(0, line - height + 4)
    shown = [heads, *rows[1 + top : height + top]]
    return [*shown, *[Row(width) for _ in range(height - len(shown))]]


def _case(view: AccessView, case: TestCase, width: int, *, under: bool) -> list[Row]:
    glyphs = view.console_app.glyphs
    row = Row(width)
    if under:
        row.plane("cursor", 1, width - 1)
        row.put(1, glyphs.cursor, "accent")
    row.put(3, glyphs.bad if case.misses else glyphs.done, "bad" if case.misses else "ok")
    row.right(9, str(case.line), "text")
    row.put(14, fit(inert(case.claims), width - 16), "bright" if under else "text")
    row.links.append((0, width, lambda: to_line(view, case)))
    out = [row]
    for line, why in case.misses:
        said = Row(width)
        said.right(9, str(line), "bad")
        said.put(14, fit(inert(why), width - 16), "bad")
        out.append(said)
    return out


def to_line(view: AccessView, case: TestCase) -> None:
    """The editor, at the line that fails, or else where the test begins."""
    view.edit()
    line = case.misses[0][0] if case.misses else case.line
    view.editor.show(line - 1)


def open_chosen(view: AccessView) -> None:
    if view.at < len(view.verdict.cases):
        to_line(view, view.verdict.cases[view.at])
