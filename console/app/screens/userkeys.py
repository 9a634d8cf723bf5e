"""A person's own keys: what lets them in at the gate."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app.actions import Action
from console.app.backend import UserFacts
from console.app.form import Field, Form
from console.app.inert import inert
from console.app.keytype import key_type
from console.app.modes import Asked
from console.app.row import Row, fit, fit_middle
from console.app.times import age, span
from console.app.view import View, empty
from model.records import UserKey


class UserKeysView(View):
    title = "Keys"

    def __init__(self) -> None:
        super().__init__()
        self.facts: UserFacts | None = None
        self.at = 0

    async def load(self) -> None:
        self.facts = await self.backend.user(self.backend.me().name)
        self.at = max(0, min(self.at, len(self._keys()) - 1))

    def _keys(self) -> Sequence[UserKey]:
        return self.facts.keys if self.facts else ()

    def key(self, event: events.Key) -> bool:
        step = {"down": 1, "j": 1, "up": -1, "k": -1}.get(event.key)
        if step is None:
            return False
        self.at = max(0, min(self.at + step, len(self._keys()) - 1))
        return True

    def actions(self) -> list[Action]:
        return [
            Action(key="n", label="add a key", about="a public key that lets you in here", run=self._add),
            Action(
                key="x",
                label="remove",
                about="the key under the cursor",
                run=self._remove,
                when=lambda: bool(self._keys()),
            ),
            Action(key="c", label="copy", about="its fingerprint", run=self._copy, when=lambda: bool(self._keys())),
        ]

    def _copy(self) -> None:
        self.console_app.copy(self._keys()[self.at].key.fingerprint)

    def _add(self) -> None:
        name = self.backend.me().name
        field = Field(label="Public key", hint="paste the line of a .pub file", needed=True)

        def submit(form: Form) -> None:
            words, key = ["users", "keys", "add", name, "-"], form.value("Public key") + "\n"
            self.console_app.perform(words, "added the key", stdin=key, form=form)

        self.console_app.mode = Form(
            self.console_app,
            "Add a key of yours",
            [field],
            command=lambda form: ["users", "keys", "add", name, "-"],
            submit=submit,
            verb="add",
        )

    def _remove(self) -> None:
        key = self._keys()[self.at]
        words = ["users", "keys", "remove", self.backend.me().name, key.key.fingerprint]
        last = len(self._keys()) == 1
        self.console_app.ask(
            Asked(
                title=f"Remove {inert(key.comment) or 'this key'}?",
                follows="it is your last one: only a password or a provider lets you in then"
                if last
                else key.key.fingerprint,
                command=" ".join(words),
                undo="can be undone: add it again",
                deed="Remove",
                run=lambda: self.console_app.perform(words, "removed the key"),
            )
        )

    def draw(self, width: int, height: int) -> list[Row]:
        keys, context = self._keys(), self.context
        rows = [Row(width)]
        if self.facts is not None and not keys:
            rows += empty(
                width, "bg", (("No keys yet", "text"), (f"{self.cap('n')} adds the line of a .pub file", "muted"))
            )
        else:
            heads = Row(width)
            for x, head in ((4, "Type"), (20, "Fingerprint"), (42, "Comment")):
                heads.put(x, head, "muted")
            heads.right(width - 2, "Added", "muted")
            rows.append(heads)
        for at, key in enumerate(keys):
            row = Row(width)
            if at == self.at:
                row.plane("cursor", 1, width - 1)
                row.put(1, context.glyphs.cursor, "accent")
            row.put(4, fit(key_type(key.key), 15), "text")
            row.put(20, fit_middle(key.key.fingerprint, 20), "muted")
            row.put(42, fit(inert(key.comment) or "–", width - 56), "text")
            left = f"ends in {span(key.expires_at - context.now)}" if key.expires_at else age(key.added_at, context.now)
            row.right(width - 2, left, "muted")
            rows.append(row)
        rows += [Row(width) for _ in range(height - 1 - len(rows))]
        return [*rows[: height - 1], self.draw_status(width)]
