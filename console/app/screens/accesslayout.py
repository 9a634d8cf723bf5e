"""How Access is laid out: its parts by name, the one in sight, who reaches what beside it, and the countdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from console.app import linediff
from console.app.row import Row, fit
from console.app.screens import accessdeeds, accessdraw, accesstests
from console.app.times import plural

if TYPE_CHECKING:
    from console.app.screens.access import AccessView

POLICY, DIFF, TESTS, HISTORY = range(4)
TABS = ("Policy", "Diff", "Tests", "History")
WIDE = 110
LEAST_PANE = 42
ROOM = 14
"""Cells that numbers, marks and margins take beside a line of the text."""


def draw(view: AccessView, width: int, height: int) -> list[Row]:
    beside = width >= WIDE and not view.wide
    pane_width = _pane_width(view, width) if beside else 0
    rows = _left(view, width - pane_width, height)
    if beside:
        pane = accessdraw.pane(view, pane_width, height)
        for y, row in enumerate(rows):
            whole = Row(width)
            whole.lay(0, row)
            whole.lay(width - pane_width, pane[y])
            rows[y] = whole
    left = view.console_app.unconfirmed
    if left is not None and view.console_app.mode is None and height > 12:
        ssh = "" if view.backend.proves_a_way_in() else view.backend.me().ssh
        band = accessdraw.countdown(width, *left, accessdeeds.CONFIRM, view.console_app.glyphs, ssh=ssh)
        rows[height - 1 - len(band) : height - 1] = band
    return rows


def _pane_width(view: AccessView, width: int) -> int:
    """Its share, or less where lines of the text are longer than what that leaves."""
    lines = (line.text for line in view.compared) if view.tab == DIFF else view.editor.buffer.lines
    longest = max(map(len, lines), default=0) + ROOM + 4 * (view.tab == DIFF)
    return max(LEAST_PANE, min(round(width * 0.38) - 1, width - longest))


def _left(view: AccessView, width: int, height: int) -> list[Row]:
    tabs = Row(width)
    x = 2
    came, went = linediff.counts(view.compared) if view.editor.changed else (0, 0)
    for at, name in enumerate(TABS):
        current = at == view.tab
        x = tabs.put(x, name, "bright" if current else "muted", "bu" if current else "", _to(view, at))
        if name == "Diff" and (came or went):
            x = tabs.put(x + 1, f"+{came}", "ok")
            x = tabs.put(x + 1, f"{view.console_app.glyphs.minus}{went}", "bad")
        if name == "Tests" and view._checked >= 0 and view.verdict.cases:
            passed = view.verdict.tests - view.verdict.failed
            x = tabs.put(x + 1, str(passed), "muted")
            if view.verdict.failed:
                x = tabs.put(x + 1, f"{view.console_app.glyphs.bad}{view.verdict.failed}", "bad")
        if name == "History" and view.policy.current:
            x = tabs.put(x + 1, str(view.policy.current.number), "muted")
        x += 3
    body = height - 4
    if view.tab == POLICY:
        rows = view.editor.draw(width, body, view.console_app.glyphs, active=view.editing)
    elif view.tab == DIFF:
        rows = accessdraw.diff(view, width, body)
    elif view.tab == TESTS:
        rows = accesstests.draw(view, width, body)
    else:
        rows = accessdraw.history(view, width, body)
    return [tabs, Row(width), *rows, Row(width), view.draw_status(width)]


def _to(view: AccessView, at: int) -> Callable[[], None]:
    return lambda: view.go_to(at)


def status(view: AccessView, row: Row) -> None:
    glyphs = view.console_app.glyphs
    end = row.width - 2
    if view.editing:
        buffer = view.editor.buffer
        end = row.right(end, f"{buffer.line + 1}:{buffer.column + 1}", "muted") - 2
    if view.verdict.faults:
        fault = view.verdict.faults[0]
        x = row.put(2, f"{glyphs.bad} {plural(len(view.verdict.faults), 'error')}", "bad", "b") + 3
        where = f"line {fault.line}: " if fault.line else ""
        row.put(x, fit(f"{where}the draft cannot be applied", end - x), "text")
    elif view.overtaken is not None:
        newer = view.overtaken
        text = f"version {newer.number} by {newer.created_by} is in force, yours is on {view.based_on}"
        text = f"{glyphs.caution} {text}"
        row.put(2, fit(text, end - 2), "warn")
    elif view.editor.changed and view._checked == view.editor.buffer.version:
        x = row.put(2, glyphs.done, "ok") + 1
        tests = f", {plural(view.verdict.tests, 'test passes', 'tests pass')}" if view.verdict.tests else ""
        row.put(x, fit(f"the draft is good{tests}", end - x), "text")
    elif not view.editing and view.policy.current:
        current = view.policy.current
        row.put(2, fit(f"set by {current.created_by}", end - 2), "muted")
