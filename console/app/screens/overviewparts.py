"""The parts of Overview: each some rows, and which of them are things that the cursor can be on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from console.app import chart
from console.app.backend import Need, Overview
from console.app.columns import Context
from console.app.inert import inert
from console.app.row import Row, fit
from console.app.times import age, clock, count, span
from console.app.view import View
from model.records import AuditEntry

WIDE = 110
CHART = (6, 14)
"""Rows that the chart has, and as many as it grows to where a tall screen has them to spare."""
BESIDE_CHART = 22
"""Rows of what stands over and under the bars in the right half."""
FEWEST = 3
"""Samples of which a chart is made: the first and the moment's own say nothing of time."""
STATES = (
    ("online", "on", "ok", "state:approved"),
    ("offline", "off", "muted", "state:approved"),
    ("pending", "waiting", "warn", "state:pending"),
    ("expired", "bad", "bad", "state:expired"),
    ("disabled", "disabled", "muted", "state:disabled"),
)


class Spot(msgspec.Struct, frozen=True):
    """A line that leads to a screen."""

    go: tuple[str, ...]


Thing = Need | AuditEntry | Spot


class Part(msgspec.Struct):
    """`things` are by the row that they stand in, from the top of `rows`."""

    rows: list[Row]
    things: list[tuple[int, Thing]] = []

    def under(self, other: Part, gap: int) -> Part:
        """The other one below this, after `gap` blank rows."""
        width = self.rows[0].width if self.rows else other.rows[0].width if other.rows else 0
        top = len(self.rows) + gap
        return Part(
            [*self.rows, *(Row(width) for _ in range(gap)), *other.rows],
            [*self.things, *((top + y, thing) for y, thing in other.things)],
        )


