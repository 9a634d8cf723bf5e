"""Certificates: the two authorities and the rotation of their keys, and every certificate they signed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.app.actions import Action
from console.app.backend import Authorities, Listing
from console.app.columns import Column, Context
from console.app.inert import inert
from console.app.listdrawing import WIDE
from console.app.listview import ListView
from console.app.pane import Pane
from console.app.row import Row
from console.app.screens import authorities as part
from console.app.screens import bulk, cadeeds
from console.app.screens.certificatecolumns import COLUMNS, fill, state_of
from console.app.times import HOUR, count, plural
from model.records import Certificate, CertificateState


class CertificatesView(ListView):
    title = "Certificates"
    listing = Listing.CERTIFICATES
    noun = ("certificate", "certificates")
    filters = ("state", "kind", "user", "device", "generation", "fingerprint")
    sort = "valid_before"
    base = "state:valid"

    def __init__(self) -> None:
        super().__init__()
        self.pane_open = False
        self.authorities = Authorities()

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def state(self, row: Any, context: Context) -> tuple[str, str]:
        return state_of(row, context)

    def called(self, row: Any) -> str:
        return str(row.serial)

    def crumbs(self) -> Sequence[str]:
        told = self.pane_open or self.pane_focus or self.beside(self.size.width)
        return super().crumbs() if told else (self.title,)

    def nothing(self) -> Sequence[tuple[str, str]]:
        me = self.backend.me()
        return (
            ("No certificate is valid now" if self.base else "No certificates yet", "text"),
            (f"People sign with: wardgate login {me.name if me.member else 'NAME'}@{me.gate}", "muted"),
            *(() if me.member else (("Hosts get theirs from their agent", "muted"),)),
            *(((f"{self.cap('h')} shows those that are over", "key"),) if self.base else ()),
        )

    def open(self, words: Sequence[str]) -> None:
        """One that is over is looked for among all."""
        if words and words[0].isdigit() and self.pages.index_of(words[0]) is None:
            self.base = ""
            self.filter(self.filter_text)
        super().open(words)

    async def load(self) -> None:
        self.authorities = await self.backend.authorities()
        await super().load()

    def back(self) -> bool:
        if super().back():
            return True
        was, self.pane_open = self.pane_open, False
        return was and not self.beside(self.size.width)

    # Drawing: the authorities stand over the list where there is room, and over its facts where it is wide

    def draw(self, width: int, height: int) -> list[Row]:
        wide = width >= WIDE
        asked = (self.pane_open or self.pane_focus) and not wide
        if asked or self.filter_text or height < 18 or self.backend.me().member:
            return super().draw(width, height)
        self._instead = False
        head = part.draw(self.authorities, width, self.context)
        room = height - len(head)
        left = width - self.pane_width(width) if wide else width
        rows = [*self._titled(left, room - 1), *[Row(left) for _ in range(room)]][: room - 1]
        rows.append(self.draw_status(left))
        return [*head, *(self.with_pane(rows, width) if wide else rows)]

    def _titled(self, width: int, room: int) -> list[Row]:
        title = Row(width)
        x = title.put(2, "Certificates", "bright", "b") + 2
        shown = f"{count(self.authorities.valid)} valid, {count(self.authorities.revoked)} revoked"
        title.put(x, shown, "muted")
        if self.pages.total == 0:
            return [title, *self._nothing(width)]
        table = self.table
        body = table.draw(
            width, max(2, room - 2), self.context, open_row=self._enter, sort_by=self._order, focused=True
        )
        last = min(table.total, table.top + table.height)
        title.right(width - 2, f"{table.top + 1:,}–{last:,} of {table.total:,}", "muted")
        return [title, *body, Row(width)]

    def status(self, row: Row) -> None:
        if self.table.selected or self.pane_open or self.filter_text or self._instead:
            super().status(row)
            return
        now = self.backend.now()
        soon = sum(
            1
            for index in range(self.table.top, self.table.top + self.table.height)
            if isinstance(found := self.pages.row(index), Certificate)
            and found.state(now) is CertificateState.VALID
            and found.valid_before - now < HOUR
        )
        if soon:
            row.put(2, f"{plural(soon, 'certificate ends', 'certificates end')} within the hour", "muted")

    # Deeds

    def deeds(self) -> list[Action]:
        def some() -> bool:
            return bool(self.table.chosen())

        return [
            Action(
                key="r",
                label="revoke",
                about="it is refused everywhere from now on",
                run=self._revoke,
                writes=True,
                when=some,
            ),
            *([] if self.backend.me().member else self._of_authorities()),
            Action(
                key="h",
                label="all" if self.base else "valid",
                about="those that are over too, or valid ones alone",
                run=self._history,
            ),
        ]

    def _of_authorities(self) -> list[Action]:
        return [
            Action(
                key="p",
                label="promote",
                about="let the pending generation sign",
                run=lambda: cadeeds.promote(self.console_app, self.authorities),
                writes=True,
                when=lambda: part.pending(self.authorities) is not None,
            ),
            Action(
                key="N",
                label="new generation",
                about="begin to rotate a CA key",
                run=lambda: cadeeds.rotate(self.console_app),
                writes=True,
                when=lambda: part.pending(self.authorities) is None,
            ),
            Action(
                key="T",
                label="retire",
                about="trust an old generation no more",
                run=lambda: cadeeds.retire(self.console_app, self.authorities),
                writes=True,
                when=lambda: part.retirable(self.authorities) is not None,
            ),
            Action(key="K", label="KRL", about="what is revoked, for sshd", run=self._krl),
        ]

    def copy(self) -> None:
        lines = [row.line for row in self.table.chosen() if isinstance(row, Certificate)]
        self.console_app.copy("\n".join(lines), plural(len(lines), "certificate"))

    def _revoke(self) -> None:
        rows = [row for row in self.table.chosen() if isinstance(row, Certificate)]
        serials = [str(row.serial) for row in rows]
        what = f"certificate {serials[0]}" if len(serials) == 1 else plural(len(serials), "certificate")
        bulk.ask(
            self,
            ["certs", "revoke", *serials],
            f"revoked {bulk.shown(serials)}",
            title=f"Revoke {what}?",
            follows=inert(rows[0].key_id) if len(rows) == 1 else bulk.shown(serials),
            can=f"cannot be undone; hosts refuse {'it' if len(rows) == 1 else 'them'} with their next KRL",
            deed="Revoke",
            names=serials,
        )

    def _history(self) -> None:
        self.base = "" if self.base else "state:valid"
        self.filter(self.filter_text)

    def _krl(self) -> None:
        self.console_app.show_output(
            "certs krl", f"The KRL is binary: fetch it over ssh\n\n  {self.backend.me().ssh} certs krl > revoked.krl"
        )

    async def facts(self, row: Any, pane: Pane, context: Context) -> None:
        fill(pane, row, context, self.console_app)
