"""Certificates as lists have them: what their state is, when they end, and the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.app.columns import Cell, Column, Context
from console.app.inert import inert
from console.app.pane import Pane, fact, gap
from console.app.times import HOUR, ago, moment, span
from model.records import Certificate, CertificateState

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

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
            return Cell(ago(certificate.valid_before, context.now), "muted")
    left = certificate.valid_before - context.now
    return Cell(span(left), "warn" if left < HOUR else "text")


def _since(certificate: Certificate, context: Context) -> str:
    return ago(certificate.valid_after, context.now)


def _quiet(certificate: Certificate, context: Context) -> str:
    return "text" if certificate.state(context.now) is CertificateState.VALID else "muted"


def _principals(certificate: Certificate, context: Context) -> Cell:
    shown = certificate.principals[:2]
    more = len(certificate.principals) - len(shown)
    short = inert(f"{shown[0]}, +{len(certificate.principals) - 1}") if len(shown) > 1 else ""
    return Cell(inert(", ".join(shown) + (f", +{more}" if more else "")), "muted", short=short)


def life(certificate: Certificate, context: Context) -> Cell:
    """A bar of what is left of its life."""
    if certificate.state(context.now) is not CertificateState.VALID:
        return Cell("", "muted")
    whole = max(1, certificate.valid_before - certificate.valid_after)
    full = max(1, round(BAR * (certificate.valid_before - context.now) / whole))
    role = "warn" if certificate.valid_before - context.now < HOUR else "thumb"
    return Cell(context.glyphs.bar * full, role, rest=context.glyphs.rest * (BAR - full))


COLUMNS = (
    Column(
        head="Serial", sort="serial", least=6, most=8, right=True, cell=lambda r, c: Cell(str(r.serial), _quiet(r, c))
    ),
    Column(head="Kind", least=5, most=5, cell=lambda r, c: Cell(r.kind.value, "muted")),
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


def fill(pane: Pane, certificate: Certificate, context: Context, app: ConsoleApp) -> None:
    """What the pane tells of one."""
    pane.head(state_of(certificate, context), certificate.key_id, certificate.state(context.now).value)
    lines, device = pane.tab("Facts").lines, certificate.device
    lines += [
        fact("Serial", str(certificate.serial), (f"{certificate.kind.value}, {certificate.generation}", "muted")),
        *([fact("User", user, link=app.way("Users", user))] if (user := certificate.user) else []),
        fact("Principals", certificate.principals[0] if certificate.principals else "–"),
        *(fact("", principal) for principal in certificate.principals[1:8]),
        gap(),
        fact("From", moment(certificate.valid_after, context.now), (_since(certificate, context), "muted")),
        fact("Until", moment(certificate.valid_before, context.now), (ends(certificate, context).text, "muted")),
        gap(),
        fact("Device", device or "–", link=app.way("Devices", device) if device else None),
        *(fact("Sources" if at == 0 else "", a) for at, a in enumerate(certificate.source_addresses)),
        fact("Key", (certificate.fingerprint, "muted"), middle=True),
    ]
    if certificate.revoked_at is not None:
        lines += [gap(), fact("Revoked", (moment(certificate.revoked_at, context.now), "bad"))]
