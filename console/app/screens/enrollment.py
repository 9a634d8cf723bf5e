"""Enrollment keys: what lets a device join. The key itself is shown once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from console.app.actions import Action
from console.app.backend import Listing, Outcome
from console.app.columns import Cell, Column, Context
from console.app.form import Field, Form
from console.app.inert import inert
from console.app.lineedit import LineEdit
from console.app.listview import ListView
from console.app.qr import half_blocks
from console.app.screens import bulk
from console.app.times import age, day, span
from model.records import EnrollmentKey, EnrollmentKeyState

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


BY_RULE, IN_ADVANCE = "by the network's rule", "in advance, whoever joins"


def usable(key: EnrollmentKey, now: int) -> bool:
    return key.state(now) is EnrollmentKeyState.OPEN


def _ends(key: EnrollmentKey, context: Context) -> Cell:
    if key.revoked_at is not None:
        return Cell("revoked", "bad")
    if key.uses_left == 0:
        return Cell("used up", "muted")
    left = key.expires_at - context.now
    return Cell(span(left), "warn" if left < 3600 else "text") if left > 0 else Cell("expired", "muted")


def _traits(key: EnrollmentKey) -> str:
    words = (("pre-approved", key.pre_approved), ("ephemeral", key.ephemeral))
    return ", ".join(word for word, has in words if has) or "–"


COLUMNS = (
    Column(head="Key", sort="id", least=8, most=12, weight=1, cell=lambda r, c: Cell(inert(r.id))),
    Column(
        head="For",
        least=16,
        most=24,
        weight=2,
        cell=lambda r, c: Cell(inert(r.user or " ".join(r.tags) or "–"), "muted"),
    ),
    Column(
        head="Uses left",
        least=9,
        most=9,
        right=True,
        cell=lambda r, c: Cell(
            "any" if r.uses_left is None else f"{r.uses_left:,}", "text" if r.uses_left != 0 else "muted"
        ),
    ),
    Column(head="Ends in", sort="expires_at", least=9, most=9, right=True, cell=_ends),
    Column(head="Devices are", least=12, most=23, weight=1, drop=2, cell=lambda r, c: Cell(_traits(r), "muted")),
    Column(
        head="Made by",
        sort="created_by",
        least=12,
        most=18,
        weight=1,
        drop=1,
        cell=lambda r, c: Cell(inert(r.created_by), "muted", short=inert(r.created_by.partition("@")[0])),
    ),
    Column(
        head="Made",
        sort="created_at",
        least=8,
        most=8,
        right=True,
        drop=3,
        cell=lambda r, c: Cell(age(r.created_at, c.now), "muted"),
    ),
    Column(
        head="Last used",
        least=11,
        most=11,
        right=True,
        drop=4,
        cell=lambda r, c: Cell(day(r.used_at, c.now) if r.used_at else "never", "muted"),
    ),
)


class EnrollmentKeysView(ListView):
    title = "Keys"
    listing = Listing.KEYS
    noun = ("enrollment key", "enrollment keys")
    facts_from = None
    sort = "created_at"
    descending = True

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def state(self, row: Any, context: Context) -> tuple[str, str]:
        glyphs = context.glyphs
        if row.revoked_at is not None:
            return glyphs.bad, "bad"
        return (glyphs.on, "ok") if usable(row, context.now) else (glyphs.off, "muted")

    def called(self, row: Any) -> str:
        return inert(row.id)

    def leads(self, row: Any) -> Callable[[], None] | None:
        return self.console_app.way(*("Users", row.user) if row.user else ("Access", row.tags[0]))

    def nothing(self) -> Sequence[tuple[str, str]]:
        return (
            ("No enrollment keys yet", "text"),
            ("A device joins the network with one", "muted"),
            (f"{self.cap('n')} makes an enrollment key", "key"),
        )

    def deeds(self) -> list[Action]:
        return [
            Action(
                key="n",
                label="new",
                about="an enrollment key, shown once",
                run=lambda: new_key(self.console_app),
                writes=True,
            ),
            Action(
                key="r",
                label="revoke",
                about="no device joins with it any more",
                run=self._revoke,
                writes=True,
                when=lambda: bool(self._live()),
            ),
        ]

    def _live(self) -> list[str]:
        """Those meant that are not revoked yet."""
        rows = (row for row in self.table.chosen() if isinstance(row, EnrollmentKey))
        return [row.id for row in rows if row.revoked_at is None]

    def _revoke(self) -> None:
        names = self._live()
        bulk.ask(
            self,
            ["enrollment-keys", "revoke", *names],
            f"revoked {bulk.shown(names)}",
            title=f"Revoke {bulk.called(names, 'enrollment key')}?",
            follows=f"{bulk.shown(names)}   no device joins with it any more; those that did stay",
            can="cannot be undone; make another",
            deed="Revoke",
            names=names,
        )


def new_key(app: ConsoleApp) -> None:
    """Asks what the key is to be, makes it, and shows it once."""
    me = app.backend.me()
    fields = [
        Field(label="For", edit=LineEdit(str(me.user or "")), hint="a person, or tags: tag:web tag:db"),
        Field(label="Uses", edit=LineEdit("1"), hint="how many devices; 0 for any number"),
        Field(label="Expires in", edit=LineEdit("24h")),
        Field(
            label="Approval",
            edit=LineEdit(BY_RULE),
            choices=(BY_RULE, IN_ADVANCE),
            hint="the rule is the setting devices.approval",
        ),
        Field(
            label="Ephemeral",
            edit=LineEdit("no"),
            choices=("no", "yes"),
            hint="whether devices that stay away are removed",
        ),
    ]

    def command(form: Form) -> list[str]:
        words = ["enrollment-keys", "create"]
        owners = form.value("For").split()
        for owner in owners:
            words += ["--tag" if owner.startswith("tag:") else "--user", owner]
        words += ["--uses", form.value("Uses"), "--expires", form.value("Expires in")]
        words += ["--pre-approved"] if form.value("Approval") == IN_ADVANCE else []
        return words + (["--ephemeral"] if form.value("Ephemeral") == "yes" else [])

    def submit(form: Form) -> None:
        app.perform([*command(form), "--json"], "", then=lambda outcome: show_once(app, outcome), form=form)

    app.mode = Form(app, "Make an enrollment key", fields, command=command, submit=submit, verb="make it")


def show_once(app: ConsoleApp, outcome: Outcome) -> None:
    """The key in large, with its QR; it is nowhere after Esc."""
    from console.app.screens.output import Output

    made: dict[str, Any] = {}
    with contextlib.suppress(msgspec.DecodeError):
        made = msgspec.json.decode(outcome.output.encode(), type=dict[str, Any])
    key = str(made.get("key", outcome.output.strip()))
    command = str(made.get("command", f"wardgate up {app.backend.me().gate} --key-file FILE"))
    text = "\n".join(
        [
            "The key, shown this once:",
            "",
            key,
            "",
            "On the device:",
            "",
            command,
        ]
    )
    title = "new enrollment key"
    note = f"shown once: {app.cap('c', title)} copies it, Esc forgets it"
    app.overlay(Output(title, text, secret=key, note=note, code=half_blocks(key, dark=app.theme_in_use.dark)))