def figures(facts: Overview, width: int) -> list[Row]:
    shown = (
        (count(facts.devices), ("devices",)),
        (count(facts.online), ("online",)),
        (count(facts.people), ("people",)),
        (count(facts.certificates), ("certificates valid", "certificates", "certs")),
        (str(facts.policy), ("policy version", "policy")),
    )
    numbers, labels = Row(width), Row(width)
    step = max(1, (width - 4) // 5) if width < WIDE else width // 5
    for at, (number, names) in enumerate(shown):
        numbers.put(2 + at * step, number, "bright", "b")
        label = next((name for name in names if len(name) < step), names[-1])
        labels.put(2 + at * step, fit(label, step - 1), "muted")
    return [Row(width), numbers, labels, Row(width), Row(width)]


def needs(waiting: Sequence[Need], snoozed: int, width: int, context: Context) -> Part:
    title = Row(width)
    end = title.put(2, "Needs you", "bright", "b")
    note = f"{snoozed} snoozed" if snoozed else ""
    if not waiting:
        quiet = Row(width)
        quiet.put(3, context.glyphs.done, "ok")
        quiet.put(5, "nothing else waits for you" if snoozed else "nothing waits for you", "muted")
        title.right(width - 3, note, "muted")
        return Part([title, quiet])
    end = title.put(end + 2, str(len(waiting)), "muted")
    title.put(end + 3, note, "muted")
    title.right(width - 3, "waiting", "muted")
    part = Part([title])
    column = 38 if width >= 70 else 34
    for need in waiting:
        row = Row(width)
        glyph, role = {"bad": (context.glyphs.bad, "bad"), "ending": (context.glyphs.ending, "warn")}.get(
            need.state, (context.glyphs.waiting, "warn")
        )
        row.put(3, glyph, role)
        stop = row.right(width - 3, span(context.now - need.since) if need.since is not None else "", "muted")
        start = row.put(5, fit(inert(need.what), stop - 7), "text")
        start = max(column, start + 2)
        row.put(start, fit(inert(need.detail), max(0, stop - start - 2)), "muted")
        part.things.append((len(part.rows), need))
        part.rows.append(row)
    return part


def changes(entries: Sequence[AuditEntry], fresh: set[int], paused: bool, width: int, context: Context) -> Part:
    title, heads = Row(width), Row(width)
    title.put(2, "Latest changes", "bright", "b")
    title.right(width - 3, "paused" if paused else "following", "muted")
    spots = _spots(entries, width)
    heads.right(spots[0] + 7, "Number", "muted")
    for head, x in zip(("Time", "Actor", "Action", "Subject"), spots[1:], strict=True):
        heads.put(x, head, "muted")
    part = Part([title, heads])
    for entry in entries:
        row = Row(width)
        if entry.number in fresh:
            row.plane("select", 1, width - 1)
            row.put(1, context.glyphs.flash, "accent")
        row.right(spots[0] + 7, str(entry.number), "muted")
        when = clock(entry.at) if context.now - entry.at < 86400 else age(entry.at, context.now)
        row.put(spots[1], when, "muted")
        row.put(spots[2], fit(inert(entry.actor.partition("@")[0]), 9), "text")
        row.put(spots[3], fit(inert(entry.action), spots[4] - spots[3] - 2), "text")
        subject = entry.subject.removesuffix(f"@{context.me.user_domain}")
        row.put(spots[4], fit(inert(subject), width - spots[4] - 3), "text")
        part.things.append((len(part.rows), entry))
        part.rows.append(row)
    return part


def _spots(entries: Sequence[AuditEntry], width: int) -> tuple[int, int, int, int, int]:
    """Where the columns begin: an action has what the longest takes, a subject all that is left."""
    longest = max((len(entry.action) for entry in entries), default=0)
    action = max(14, min(longest, 24, width - 48))
    return (1, 10, 20, 30, 32 + action)


# The right half


def online(facts: Overview, width: int, context: Context, room: int = 0) -> Part:
    """`room` is the rows of the whole half, 0 where the page scrolls."""
    height = max(CHART[0], min(CHART[1], room - BESIDE_CHART))
    title = Row(width)
    seconds = len(facts.history) * facts.history_step
    hours = round(seconds / 3600)
    title.put(0, f"Online, last {hours} hours" if hours > 1 else "Online", "bright", "b")
    if len(facts.history) < FEWEST:
        note = Row(width)
        note.put(0, "a sample comes every ten minutes", "muted")
        return Part([title, note])
    low, high = min(facts.history), max(facts.history)
    title.right(width - 2, f"{count(low)} to {count(high)}", "muted")
    top = chart.nice_ceiling(high)
    floor = chart.nice_floor(low, top)
    axis = max(len(count(top)), 3)
    rows = []
    for y, bars in enumerate(chart.draw(facts.history, width - axis - 4, height, context.glyphs, floor=floor)):
        row = Row(width)
        middle = count((top + floor) // 2) if top - floor > 1 else ""
        row.right(axis, {0: count(top), height // 2: middle, height - 1: count(floor)}.get(y, ""), "muted")
        row.lay(axis + 2, bars)
        rows.append(row)
    return Part([title, *rows, _hours(seconds, width, axis + 2, context)])


def _hours(seconds: int, width: int, start: int, context: Context) -> Row:
    row = Row(width)
    end = row.right(width - 2, "now", "muted")
    size = width - 2 - start
    for part in range(3):
        x = start + size * part // 3
        if x + 5 < end:
            row.put(x, clock(context.now - seconds + seconds * part // 3, seconds=False), "muted")
    return row


def states(facts: Overview, width: int, context: Context) -> Part:
    title = Row(width)
    title.put(0, "Devices by state", "bright", "b")
    part = Part([title])
    total = max(1, sum(facts.states.values()))
    size = max(4, width - 22)
    for name, glyph, role, query in STATES:
        number = facts.states.get(name, 0)
        row = Row(width)
        row.put(0, getattr(context.glyphs, glyph), role if number else "muted")
        row.put(2, name, "text" if number else "muted")
        row.right(17, count(number), "text" if number else "muted")
        if number:
            bar = context.glyphs.bar * max(1, round(size * number / total))
            row.put(20, bar, "thumb" if role == "muted" else role)
        part.things.append((len(part.rows), Spot(("Devices", query))))
        part.rows.append(row)
    return part


def gate(facts: Overview, width: int) -> Part:
    title = Row(width)
    title.put(0, "Gate", "bright", "b")
    part = Part([title])
    for line in facts.gate:
        row = Row(width)
        row.put(0, line.label, "muted")
        row.put(13, fit(inert(line.value), width - 15), line.role)
        if line.go:
            part.things.append((len(part.rows), Spot(line.go)))
        part.rows.append(row)
    return part


def welcome(view: View, width: int, *, sample: bool) -> list[Row]:
    lines: list[tuple[str, str, str]] = [
        ("", "This network is empty", "bright"),
        ("", "", ""),
        (view.cap("n"), "makes an enrollment key; on the first device then:", "text"),
        ("", f"wardgate up {view.backend.me().gate} --key-file FILE", "muted"),
        ("", "", ""),
        ("2", "goes to Users, to invite people", "text"),
        ("4", "goes to Access: who reaches what. Now people reach their own devices", "text"),
        ("", "", ""),
        *([(view.cap("S"), "fills it with sample data, to look around first", "text")] if sample else []),
    ]
    rows = []
    for key, text, role in lines:
        row = Row(width)
        if role == "bright":
            row.put(2, text, role, "b")
        else:
            row.put(2, key, "accent", "b")
            row.put(5, fit(text, width - 7), role)
        rows.append(row)
    return rows
