"""Devices: the machines of the network, their facts, and what an operator does to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from console.app.actions import Action
from console.app.backend import DeviceFacts, Listing, Ways
from console.app.columns import Cell, Column, Context
from console.app.inert import inert
from console.app.listview import ListView
from console.app.pane import Pane
from console.app.screens import devicedeeds
from console.app.screens.devicefacts import fill
from console.app.times import DAY, age, ago, span
from model.records import Device, DeviceState, Record

SOON = 14 * DAY
REST = 0.15
"""Seconds that the cursor rests on a device before its rules are worked out."""
FEW = 5000
"""Devices up to which that is done for each; in a larger network when the pane is entered."""
KEPT = 5.0
"""Seconds that they do, whatever changes meanwhile."""


def owner(device: Device) -> str:
    return device.user or " ".join(device.tags) or "–"


def owner_cell(device: Device) -> Cell:
    if device.tags:
        more = len(device.tags) - 1
        return Cell(inert(owner(device)), "muted", short=f"{inert(device.tags[0])} +{more}" if more else "")
    whole = inert(owner(device))
    return Cell(whole, "muted", short=whole.partition("@")[0])


def state_of(device: Device, context: Context) -> tuple[str, str]:
    glyphs = context.glyphs
    match device.state:
        case DeviceState.PENDING:
            return glyphs.waiting, "warn"
        case DeviceState.EXPIRED:
            return glyphs.bad, "bad"
        case DeviceState.DISABLED:
            return glyphs.disabled, "muted"
    if not context.online(device.id):
        return glyphs.off, "muted"
    return (glyphs.waiting, "warn") if context.behind(device.id) else (glyphs.on, "ok")


def seen(device: Device, context: Context) -> Cell:
    """A word where a person is needed, else how long ago."""
    match device.state:
        case DeviceState.PENDING:
            return Cell("pending", "warn")
        case DeviceState.EXPIRED:
            return Cell("expired", "bad")
        case DeviceState.DISABLED:
            return Cell("disabled", "muted")
    if context.online(device.id):
        return Cell("behind", "warn") if context.behind(device.id) else Cell("now", "muted")
    return Cell(age(device.last_seen, context.now) if device.last_seen else "never", "muted")


def expires(device: Device, context: Context) -> Cell:
    if device.state is DeviceState.PENDING:
        return Cell(context.glyphs.absent, "muted")
    if device.expires_at is None:
        return Cell("never", "muted")
    left = device.expires_at - context.now
    if left <= 0:
        return Cell(ago(device.expires_at, context.now), "bad", short=age(device.expires_at, context.now))
    return Cell(span(left), "warn" if left < SOON else "text")


def routes(device: Device, context: Context) -> Cell:
    return Cell(
        str(len(device.routes)) if device.routes else context.glyphs.absent, "text" if device.routes else "muted"
    )


COLUMNS = (
    Column(head="Name", sort="name", least=12, most=32, weight=3, cell=lambda d, c: Cell(inert(d.name))),
    Column(
        head="Owner or tags",
        sort="owner",
        least=13,
        most=24,
        weight=2,
        drop=1,
        cell=lambda d, c: owner_cell(d),
    ),
    Column(head="IPv4", sort="ipv4", least=11, most=15, cell=lambda d, c: Cell(d.ipv4)),
    Column(head="Seen", sort="last_seen", least=8, most=8, right=True, cell=seen),
    Column(head="Expires", sort="expires_at", least=8, most=10, right=True, drop=2, cell=expires),
    Column(
        head="System",
        sort="os",
        least=13,
        most=16,
        weight=1,
        drop=3,
        since=100,
        cell=lambda d, c: Cell(inert(d.os) or "–", "muted"),
    ),
    Column(head="Routes", least=6, most=6, right=True, drop=4, since=100, cell=routes),
    Column(head="IPv6", least=20, most=24, drop=5, since=150, cell=lambda d, c: Cell(d.ipv6, "muted")),
    Column(
        head="Agent", least=7, most=8, drop=6, since=150, cell=lambda d, c: Cell(inert(d.agent_version) or "–", "muted")
    ),
    Column(
        head="Endpoint",
        least=19,
        most=22,
        drop=7,
        since=150,
        cell=lambda d, c: Cell(d.endpoints[0] if d.endpoints else "–", "muted"),
    ),
)


class DevicesView(ListView):
    title = "Devices"
    listing = Listing.DEVICES
    noun = ("device", "devices")
    filters = ("state", "user", "tag", "os", "ephemeral")

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def state(self, row: Any, context: Context) -> tuple[str, str]:
        return state_of(row, context)

    def called(self, row: Any) -> str:
        return inert(row.name)

    def __init__(self) -> None:
        super().__init__()
        self._ways = Ways()
        self._ways_of: tuple[str, float] = ("", 0.0)
        """Of which device they are, and until when they do."""

    async def facts(self, row: Any, pane: Pane, context: Context) -> None:
        facts = await self.backend.device(row.name)
        fill(pane, facts, self._known_ways(row.id), context, self.console_app)
        self.console_app.start(self._add_ways(facts, self._facts_of))

    def _known_ways(self, id: str) -> Ways:
        return self._ways if self._ways_of[0] == id else Ways()

    async def _add_ways(self, facts: DeviceFacts, about: tuple[str, int] | None) -> None:
        """Once the cursor rests: who reaches whom takes the longest to work out."""
        id = facts.device.id
        if self._ways_of[0] == id and time.monotonic() < self._ways_of[1]:
            return
        await asyncio.sleep(REST)
        wanted = self.pane_focus or max(self._whole or 0, self.pages.total or 0) <= FEW
        if self._facts_of != about or not wanted:
            return
        self._ways, self._ways_of = await self.backend.ways(facts), (id, time.monotonic() + KEPT)
        if self._facts_of is not None and self._facts_of[0] == id:
            pane = Pane()
            fill(pane, facts, self._ways, self.context, self.console_app)
            self.pane.take(pane)

    def _enter(self) -> None:
        super()._enter()
        self._facts_of = None

    def _tab(self) -> None:
        super()._tab()
        self._facts_of = None

    def nothing(self) -> Sequence[tuple[str, str]]:
        me = self.backend.me()
        offer = ((f"{self.cap('S')} fills the network with sample data to look around", "key"),)
        return (
            ("No devices yet", "text"),
            (f"A device joins with an enrollment key: wardgate up {me.gate} --key-file FILE", "muted"),
            (f"{self.cap('n')} makes an enrollment key", "key"),
            *(() if me.member else offer),
        )

    def devices(self) -> list[Device]:
        return [row for row in self.table.chosen() if isinstance(row, Device)]

    def deeds(self) -> list[Action]:
        return devicedeeds.actions(self)

    def copy(self) -> None:
        chosen: list[Record] = self.table.chosen()
        self.console_app.copy("\n".join(device.ipv4 for device in chosen if isinstance(device, Device)))
