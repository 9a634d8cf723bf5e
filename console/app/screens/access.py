"""Access: the policy in an editor that checks while one types, beside it who reaches what; diff before it is set."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual import events

from console.app import linediff
from console.app.actions import Action
from console.app.backend import PolicyCheck, PolicyDiff, PolicyState, Reach
from console.app.drafts import Draft
from console.app.editor import Editor
from console.app.row import Row
from console.app.screens import accessdeeds, accesslayout
from console.app.screens.accesslayout import DIFF, POLICY, TABS, TESTS
from console.app.textbuffer import TextBuffer
from console.app.times import moment
from console.app.view import View
from model.change import Committed
from model.errors import WardgateError
from model.records import PolicyVersion

AFTER = 0.3
"""Seconds without a key before the draft is checked."""


class AccessView(View):
    title = "Access"

    def __init__(self) -> None:
        super().__init__()
        self.policy = PolicyState()
        self.editor = Editor()
        self.based_on = 0
        self.editing = False
        self.tab = 0
        self.at = 0
        self.top = 0
        self.verdict = PolicyCheck()
        self.reach = Reach()
        self.reach_at = 0
        self.difference = PolicyDiff()
        self.compared: list[linediff.Line] = []
        self.against: PolicyVersion | None = None
        """What the diff compares with what the draft is based on, in place of the draft."""
        self.wide = False
        self._checked = -1
        self._timer: asyncio.TimerHandle | None = None
        self._draft = Draft()
        self._wanted = ""

    # Data

    async def load(self) -> None:
        self.policy = await self.backend.policy()
        current = self.policy.current
        if not self._draft.fetched:
            await self._bring_draft(current)
        if current is not None and current.number != self.based_on and not self.editor.changed:
            self.take(current)
        if self._wanted:
            self._show_wanted()
        self._compare()
        if self.tab == TESTS and self._checked != self.editor.buffer.version:
            self._check_soon()
        try:
            self.reach = await self.backend.reach(None)
        except WardgateError:
            self.reach = Reach()

    async def _bring_draft(self, current: PolicyVersion | None) -> None:
        """What the person was writing when they left, here or on another connection."""
        kept = await self._draft.fetch(self.backend)
        if kept is None or current is None or kept.text == current.text:
            return
        base = next((one.text for one in self.policy.history if one.number == kept.based_on), current.text)
        self.editor = Editor(base)
        self.editor.buffer = TextBuffer(kept.text)
        self.based_on = kept.based_on
        now = self.backend.now()
        self.console_app.say(f"your draft of {moment(kept.kept_at, now)} is back, based on version {kept.based_on}")
        self._check_soon()

    def keep(self) -> None:
        """Keeps the draft, or that there is none any more."""
        if self._draft.fetched:
            text = self.editor.buffer.text if self.editor.changed else None
            self.console_app.start(self._draft.keep(self.backend, text, self.based_on))

    def on_unmount(self) -> None:
        """The session ends, maybe with its connection: what was typed last is kept all the same."""
        if self._timer:
            self._timer.cancel()
        if self._draft.fetched and self.editor.changed:
            self._draft.keep_at_last(self.backend, self.editor.buffer.text, self.based_on)

    def changed(self, changes: Sequence[Committed]) -> None:
        if any(type(entry.change).__name__.startswith(("Policy", "Device", "User")) for entry in changes):
            self.reload()

    def take(self, version: PolicyVersion) -> None:
        """Edits `version` from here on."""
        line, top = self.editor.buffer.line, self.editor.top
        self.editor = Editor(version.text)
        self.editor.buffer.to(line, 0)
        self.editor.top = top
        self.based_on = version.number
        self.verdict = PolicyCheck()
        self.difference = PolicyDiff()
        self.against = None
        self._checked = -1
        self.keep()

    @property
    def overtaken(self) -> PolicyVersion | None:
        """A newer version than the draft is based on."""
        current = self.policy.current
        return current if current is not None and self.editor.changed and current.number != self.based_on else None

    def _compare(self) -> None:
        current = self.policy.current
        if self.against is not None:
            self.compared = linediff.compare(self.editor.base.split("\n"), self.against.text.split("\n"))
            return
        old = current.text if current else ""
        self.compared = linediff.compare(old.split("\n"), self.editor.buffer.lines)
        if not self.compared and len(self.policy.history) > 1:
            before = self.policy.history[1].text
            self.compared = linediff.compare(before.split("\n"), old.split("\n"))

    def _typed(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(AFTER, self._check_soon)

    def _check_soon(self) -> None:
        self.console_app.start(self.check())
        self.keep()

    async def check(self) -> None:
        version = self.editor.buffer.version
        text = self.editor.buffer.text
        verdict = await self.backend.check_policy(text)
        if version != self.editor.buffer.version:
            return
        self.verdict, self._checked = verdict, version
        self.editor.faults = verdict.faults
        self._compare()
        if not verdict.faults:
            self.difference = await self.backend.diff_policy(text)
            self.reach = await self.backend.reach(text if self.editor.changed else None)

    # Keys

    def crumbs(self) -> Sequence[str]:
        if self.editor.changed:
            return (self.title, f"draft on version {self.based_on}")
        return (self.title, f"version {self.based_on}") if self.based_on else (self.title,)

    def back(self) -> bool:
        if self.editing:
            self.editing = False
            self.keep()
        elif self.tab:
            self.go_to(POLICY)
        else:
            return False
        return True

    def key(self, event: events.Key) -> bool:
        if self.editing:
            return self._edit(event)
        if event.key in {"left", "right", "left_square_bracket", "right_square_bracket"}:
            step = -1 if event.key.startswith("left") else 1
            self.go_to((self.tab + step) % len(TABS))
            return True
        page = max(1, self.size.height - 8)
        step = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": page, "pageup": -page}.get(event.key, 0)
        if not step:
            return False
        if self.tab == POLICY:
            self.editor.scroll(step)
        elif self.tab == DIFF:
            self.top = max(0, min(self.top + step, len(self.compared) - 1))
        else:
            number = len(self.verdict.cases if self.tab == TESTS else self.policy.history)
            self.at = max(0, min(self.at + step, number - 1))
        return True

    def _edit(self, event: events.Key) -> bool:
        if event.key == "escape":
            self.back()
        elif event.key == "ctrl+s":
            accessdeeds.apply(self)
        elif event.key == "ctrl+d":
            self.show_diff()
        elif event.key == "f1":
            return False
        else:
            before, self.against = self.editor.buffer.version, None
            self.editor.key(event)
            if self.editor.buffer.version != before:
                self._typed()
        return True

    def paste(self, text: str) -> None:
        if self.editing:
            self.editor.paste(text)
            self._typed()

    def actions(self) -> list[Action]:
        return accessdeeds.editing(self) if self.editing else accessdeeds.reading(self)

    @property
    def typing(self) -> bool:
        return self.editing

    @property
    def right_hints(self) -> Sequence[tuple[str, str]]:
        return (("Esc", "leave the editor"), ("F1", "help")) if self.editing else ()

    def edit(self) -> None:
        self.tab, self.editing = POLICY, True

    def go_to(self, tab: int) -> None:
        self.tab, self.top, self.at = tab, 0, 0
        self._compare()
        if tab == TESTS and self._checked != self.editor.buffer.version:
            self._check_soon()

    def open(self, words: Sequence[str]) -> None:
        """A part of it by its name, a line (`line:12`), or where a tag or group stands first."""
        names = [name.lower() for name in TABS]
        if words and words[0].lower() in names:
            self.tab = names.index(words[0].lower())
        elif words:
            self._wanted = words[0]

    def _show_wanted(self) -> None:
        wanted, self._wanted = self._wanted, ""
        lines, number = self.editor.buffer.lines, wanted.removeprefix("line:")
        if wanted.startswith("line:") and number.isdigit():
            found: int | None = min(int(number), len(lines)) - 1
        else:
            found = next((at for at, line in enumerate(lines) if f'"{wanted}' in line), None)
        if found is not None:
            self.tab = POLICY
            self.editor.show(found)

    def widen(self) -> None:
        self.wide = not self.wide

    def next_source(self) -> None:
        self.reach_at = (self.reach_at + 1) % max(1, len(self.reach.rows))

    def show_diff(self) -> None:
        self.editing = False
        self.keep()
        self.go_to(DIFF)
        if self._checked != self.editor.buffer.version:
            self._check_soon()

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        return accesslayout.draw(self, width, height)

    def status(self, row: Row) -> None:
        accesslayout.status(self, row)
