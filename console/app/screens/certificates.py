"""Certificates: the two authorities and the rotation of their keys, and every certificate they signed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.app.actions import Action
from console.app.backend import Authorities, Listing
from console.app.columns import Cell, Column, Context
from console.app.inert import inert
from console.app.listview import ListView
from console.app.modes import Asked
from console.app.pane import Pane, fact, gap
from console.app.row import Row
from console.app.screens import authorities as part
from console.app.times import HOUR, age, clock, count, moment, plural, span
from model.records import Certificate, CertificateState

BAR = 10


def state_of(certificate: Certificate, context: Context) -> tuple[str, str]:
    glyphs = context.glyphs
    match certificate.state(context.now):
        case CertificateState.REVOKED:
            return glyphs.bad, "bad"
        case CertificateState.EXPIRED:
            return glyphs.off, "muted"
    return (glyphs.ending, "warn") if certificate.valid_before - context.now < HOUR else (glyphs.on, "ok")


def ends(certificate: Certificate, context: Context) -> Cell:
    match certificate.state(context.now):
        case CertificateState.REVOKED:
            return Cell("revoked", "bad")
        case CertificateState.EXPIRED:
            return Cell(f"{age(certificate.valid_before, context.now)} ago", "muted")
    left = certificate.valid_before - context.now
    return Cell(span(left), "warn" if left < HOUR else "text")


def _quiet(certificate: Certificate, context: Context) -> str:
    return "text" if certificate.state(context.now) is CertificateState.VALID else "muted"


def _principals(certificate: Certificate, context: Context) -> Cell:
    shown = certificate.principals[:2]
    more = len(certificate.principals) - len(shown)
    return Cell(inert(", ".join(shown) + (f", +{more}" if more else "")), "muted")


def life(certificate: Certificate, context: Context) -> Cell:
    """A bar of what is left of its life."""
    if certificate.state(context.now) is not CertificateState.VALID:
        return Cell("", "muted")
    whole = max(1, certificate.valid_before - certificate.valid_after)
    full = max(1, round(BAR * (certificate.valid_before - context.now) / whole))
    role = "warn" if certificate.valid_before - context.now < HOUR else "thumb"
    return Cell((context.glyphs.bar * full).ljust(BAR), role)


COLUMNS = (
    Column(
        head="Serial", sort="serial", least=6, most=8, right=True, cell=lambda r, c: Cell(str(r.serial), _quiet(r, c))
    ),
    Column(head="Kind", sort="kind", least=5, most=5, cell=lambda r, c: Cell(r.kind.value, "muted")),
    Column(
        head="Key ID",
        sort="key_id",
        least=24,
        most=34,
        weight=3,
        cell=lambda r, c: Cell(inert(r.key_id), _quiet(r, c)),
    ),
    Column(head="Principals", least=18, most=28, weight=2, drop=1, since=90, cell=_principals),
    Column(
        head="Generation",
        sort="generation",
        least=10,
        most=10,
        drop=2,
        since=90,
        cell=lambda r, c: Cell(r.generation, "muted"),
    ),
    Column(head="Ends in", sort="valid_before", least=10, most=10, right=True, cell=ends),
    Column(head="Life left", least=BAR, most=BAR, drop=3, since=90, cell=life),
    Column(
        head="Device",
        sort="device",
        least=12,
        most=16,
        drop=4,
        since=150,
        cell=lambda r, c: Cell(inert(r.device or "–"), "muted"),
    ),
    Column(
        head="Source addresses",
        least=16,
        most=20,
        drop=5,
        since=150,
        cell=lambda r, c: Cell(", ".join(r.source_addresses) or "–", "muted"),
    ),
    Column(
        head="Fingerprint",
        least=17,
        most=22,
        drop=6,
        since=150,
        cell=lambda r, c: Cell(r.fingerprint, "muted", middle=True),
    ),
)


class CertificatesView(ListView):
    title = "Certificates"
    listing = Listing.CERTIFICATES
    noun = ("certificate", "certificates")
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
        return super().crumbs() if self.pane_open or self.pane_focus else (self.title,)

    def nothing(self) -> Sequence[tuple[str, str]]:
        return (
            ("No certificate is valid now" if self.base else "No certificates yet", "text"),
            ("People sign with: wardgate login NAME@GATE", "muted"),
            ("Hosts get theirs from their agent", "muted"),
            *((("h shows those that are over", "muted"),) if self.base else ()),
        )

    async def load(self) -> None:
        self.authorities = await self.backend.authorities()
        await super().load()

    def back(self) -> bool:
        if super().back():
            return True
        was, self.pane_open = self.pane_open, False
        return was

    # Drawing: the authorities stand over the list where there is room

    def draw(self, width: int, height: int) -> list[Row]:
        if self.pane_open or self.pane_focus or self.filter_text or height < 18 or self.backend.me().member:
            return super().draw(width, height)
        context = self.context
        head = part.draw(self.authorities, width, context)
        room = height - len(head) - 1
        rows = [*head, *self._titled(width, room)]
        return [*rows[: height - 1], self.draw_status(width)]

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
        if self.table.selected or self.pane_open or self.filter_text:
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

        member = self.backend.me().member
        return [
            Action(
                key="r",
                label="revoke",
                about="it is refused everywhere from now on",
                run=self._revoke,
                writes=True,
                when=some,
            ),
            Action(
                key="p",
                label="promote",
                about="let the pending generation sign",
                run=self._promote,
                writes=True,
                when=lambda: not member and part.pending(self.authorities) is not None,
            ),
            Action(
                key="N",
                label="new generation",
                about="begin to rotate a CA key",
                run=self._rotate,
                writes=True,
                when=lambda: not member and part.pending(self.authorities) is None,
            ),
            Action(
                key="T",
                label="retire",
                about="trust an old generation no more",
                run=self._retire,
                writes=True,
                when=lambda: not member and part.retirable(self.authorities) is not None,
            ),
            Action(
                key="h",
                label="all" if self.base else "valid",
                about="those that are over too, or valid ones alone",
                run=self._history,
            ),
            Action(key="K", label="KRL", about="what is revoked, for sshd", run=self._krl, when=lambda: not member),
        ]

    def copy(self) -> None:
        lines = [row.line for row in self.table.chosen() if isinstance(row, Certificate)]
        self.console_app.copy("\n".join(lines), plural(len(lines), "certificate"))

    def _revoke(self) -> None:
        serials = self.names()
        rows = [row for row in self.table.chosen() if isinstance(row, Certificate)]

        def run() -> None:
            self.table.clear()
            self.console_app.perform(["certs", "revoke", *serials], f"revoked {', '.join(serials[:6])}")

        one = rows[0]
        what = f"certificate {serials[0]}" if len(serials) == 1 else plural(len(serials), "certificate")
        self.console_app.ask(
            Asked(
                title=f"Revoke {what}?",
                follows=inert(one.key_id) if len(rows) == 1 else ", ".join(serials[:8]),
                command=f"certs revoke {' '.join(serials)}",
                undo="cannot be undone; hosts refuse it with their next KRL",
                deed="Revoke",
                typed=str(len(serials)) if len(serials) > 20 else "",
                run=run,
            )
        )

    def _history(self) -> None:
        self.base = "" if self.base else "state:valid"
        self.filter(self.filter_text)

    def _promote(self) -> None:
        found = part.pending(self.authorities)
        if found is None:
            return
        kind = found.generation.kind.value
        behind = found.of - found.trusted_by
        self.console_app.ask(
            Asked(
                title=f"Let {found.generation.id} sign from now on?",
                follows=f"certificates come from it; {plural(behind, 'device does', 'devices do')} not trust it yet",
                command=f"ca promote {kind}",
                undo="cannot be undone; a further rotation would follow",
                deed="Promote",
                typed=found.generation.id,
                plane="warn",
                run=lambda: self.console_app.perform(["ca", "promote", kind], f"{found.generation.id} signs now"),
            )
        )

    def _rotate(self) -> None:
        from console.app.lineedit import LineEdit
        from console.app.modes import Field, Form

        field = Field(label="Authority", edit=LineEdit("user"), choices=("user", "host"))

        def command(form: Form) -> list[str]:
            return ["ca", "rotate", form.value("Authority")]

        self.console_app.mode = Form(
            self.console_app,
            "Make a new CA generation: it is trusted first, and signs when promoted",
            [field],
            command=command,
            verb="make it",
            submit=lambda form: self.console_app.perform(
                command(form), f"made a new {form.value('Authority')} generation"
            ),
        )

    def _retire(self) -> None:
        found = part.retirable(self.authorities)
        if found is None:
            return
        id = found.generation.id
        self.console_app.ask(
            Asked(
                title=f"Retire {id}?",
                follows=f"{count(found.signed)} valid certificates of it are refused from then on",
                command=f"ca retire {id}",
                undo="cannot be undone",
                deed="Retire",
                typed=id,
                run=lambda: self.console_app.perform(["ca", "retire", id], f"retired {id}"),
            )
        )

    def _krl(self) -> None:
        self.console_app.show_output(
            "certs krl", "The KRL is binary: fetch it over ssh\n\n  ssh -p 2222 NAME@GATE certs krl > revoked.krl"
        )

    async def facts(self, row: Any, pane: Pane, context: Context) -> None:
        certificate: Certificate = row
        pane.head(state_of(certificate, context), certificate.key_id, certificate.state(context.now).value)
        lines = pane.tab("Facts").lines
        lines += [
            fact("Serial", str(certificate.serial), (f"{certificate.kind.value}, {certificate.generation}", "muted")),
            fact("Principals", certificate.principals[0] if certificate.principals else "–"),
            *(fact("", principal) for principal in certificate.principals[1:8]),
            gap(),
            fact("From", moment(certificate.valid_after, context.now), (clock(certificate.valid_after), "muted")),
            fact("Until", moment(certificate.valid_before, context.now), (ends(certificate, context).text, "muted")),
            gap(),
            fact("Device", certificate.device or "–"),
            *(fact("Sources" if at == 0 else "", a) for at, a in enumerate(certificate.source_addresses)),
            fact("Key", (certificate.fingerprint, "muted"), middle=True),
        ]
        if certificate.revoked_at is not None:
            lines += [gap(), fact("Revoked", (moment(certificate.revoked_at, context.now), "bad"))]
