"""The parts of Access beside the editor: who reaches what, the diff, the history, the countdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.app.glyphs import Glyphs
from console.app.highlight import Highlighter
from console.app.inert import inert
from console.app.row import Row, fit
from console.app.times import count, moment, plural

if TYPE_CHECKING:
    from console.app.screens.access import AccessView


def pane(view: AccessView, width: int, height: int) -> list[Row]:
    rows = (
        what_changes(view, width)
        if view.tab == 1 and view.against is None and _compares(view)
        else who_reaches(view, width, height)
    )
    if view.console_app.unconfirmed is not None and not view.backend.proves_a_way_in():
        rows += by_hand(width, view.backend.me().ssh)
    rows += [Row(width, "surface") for _ in range(height - len(rows))]
    return rows[:height]


def _compares(view: AccessView) -> bool:
    """A draft, or a version that waits, against what was before."""
    return view.editor.changed or (view.console_app.unconfirmed is not None and bool(view.difference.pairs))


def _row(width: int) -> Row:
    return Row(width, "surface")


def who_reaches(view: AccessView, width: int, height: int) -> list[Row]:
    reach = view.reach
    title = _row(width)
    title.put(2, "Who reaches what", "bright", "b")
    title.right(width - 2, "draft" if view.editor.changed else f"version {view.based_on}", "muted")
    rows = [title, _row(width)]
    if not reach.rows:
        row = _row(width)
        row.put(2, fit("nobody reaches anything", width - 4), "muted")
        return [*rows, row]
    first = min(18, max(len(name) for name in reach.rows) + 2)
    sizes = [
        min(14, max(len(column), *(len(cells[at]) for cells in reach.cells))) + 2
        for at, column in enumerate(reach.columns)
    ]
    shown: list[int] = []
    for at, size in enumerate(sizes):
        if 2 + first + sum(sizes[x] for x in shown) + size - 2 > width - 2:
            break
        shown.append(at)
    heads = _row(width)
    x = 2 + first
    for at in shown:
        heads.put(x, fit(reach.columns[at], sizes[at] - 2), "muted")
        x += sizes[at]
    rows.append(heads)
    room = max(3, min(len(reach.rows), (height - 16) // 2 + 4))
    top = max(0, min(view.reach_at - room + 1, len(reach.rows) - room))
    for number in range(top, min(top + room, len(reach.rows))):
        rows.append(_reach_row(view, number, width, first, sizes, shown))
    more = len(reach.rows) - room, len(reach.columns) - len(shown)
    if more[0] > 0 or more[1] > 0:
        row = _row(width)
        parts = [
            plural(number, f"more {what}") for number, what in zip(more, ("row", "column"), strict=True) if number > 0
        ]
        row.put(2, ", ".join(parts), "muted")
        row.right(row.right(width - 2, "next", "muted") - 1, "m", "accent", "b")
        rows.append(row)
    return [*rows, _row(width), *_one(view, width)]


def _reach_row(view: AccessView, number: int, width: int, first: int, sizes: list[int], shown: list[int]) -> Row:
    row = _row(width)
    if number == view.reach_at:
        row.plane("select", 1, width - 1)
    row.put(2, fit(inert(view.reach.rows[number]), first - 2), "bright" if number == view.reach_at else "text")
    x = 2 + first
    for at in shown:
        cell = view.reach.cells[number][at]
        row.put(x, fit(cell, sizes[at] - 2) or view.console_app.glyphs.none, "text" if cell else "muted")
        x += sizes[at]
    row.links.append((0, width, lambda: setattr(view, "reach_at", number)))
    return row


def _one(view: AccessView, width: int) -> list[Row]:
    """All that the chosen row reaches."""
    reach = view.reach
    at = min(view.reach_at, len(reach.rows) - 1)
    title = _row(width)
    title.put(2, fit(inert(reach.rows[at]), width - 4), "bright", "b")
    heads = _row(width)
    heads.put(2, "Reaches", "muted")
    heads.put(26, "Ports", "muted")
    rows = [title, heads]
    for column, cell in zip(reach.columns, reach.cells[at], strict=True):
        if cell:
            row = _row(width)
            row.put(2, fit("their own" if column == "own" else inert(column), 23), "text")
            row.put(26, fit("all ports" if cell == "all" else cell, width - 28), "text")
            rows.append(row)
    return rows


def what_changes(view: AccessView, width: int) -> list[Row]:
    glyphs = view.console_app.glyphs
    title = _row(width)
    title.put(2, "What changes", "bright", "b")
    title.right(width - 2, "pairs of devices", "muted")
    rows = [title, _row(width)]
    pairs = view.difference.pairs
    if not pairs:
        row = _row(width)
        row.put(2, fit("nobody gains or loses a way", width - 4), "muted")
        rows.append(row)
    else:
        heads = _row(width)
        for x, head in ((2, "From"), (19, "To"), (32, "Port")):
            heads.put(x, head, "muted")
        heads.right(width - 2, "Pairs", "muted")
        rows.append(heads)
    for change in pairs[:10]:
        row = _row(width)
        sign, role = (glyphs.plus, "ok") if change.gained else (glyphs.minus, "bad")
        row.put(2, sign, role, "b")
        row.put(4, fit(inert(change.source), 14), "text")
        row.put(19, fit(inert(change.destination), 12), "text")
        row.put(32, fit(change.ports, 6), "text")
        row.right(width - 2, f"{sign}{count(change.pairs)}", role)
        rows.append(row)
    if len(pairs) > 10:
        row = _row(width)
        row.put(2, f"{len(pairs) - 10} more", "muted")
        rows.append(row)
    return [*rows, _row(width), *_losing(view, width)]


def _losing(view: AccessView, width: int) -> list[Row]:
    losing = view.difference.losing
    title = _row(width)
    end = title.put(2, "People who lose something", "bright", "b")
    title.put(end + 2, str(len({who for who, _ in losing})), "muted")
    rows = [title]
    for who, what in losing[:6]:
        row = _row(width)
        end = row.right(width - 2, fit(inert(what), 20), "muted")
        row.put(2, fit(inert(who), end - 4), "text")
        rows.append(row)
    if not losing:
        row = _row(width)
        row.put(2, "nobody", "muted")
        rows.append(row)
    return rows


def by_hand(width: int, ssh: str) -> list[Row]:
    rows = [_row(width), _row(width)]
    rows[1].put(2, "From a new connection", "bright", "b")
    for text in (ssh, "    policy confirm"):
        row = _row(width)
        row.put(2, fit(text, width - 4), "text")
        rows.append(row)
    return rows


def diff(view: AccessView, width: int, height: int) -> list[Row]:
    current = view.policy.current
    heads = Row(width)
    number = current.number if current else 0
    old, new = (number, "new") if view.editor.changed else (number - 1, str(number))
    if view.against is not None:
        old, new = view.based_on, str(view.against.number)
    heads.right(6, str(old), "muted")
    heads.right(10, str(new), "muted")
    heads.put(14, "Line", "muted")
    rows = [heads]
    if not view.compared:
        row = Row(width)
        row.put(2, "nothing changes", "muted")
        rows.append(row)
    colours = {sign: Highlighter() for sign in "-+ "}
    for line in view.compared[view.top : view.top + height - 1]:
        row = Row(width)
        if line.sign == "~":
            row.put(14, line.text, "muted", "i")
            rows.append(row)
            continue
        if line.sign in "+-":
            row.plane("ok" if line.sign == "+" else "bad", 1, width - 2)
            sign = view.console_app.glyphs.plus if line.sign == "+" else view.console_app.glyphs.minus
            row.put(12, sign, "ok" if line.sign == "+" else "bad", "b")
        row.right(6, str(line.old or ""), "muted")
        row.right(10, str(line.new or ""), "muted")
        shown = fit(line.text, width - 17)
        row.put(14, shown, "text")
        colours[line.sign].sync([shown])
        for start, end, role, attributes in colours[line.sign].pieces(0):
            row.tint(14 + start, 14 + end, role if role != "bright" else "muted", attributes.replace("b", ""))
        rows.append(row)
    return rows + [Row(width) for _ in range(height - len(rows))]


def history(view: AccessView, width: int, height: int) -> list[Row]:
    now = view.backend.now()
    heads = Row(width)
    heads.right(9, "Version", "muted")
    for x, head in ((12, "Set"), (28, "By"), (50, "Note")):
        heads.put(x, head, "muted")
    rows = [heads]
    top = max(0, view.at - height + 3)
    for at, version in enumerate(view.policy.history[top : top + height - 1], top):
        row = Row(width)
        if at == view.at:
            row.plane("cursor", 1, width - 1)
            row.put(1, view.console_app.glyphs.cursor, "accent")
        row.right(9, str(version.number), "bright" if at == 0 else "text", "b" if at == 0 else "")
        row.put(12, moment(version.created_at, now), "muted")
        row.put(28, fit(inert(version.created_by), 20), "text")
        note = "in force" if at == 0 else ""
        row.put(50, fit(inert(version.note or note), width - 53), "muted")
        rows.append(row)
    return rows + [Row(width) for _ in range(height - len(rows))]


def countdown(width: int, number: int, left: int, whole: int, glyphs: Glyphs, *, ssh: str) -> list[Row]:
    """The band that asks to confirm; it counts, whatever else is done.

    With `ssh`, the words that open one, only a new connection can confirm it: this one is older than the version.
    """
    plane = "bad" if left <= 10 else "warn"
    rows = [Row(width, plane) for _ in range(5)]
    for row in rows:
        row.put(0, glyphs.cursor, plane)
    rows[1].put(3, f"Version {number} is in force. Confirm it?", "bright", "b")
    end = rows[1].right(width - 2, f"roll back to {number - 1}", "text")
    end = rows[1].right(end - 1, "u", "accent", "b")
    if not ssh:
        end = rows[1].right(end - 5, f"confirm {number}", "text")
        rows[1].right(end - 1, "y", "accent", "b")
    else:
        rows[2].put(3, fit(f"from a new connection: {ssh} policy confirm", width - 5), "text")
    x = rows[3].put(3, f"Unconfirmed, version {number - 1} comes back in ", "text")
    x = rows[3].put(x, f"{left // 60}:{left % 60:02}", plane, "b") + 3
    whole = max(whole, left)
    end = rows[3].right(width - 2, f"of {whole} s", "text") - 3
    size = max(0, end - x)
    full = size * left // whole
    rows[3].put(x, glyphs.bar * full, plane)
    rows[3].put(x + full, glyphs.rest * (size - full), "line")
    return rows
