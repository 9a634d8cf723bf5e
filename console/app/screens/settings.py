"""Settings: the network's, and below them the person's own; a member has those alone."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app.actions import Action
from console.app.backend import SettingRow
from console.app.form import Field, Form
from console.app.inert import inert
from console.app.lineedit import LineEdit
from console.app.row import Row, fit
from console.app.screens import meanwhile, ownsettings
from console.app.screens.ownsettings import Entry
from console.app.view import View

ABOUT_FROM, VALUE = 96, 20
"""Columns from which what a setting is for stands beside it, and cells of its value then; the status row says it."""


class SettingsView(View):
    title = "Settings"
    filterable = True

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[SettingRow, ...] = ()
        self.at = 0
        self._top = 0
        self._place = ""

    async def load(self) -> None:
        self.rows = () if self.backend.me().member else await self.backend.settings()

    def filter(self, text: str) -> None:
        self.at = 0

    def open(self, words: Sequence[str]) -> None:
        self.filter_text = words[0] if words else ""

    def back(self) -> bool:
        had, self.filter_text = bool(self.filter_text), ""
        return had

    def entries(self) -> tuple[list[Entry], list[Entry]]:
        own = ownsettings.entries(self.console_app)
        network = [Entry(row.key, row.value, row.about, row.changed) for row in self.rows]
        words = self.filter_text.lower().split()
        return tuple(  # type: ignore[return-value]
            [entry for entry in part if all(word in f"{entry.key} {entry.about}".lower() for word in words)]
            for part in (network, own)
        )

    def _all(self) -> list[Entry]:
        network, own = self.entries()
        return network + own

    def key(self, event: events.Key) -> bool:
        step = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": 10, "pageup": -10, "home": -999, "end": 999}.get(
            event.key
        )
        if step is None:
            return False
        self.at = max(0, min(self.at + step, len(self._all()) - 1))
        return True

    def actions(self) -> list[Action]:
        entries = self._all()
        under = entries[self.at] if self.at < len(entries) else None
        own = under is not None and under.own
        about = "the setting under the cursor"
        return [
            Action(key="enter", label="change", about=about, run=self._change, writes=not own),
            Action(
                key="delete",
                label="as made",
                about="take back what you chose here",
                run=self._take_back,
                when=lambda: own and under is not None and under.changed,
            ),
        ]

    def _take_back(self) -> None:
        self.console_app.set_preference(self._all()[self.at].key, "")

    def _change(self) -> None:
        entries = self._all()
        if self.at >= len(entries):
            return
        entry = entries[self.at]
        if entry.open is not None:
            entry.open()
            return
        if entry.choices:
            after = entry.choices[(entry.choices.index(entry.value) + 1) % len(entry.choices)]
            self.console_app.set_preference(entry.key, after)
            return

        def command(form: Form) -> list[str]:
            return ["settings", "set", entry.key, form.value(entry.key)]

        field = Field(label=entry.key, edit=LineEdit(entry.value))
        self.console_app.mode = Form(
            self.console_app,
            entry.about,
            [field],
            command=command,
            verb="set",
            meanwhile=meanwhile.set_to_another(entry.key),
            submit=lambda form: self.console_app.perform(
                command(form),
                f"{entry.key} is {form.value(entry.key)} now",
                undo=["settings", "set", entry.key, entry.value],
                form=form,
            ),
        )

    def draw(self, width: int, height: int) -> list[Row]:
        network, own = self.entries()
        member = self.backend.me().member
        rows = [] if member else [self._title(width, "The network", "for everyone"), Row(width)]
        places: dict[int, int] = {}
        for at, entry in enumerate(network + own):
            if at == len(network):
                rows += [] if member else [Row(width)]
                rows += [self._title(width, "Your console", "kept for you, on every terminal"), Row(width)]
            places[at] = len(rows)
            rows.append(self._entry(width, entry, at == self.at))
            rows[-1].links.append((0, width, self._pick(at)))
        room = max(1, height - (2 if height >= 14 else 1))
        line = places.get(self.at, 0)
        self._top = max(0, min(max(self._top, line - room + 2), line - 2, max(0, len(rows) - room)))
        shown = rows[self._top : self._top + room]
        seen = [at for at, y in places.items() if self._top <= y < self._top + room]
        self._place = f"{seen[0] + 1}–{seen[-1] + 1} of {len(places)}" if len(rows) > room and seen else ""
        return [*shown, *[Row(width) for _ in range(height - 1 - len(shown))], self.draw_status(width)]

    def _pick(self, at: int):  # type: ignore[no-untyped-def]
        def pick() -> None:
            again = at == self.at
            self.at = at
            if again:
                self._change()

        return pick

    def _title(self, width: int, text: str, aside: str) -> Row:
        row = Row(width)
        row.put(row.put(2, text, "bright", "b") + 2, aside, "muted")
        return row

    def _entry(self, width: int, entry: Entry, under: bool) -> Row:
        row = Row(width)
        if under:
            row.plane("cursor", 1, width - 1)
            row.put(1, self.console_app.glyphs.cursor, "accent")
        column = 34 if width >= 60 else width // 2
        row.put(4, fit(entry.key, column - 6), "bright" if under else "text")
        told = width >= ABOUT_FROM
        value, room = inert(entry.value) or "–", VALUE if told else width - column - 2
        row.put(column, fit(value, room), "text" if entry.changed or under else "muted", "b" if entry.changed else "")
        if told:
            row.put(36 + VALUE, fit(entry.about, width - 38 - VALUE), "text" if under else "muted")
        return row

    def status(self, row: Row) -> None:
        """What the entry under the cursor is for, whole: its row may have no room for it."""
        end = row.right(row.width - 2, self._place, "muted") - 3 * bool(self._place)
        if self.filter_text:
            end = row.right(end, f"/ {inert(self.filter_text)}", "accent")
        entries = self._all()
        if self.at < len(entries):
            row.put(2, fit(entries[self.at].about, max(0, end - 4)), "muted")
