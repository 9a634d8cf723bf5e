"""Access: the policy in an editor that checks while one types, beside it who reaches what; diff before it is set."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual import events

from console.app import linediff
from console.app.actions import Action
from console.app.backend import PolicyCheck, PolicyDiff, PolicyState, Reach
from console.app.editor import Editor
from console.app.modes import Asked, Field, Form
from console.app.row import Row, fit
from console.app.screens import accessdraw
from console.app.times import plural
from console.app.view import View
from model.change import Committed
from model.errors import WardgateError
from model.records import PolicyVersion

WIDE = 110
AFTER = 0.3
"""Seconds without a key before the draft is checked."""
CONFIRM = 60
TABS = ("Policy", "Diff", "History")


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
        self._checked = -1
        self._timer: asyncio.TimerHandle | None = None

    # Data

    async def load(self) -> None:
        self.policy = await self.backend.policy()
        current = self.policy.current
        if current is not None and current.number != self.based_on and not self.editor.changed:
            self.take(current)
        self._compare()
        try:
            self.reach = await self.backend.reach(None)
        except WardgateError:
            self.reach = Reach()

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

    @property
    def overtaken(self) -> PolicyVersion | None:
        """A newer version than the draft is based on."""
        current = self.policy.current
        return current if current is not None and self.editor.changed and current.number != self.based_on else None

    def _compare(self) -> None:
        current = self.policy.current
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
        elif self.tab:
            self.tab = 0
        else:
            return False
        return True

    def key(self, event: events.Key) -> bool:
        if self.editing:
            return self._edit(event)
        if event.key in {"left", "right", "left_square_bracket", "right_square_bracket"}:
            step = -1 if event.key.startswith("left") else 1
            self.tab, self.top = (self.tab + step) % len(TABS), 0
            self._compare()
            return True
        page = max(1, self.size.height - 8)
        step = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": page, "pageup": -page}.get(event.key, 0)
        if not step:
            return False
        if self.tab == 0:
            self.editor.top = max(0, min(self.editor.top + step, len(self.editor.buffer.lines) - 1))
            self.editor.buffer.to(self.editor.top, 0)
        elif self.tab == 1:
            self.top = max(0, min(self.top + step, len(self.compared) - 1))
        else:
            self.at = max(0, min(self.at + step, len(self.policy.history) - 1))
        return True

    def _edit(self, event: events.Key) -> bool:
        if event.key == "escape":
            self.editing = False
        elif event.key == "ctrl+s":
            self.apply()
        elif event.key == "ctrl+d":
            self.show_diff()
        elif event.key == "f1":
            return False
        else:
            before = self.editor.buffer.version
            self.editor.key(event)
            if self.editor.buffer.version != before:
                self._typed()
        return True

    def paste(self, text: str) -> None:
        if self.editing:
            self.editor.paste(text)
            self._typed()

    def actions(self) -> list[Action]:
        if self.editing:
            return [
                Action(
                    key="ctrl+s",
                    label="apply",
                    about="check, show what changes, then set it",
                    run=self.apply,
                    writes=True,
                ),
                Action(key="ctrl+d", label="diff", about="what the draft changes", run=self.show_diff),
                Action(
                    key="f8", label="next error", about="to the place of the next error", run=self.editor.next_fault
                ),
                Action(key="ctrl+space", label="complete", about="the word before the caret", run=lambda: None),
                Action(key="ctrl+z", label="undo", about="and ctrl+y redoes", run=self.editor.buffer.undo),
            ]
        unconfirmed = self.console_app.unconfirmed is not None
        history = self.tab == 2
        return [
            Action(
                key="y",
                label="confirm",
                about="keep the version that waits",
                run=self.confirm,
                writes=True,
                when=lambda: unconfirmed,
            ),
            Action(
                key="u",
                label="roll back",
                about="to the version before",
                run=self.roll_back,
                writes=True,
                when=lambda: unconfirmed,
            ),
            Action(
                key="i",
                label="edit",
                about="the policy, as a draft of your own",
                run=self.edit,
                when=lambda: not history,
            ),
            Action(key="enter", label="edit", about="the policy", run=self.edit, shown=False, when=lambda: not history),
            Action(
                key="b",
                label="bring back",
                about="the version under the cursor",
                run=self.bring_back,
                writes=True,
                when=lambda: history,
            ),
            Action(
                key="ctrl+s",
                label="apply",
                about="set the draft",
                run=self.apply,
                writes=True,
                when=lambda: self.editor.changed,
            ),
            Action(key="right", cap="← →", label="policy, diff, history", about="the other parts", run=lambda: None),
            Action(key="m", label="next source", about="who reaches what, row by row", run=self.next_source),
            Action(key="e", label="explain", about="why one reaches another, or does not", run=self.explain),
            Action(
                key="X",
                label="drop draft",
                about="and go back to what is in force",
                run=self.drop,
                when=lambda: self.editor.changed,
            ),
        ]

    @property
    def typing(self) -> bool:
        return self.editing

    @property
    def right_hints(self) -> Sequence[tuple[str, str]]:
        return (("Esc", "leave the editor"), ("F1", "help")) if self.editing else ()

    def edit(self) -> None:
        self.tab, self.editing = 0, True

    def next_source(self) -> None:
        self.reach_at = (self.reach_at + 1) % max(1, len(self.reach.rows))

    def show_diff(self) -> None:
        self.editing, self.tab, self.top = False, 1, 0
        self._compare()
        if self._checked != self.editor.buffer.version:
            self._check_soon()

    def explain(self) -> None:
        fields = [Field(label="From", hint="a device, a person, a tag"), Field(label="To", hint="db-1:5432")]

        def command(form: Form) -> list[str]:
            return ["policy", "explain", form.value("From"), form.value("To")]

        def submit(form: Form) -> None:
            words = command(form)
            app = self.console_app
            app.perform(words, "", then=lambda outcome: app.show_output(" ".join(words), outcome.output))

        self.console_app.mode = Form(
            self.console_app, "Explain why one reaches another", fields, command=command, submit=submit, verb="explain"
        )

    # Deeds

    def apply(self) -> None:
        if not self.editor.changed:
            self.console_app.say_refused("the draft is what is in force already")
            return
        self.console_app.start(self._apply())

    async def _apply(self) -> None:
        await self.check()
        if self.verdict.faults:
            fault = self.verdict.faults[0]
            where = f"line {fault.line}: " if fault.line else ""
            self.console_app.say_refused(f"{where}{fault.message}", fault.hint or "")
            return
        if self.overtaken is not None:
            self._tell_overtaken(self.overtaken)
            return
        self.show_diff()
        came, went = linediff.counts(self.compared)
        lost = len({who for who, _ in self.difference.losing})
        lose = f"{plural(lost, 'person loses', 'people lose')} something" if lost else "nobody loses anything"
        words = ["policy", "set", "-", "--if-version", str(self.based_on)]
        trial = [*words, "--confirm-within", f"{CONFIRM}s"]
        self.console_app.ask(
            Asked(
                title=f"Set this policy over version {self.based_on}?",
                follows=f"{plural(came, 'line')} more, {plural(went, 'line')} less; {lose}",
                command=" ".join(trial),
                undo=f"goes back by itself unless confirmed in {CONFIRM} s; J sets it just so",
                deed="Set",
                plane="warn",
                run=lambda: self._set(trial),
                second="Just set",
                run_second=lambda: self._set(words),
            )
        )

    def _set(self, words: Sequence[str]) -> None:
        text = self.editor.buffer.text

        def settled(_: object) -> None:
            self.editor.base = text
            self.based_on += 1

        self.console_app.perform(
            words,
            "the policy is in force",
            stdin=text,
            then=settled,
            undo=["policy", "rollback"],
            undo_label="rolls back",
        )

    def _tell_overtaken(self, newer: PolicyVersion) -> None:
        self.console_app.ask(
            Asked(
                title=f"Version {newer.number} by {newer.created_by} came first",
                follows=f"your draft is based on version {self.based_on}; setting it would undo theirs",
                command="policy show",
                undo="taking theirs drops your draft; Cancel keeps it, to merge by hand",
                deed="Take theirs",
                plane="warn",
                run=lambda: self.take(newer),
            )
        )

    def drop(self) -> None:
        current = self.policy.current
        if current is None:
            return
        self.console_app.ask(
            Asked(
                title="Drop the draft?",
                follows=f"what you typed is lost; version {current.number} stays in force",
                command="policy show",
                undo="cannot be undone",
                deed="Drop",
                plane="warn",
                run=lambda: self.take(current),
            )
        )

    def confirm(self) -> None:
        self.console_app.perform(["policy", "confirm"], "confirmed: the version stays")

    def roll_back(self) -> None:
        self.console_app.perform(["policy", "rollback"], "rolled back")

    def bring_back(self) -> None:
        history = self.policy.history
        if not 0 < self.at < len(history):
            self.console_app.say_refused("this is the version in force")
            return
        number = history[self.at].number
        words = ["policy", "rollback", str(number)]
        self.console_app.ask(
            Asked(
                title=f"Bring version {number} back?",
                follows="its text is set anew, as a version of its own",
                command=" ".join(words),
                undo="can be undone in the same way",
                deed="Bring back",
                plane="warn",
                run=lambda: self.console_app.perform(words, f"version {number} is in force again"),
            )
        )

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        beside = width >= WIDE
        pane_width = round(width * 0.38) - 1 if beside else 0
        rows = self._left(width - pane_width, height)
        if beside:
            pane = accessdraw.pane(self, pane_width, height)
            for y, row in enumerate(rows):
                whole = Row(width)
                whole.lay(0, row)
                whole.lay(width - pane_width, pane[y])
                rows[y] = whole
        left = self.console_app.unconfirmed
        if left is not None and self.console_app.mode is None and height > 12:
            proved = self.backend.me().connection == 0
            band = accessdraw.countdown(width, *left, CONFIRM, self.console_app.glyphs, proved=proved)
            rows[height - 1 - len(band) : height - 1] = band
        return rows

    def _left(self, width: int, height: int) -> list[Row]:
        tabs = Row(width)
        x = 2
        came, went = linediff.counts(self.compared) if self.editor.changed else (0, 0)
        for at, name in enumerate(TABS):
            current = at == self.tab
            x = tabs.put(x, name, "bright" if current else "muted", "bu" if current else "", self._to(at))
            if name == "Diff" and (came or went):
                x = tabs.put(x + 1, f"+{came}", "ok")
                x = tabs.put(x + 1, f"{self.console_app.glyphs.minus}{went}", "bad")
            if name == "History" and self.policy.current:
                x = tabs.put(x + 1, str(self.policy.current.number), "muted")
            x += 3
        body = height - 4
        if self.tab == 0:
            rows = self.editor.draw(width, body, self.console_app.glyphs, active=self.editing)
        elif self.tab == 1:
            rows = accessdraw.diff(self, width, body)
        else:
            rows = accessdraw.history(self, width, body)
        return [tabs, Row(width), *rows, Row(width), self.draw_status(width)]

    def _to(self, at: int):  # type: ignore[no-untyped-def]
        def go() -> None:
            self.tab = at
            self._compare()

        return go

    def status(self, row: Row) -> None:
        glyphs = self.console_app.glyphs
        end = row.width - 2
        if self.editing:
            buffer = self.editor.buffer
            end = row.right(end, f"{buffer.line + 1}:{buffer.column + 1}", "muted") - 2
        if self.verdict.faults:
            fault = self.verdict.faults[0]
            x = row.put(2, f"{glyphs.bad} {plural(len(self.verdict.faults), 'error')}", "bad", "b") + 3
            where = f"line {fault.line}: " if fault.line else ""
            row.put(x, fit(f"{where}the draft cannot be applied", end - x), "text")
        elif self.overtaken is not None:
            newer = self.overtaken
            text = f"version {newer.number} by {newer.created_by} is in force, yours is on {self.based_on}"
            text = f"{glyphs.caution} {text}"
            row.put(2, fit(text, end - 2), "warn")
        elif self.editor.changed and self._checked == self.editor.buffer.version:
            x = row.put(2, glyphs.done, "ok") + 1
            tests = f", {plural(self.verdict.tests, 'test passes', 'tests pass')}" if self.verdict.tests else ""
            row.put(x, fit(f"the draft is good{tests}", end - x), "text")
        elif not self.editing and self.policy.current:
            current = self.policy.current
            row.put(2, fit(f"set by {current.created_by}", end - 2), "muted")
