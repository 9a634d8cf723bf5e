"""Names: what resolves in the network, and who made it so."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from console.app.actions import Action
from console.app.backend import Listing, Query
from console.app.columns import Cell, Column, Context
from console.app.form import Field, Form
from console.app.inert import inert
from console.app.lineedit import LineEdit
from console.app.listdrawing import WIDE
from console.app.listview import ListView
from console.app.modes import Asked
from console.app.pane import Line, Pane, fact, gap
from console.app.screens import bulk
from console.app.screens.devices import seen
from console.app.screens.devices import state_of as device_state
from console.app.times import day, moment
from model.records import Device, Name, NameType

SEARCHED = 20
"""Of what the words find, as many as are looked at for the one that is meant."""

COLUMNS = (
    Column(head="Name", sort="name", least=20, most=30, weight=3, cell=lambda r, c: Cell(inert(r.name))),
    Column(head="Type", sort="type", least=5, most=5, cell=lambda r, c: Cell(r.type.value, "muted")),
    Column(head="Value", sort="value", least=16, most=28, weight=3, cell=lambda r, c: Cell(inert(r.value))),
    Column(head="TTL", least=7, most=7, right=True, drop=2, cell=lambda r, c: Cell(f"{r.ttl:,} s", "muted")),
    Column(
        head="Made by",
        sort="created_by",
        least=12,
        most=20,
        weight=1,
        drop=3,
        cell=lambda r, c: Cell(inert(r.created_by), "muted"),
    ),
    Column(
        head="Changed",
        sort="created_at",
        least=11,
        most=11,
        right=True,
        drop=4,
        cell=lambda r, c: Cell(day(r.created_at, c.now) if r.created_at else c.glyphs.absent, "muted"),
    ),
)


class NamesView(ListView):
    title = "Names"
    listing = Listing.NAMES
    noun = ("name", "names")
    facts_from = WIDE

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def state(self, row: Any, context: Context) -> tuple[str, str]:
        return (context.glyphs.on, "ok") if _set_by_hand(row) else (context.glyphs.none, "muted")

    def called(self, row: Any) -> str:
        return inert(row.name)

    async def facts(self, row: Any, pane: Pane, context: Context) -> None:
        label = row.name.partition(".")[0]
        others = await self.backend.rows(Listing.NAMES, Query(filter=label, sort="type", limit=SEARCHED))
        pane.head(self.state(row, context), row.name, "set by hand" if _set_by_hand(row) else "")
        pane.tab("Facts").lines += [
            fact("Answer", f"{row.type.value} {row.value}"),
            *(
                fact("", f"{other.type.value} {other.value}")
                for other in others.rows
                if isinstance(other, Name) and other.name == row.name and other.value != row.value
            ),
            fact("TTL", f"{row.ttl:,} s"),
            gap(),
            fact("Made by", row.created_by, link=self.leads(row)),
            fact("Changed", moment(row.created_at, context.now) if row.created_at else "–"),
            *await self._device(row, context),
        ]

    async def _device(self, name: Name, context: Context) -> Sequence[Line]:
        """Which device it leads to: the one that has it, or whose address it was set to."""
        named = name.name if name.created_by == "device" else name.value if name.type is NameType.CNAME else ""
        sought = named.removesuffix(f".{self.backend.me().domain}") or name.value
        found = await self.backend.rows(Listing.DEVICES, Query(filter=sought, limit=SEARCHED))
        for device in found.rows:
            if isinstance(device, Device) and sought in {device.name, device.ipv4, device.ipv6}:
                online = "online" if context.online(device.id) else seen(device, context).text
                return [
                    gap(),
                    fact(
                        "Device",
                        device_state(device, context),
                        device.name,
                        (online, "muted"),
                        link=self.console_app.way("Devices", device.name),
                    ),
                    fact("Owner" if device.user else "Tags", device.user or " ".join(device.tags)),
                    fact("IPv4", device.ipv4),
                    fact("IPv6", device.ipv6),
                ]
        return []

    def leads(self, row: Any) -> Callable[[], None] | None:
        if row.created_by == "device":
            return self.console_app.way("Devices", inert(row.name).partition(".")[0])
        return self.console_app.way("Users", row.created_by) if "@" in row.created_by else None

    def nothing(self) -> Sequence[tuple[str, str]]:
        return (
            ("No names yet", "text"),
            ("Devices have theirs by themselves", "muted"),
            (f"{self.cap('n')} sets a name", "key"),
        )

    def copy(self) -> None:
        row = self.table.current()
        if isinstance(row, Name):
            self.console_app.copy(row.value)

    def deeds(self) -> list[Action]:
        def by_hand() -> bool:
            return _set_by_hand(self.table.current())

        return [
            Action(key="n", label="set a name", about="a new name, or another value", run=self._set, writes=True),
            Action(key="L", label="look up", about="what a device is answered", run=self._lookup),
            Action(
                key="x", label="remove", about="the name under the cursor", run=self._remove, writes=True, when=by_hand
            ),
        ]

    def _set(self) -> None:
        fields = [
            Field(label="Name", hint=f"grafana, or grafana.{self.backend.me().domain}", needed=True),
            Field(label="Type", edit=LineEdit("A"), choices=tuple(kind.value for kind in NameType)),
            Field(label="Value", hint="100.64.0.5, or a name", needed=True),
            Field(label="TTL", edit=LineEdit("300"), hint="seconds"),
        ]

        def command(form: Form) -> list[str]:
            return [
                "names",
                "set",
                form.value("Name"),
                form.value("Type"),
                form.value("Value"),
                "--ttl",
                form.value("TTL"),
            ]

        def submit(form: Form) -> None:
            name, kind = form.value("Name"), form.value("Type")
            undo = ["names", "remove", name, kind, form.value("Value")]
            self.console_app.perform(command(form), f"set {name}", undo=undo, form=form)

        self.console_app.mode = Form(self.console_app, "Set a name", fields, command=command, submit=submit, verb="set")

    def _lookup(self) -> None:
        row = self.table.current()
        under = inert(row.name) if isinstance(row, Name) else ""
        field = Field(label="Name", hint=under, needed=not under)

        def command(form: Form) -> list[str]:
            return ["names", "lookup", form.value("Name") or under]

        def submit(form: Form) -> None:
            words = command(form)
            app = self.console_app
            app.perform(words, "", then=lambda told: app.show_output(" ".join(words), told.output), form=form)

        self.console_app.mode = Form(
            self.console_app, "Look a name up", [field], command=command, submit=submit, verb="ask"
        )

    def _remove(self) -> None:
        if not bulk.only_one(self, "names are removed"):
            return
        (row,) = self.table.chosen()
        if not isinstance(row, Name):
            return
        words = ["names", "remove", row.name, row.type.value, row.value]
        self.console_app.ask(
            Asked(
                title=f"Remove {inert(row.name)}?",
                follows=f"{row.type.value} {inert(row.value)} is no longer answered",
                command=shlex.join(words),
                undo="can be undone",
                deed="Remove",
                plane="warn",
                run=lambda: self.console_app.perform(
                    words,
                    f"removed {inert(row.name)}",
                    undo=["names", "set", row.name, row.type.value, row.value, "--ttl", str(row.ttl)],
                ),
            )
        )


def _set_by_hand(row: object) -> bool:
    return isinstance(row, Name) and not row.created_by.startswith(("device", "certificate "))
