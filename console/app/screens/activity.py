"""Activity: the audit trail, newest first; before and after side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from console.app.actions import Action
from console.app.backend import Listing
from console.app.columns import Cell, Column, Context
from console.app.glyphs import Glyphs
from console.app.inert import inert
from console.app.listview import ListView
from console.app.pane import LABEL, Pane, fact, gap, listed
from console.app.row import fit
from console.app.screens import deeds
from console.app.times import DAY, clock, day
from console.commandline.shapes import TIMES
from model.change import Committed
from model.records import AuditEntry

_MADE = frozenset({"add", "create", "enroll", "init", "invite", "rotate", "sample-data", "sign"})
_GONE = frozenset({"disable", "expire", "locked", "remove", "retire", "revoke"})
_SEEN = frozenset({"backup", "key", "login"})
"""By the last word of an action: what there is since then, what there is no more, what changed nothing."""


def sign(entry: AuditEntry, glyphs: Glyphs) -> tuple[str, str]:
    """What kind of deed it was, by its shape: a list of many is read down its first column."""
    if entry.subject == "refused":
        return glyphs.bad, "bad"
    word = entry.action.rpartition(" ")[2]
    known = ((_MADE, glyphs.plus), (_GONE, glyphs.minus), (_SEEN, glyphs.none))
    return next((shape for words, shape in known if word in words), glyphs.changed), "muted"


def _short(actor: str) -> str:
    return inert(actor.partition("@")[0])


COLUMNS = (
    Column(
        head="Number",
        sort="number",
        least=6,
        most=8,
        right=True,
        drop=2,
        cell=lambda r, c: Cell(str(r.number), "muted"),
    ),
    Column(
        head="Date",
        least=6,
        most=11,
        right=True,
        drop=1,
        since=90,
        cell=lambda r, c: Cell("today" if r.at // DAY == c.now // DAY else day(r.at, c.now), "muted"),
    ),
    Column(head="Time", sort="at", least=8, most=8, cell=lambda r, c: Cell(clock(r.at), "muted")),
    Column(head="Actor", sort="actor", least=9, most=14, weight=1, cell=lambda r, c: Cell(_short(r.actor))),
    Column(head="Action", sort="action", least=14, most=24, weight=1, cell=lambda r, c: Cell(inert(r.action))),
    Column(head="Subject", least=12, most=24, weight=2, cell=lambda r, c: Cell(inert(r.subject))),
    Column(head="Source", least=14, most=22, drop=3, since=100, cell=lambda r, c: Cell(inert(r.source), "muted")),
    Column(head="Hash", least=12, most=16, drop=4, since=150, cell=lambda r, c: Cell(r.hash, "muted", middle=True)),
)


SCREENS = {
    "devices": "Devices", "users": "Users", "certs": "Certificates", "names": "Names", "enrollment-keys": "Keys",
    "settings": "Settings",
}  # fmt: skip
"""Where the subject of an action stands, by its noun."""


SAID_ONCE = frozenset({"Date", "Time", "Actor", "Action", "Source"})
"""Columns in which all that one command did is the same."""


class ActivityView(ListView):
    title = "Activity"
    listing = Listing.ACTIVITY
    noun = ("entry", "entries")
    filters = ("actor", "action", "subject")
    sort = "number"
    descending = True

    def __init__(self) -> None:
        self._several: Mapping[int, int] = {}
        super().__init__()

    def columns(self) -> Sequence[Column]:
        """What one command did to several stands there once: who, when and what in the first row, then its subjects."""
        return tuple(
            msgspec.structs.replace(column, cell=self._once(column)) if column.head in SAID_ONCE else column
            for column in COLUMNS
        )

    def _once(self, column: Column) -> Callable[[Any, Context], Cell]:
        def cell(row: AuditEntry, context: Context) -> Cell:
            several = self._several.get(row.number)
            if several == 0:
                return Cell("")
            plain = column.cell(row, context)
            counts = several and column.head == "Action"
            return msgspec.structs.replace(plain, text=f"{plain.text} ({several})") if counts else plain

        return cell

    def before_drawing(self) -> None:
        self._several = deeds.in_sight(self.pages.row, self.table.top, self.table.height)
        super().before_drawing()

    def state(self, row: Any, context: Context) -> tuple[str, str]:
        return sign(row, context.glyphs)

    def called(self, row: Any) -> str:
        return str(row.number)

    def actions(self) -> list[Action]:
        return [
            Action(
                key="p",
                label="follow" if self.console_app.paused else "hold",
                about="hold still, or follow again",
                run=self.console_app.pause,
            ),
            Action(key="V", label="verify", about="that no entry was changed or taken out", run=self._verify),
            *super().actions(),
        ]

    def changed(self, changes: Sequence[Committed]) -> None:
        if self.table.cursor == 0:
            self.table.kept = None
        super().changed(changes)

    def _together(self, entry: AuditEntry, pane: Pane, context: Context) -> None:
        index = self.pages.index_of(str(entry.number))
        found = deeds.around(self.pages.row, index) if index is not None else []
        if len(found) > 1:
            tab = pane.tab("One command", len(found))
            for one in found:
                tab.lines.append(listed([(one.subject, "text")], str(one.number), link=self._way_to(one)))

    def _way_to(self, entry: AuditEntry) -> Callable[[], None] | None:
        """To what was done something to; it may be gone since."""
        title = SCREENS.get(entry.action.partition(" ")[0])
        return self.console_app.way(title, entry.subject) if title and " " not in entry.subject else None

    async def _find(self, name: str) -> None:
        """Entries are numbered without gaps: it is known where one stands."""
        newest = self.pages.row(0)
        if not name.isdigit() or not isinstance(newest, AuditEntry):
            await super()._find(name)
            return
        self._wanted = None
        query = self.pages.query
        if self.filter_text or (query.sort, query.descending) != (self.sort, self.descending):
            self.filter_text = ""
            self.table.filter("")
            self.table.order(self.sort, self.descending)
            newest = (await self._fetch(self.pages.query)).rows[0]
            assert isinstance(newest, AuditEntry)
        self.table.go(newest.number - int(name))

    def _verify(self) -> None:
        self.console_app.perform(
            ["audit", "verify"], "", then=lambda outcome: self.console_app.show_output("audit verify", outcome.output)
        )

    async def facts(self, row: Any, pane: Pane, context: Context) -> None:
        entry: AuditEntry = row
        pane.head(sign(entry, context.glyphs), entry.action, str(entry.number))
        lines = pane.tab("Facts").lines
        lines += [
            fact("Subject", entry.subject, link=self._way_to(entry)),
            fact("Actor", entry.actor, link=self.console_app.way("Users", entry.actor) if "@" in entry.actor else None),
            fact("At", _when(entry.at, context)),
            fact("Source", entry.source),
            fact("Hash", (entry.hash, "muted"), middle=True),
        ]
        self._together(entry, pane, context)
        before, after = entry.before or {}, entry.after or {}
        if before or after:
            lines.append(gap())
        for key in dict.fromkeys([*before, *after]):
            _difference(lines, key, before, after, context)


def _when(at: int, context: Context) -> str:
    return f"{day(at, context.now)} {clock(at)}Z"


def _difference(
    lines: list[Any], key: str, before: Mapping[str, object], after: Mapping[str, object], context: Context
) -> None:
    was, now = _value(key, before.get(key), context), _value(key, after.get(key), context)
    label = fit(key.removesuffix("_at").replace("_", " "), LABEL - 1)
    if not was and not now:
        return
    if was == now:
        lines.append(fact(label, (now, "muted")))
        return
    if key in before and was:
        lines.append(fact(label, (context.glyphs.minus, "bad"), was))
        label = ""
    if now:
        lines.append(fact(label, (context.glyphs.plus, "ok"), now))


def _value(key: str, value: object, context: Context) -> str:
    if value is None:
        return ""
    if key in TIMES and isinstance(value, int):
        return _when(value, context)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value) or "–"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
