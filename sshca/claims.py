"""How long certificates live and what they permit: a table, from the network over roles to tags."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from model.errors import Invalid
from model.ids import Tag
from model.records import CertificateKind, Role
from sshca.parsing import ParsedCertificate
from sshca.specification import DEFAULT_EXTENSIONS, CriticalOption, Extension
from sshca.validation import check_person

HOUR: Final = 3600
DAY: Final = 24 * HOUR
BACKDATE: Final = 90
"""Seconds by which a certificate begins before it is signed, for hosts whose clock is slow."""


class Lives(msgspec.Struct, frozen=True):
    """Seconds, from the moment of signing."""

    minimum: int
    default: int
    maximum: int


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. What is None is inherited from the wider row."""

    kind: CertificateKind
    role: Role | None = None
    """None together with no tag: the network's own row."""
    tag: Tag | None = None
    minimum: int | None = None
    default: int | None = None
    maximum: int | None = None
    extensions: frozenset[str] | None = None
    force_command: str | None = None
    verify_required: bool | None = None
    approval: int | None = None
    """Seconds for which a second operator's consent counts, and after which what is signed by it is over.

    None where none is asked, or it is inherited."""
    approval_for: tuple[str, ...] | None = None
    """The principals whose certificates ask for consent; None together with `approval` stands for all."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What the table comes to for one person or device."""

    lives: Lives
    extensions: frozenset[str] = frozenset()
    force_command: str | None = None
    verify_required: bool = False
    approval: int | None = None
    approval_for: frozenset[str] = frozenset()
    """Empty stands for all principals."""
    rows: tuple[str, ...] = ()
    """Whose rows of the table it is made of, beside the network's: `role owner`, `tag:db`."""

    @property
    def rule(self) -> str:
        """What it is by, in words."""
        return f"claims of {', '.join(self.rows)}" if self.rows else "the network's claims"

    def asks_consent(self, principals: Collection[str]) -> bool:
        """Whether a certificate with these principals waits for a second operator."""
        return self.approval is not None and (not self.approval_for or not self.approval_for.isdisjoint(principals))

    def covers(self, certificate: ParsedCertificate, issued_at: int) -> bool:
        """Whether a user certificate that was signed at `issued_at` promises no more than this; consent apart."""
        options = dict(certificate.critical_options)
        return (
            certificate.valid_before - issued_at <= self.lives.maximum
            and self.extensions.issuperset(certificate.extensions)
            and (self.force_command is None or options.get(CriticalOption.FORCE_COMMAND) == self.force_command)
            and (not self.verify_required or CriticalOption.VERIFY_REQUIRED in options)
        )


NETWORK_CLAIMS: Final = {
    # The least is well below a minute: where the policy checks `always`, a certificate ends a minute after the login.
    CertificateKind.USER: Grant(
        lives=Lives(10, 16 * HOUR, 24 * HOUR), extensions=frozenset(map(str, DEFAULT_EXTENSIONS))
    ),
    CertificateKind.HOST: Grant(lives=Lives(HOUR, 7 * DAY, 30 * DAY)),
}
LONGEST_LIFE: Final = 366 * DAY
"""No row reaches further."""


def grant(
    table: Iterable[Claim], kind: CertificateKind, *, role: Role | None = None, tags: Collection[Tag] = ()
) -> Grant:
    """The network's row, overlaid by the role's, then by each tag's in order of name.

    Where several tags speak, the strictest holds: the shortest lives, the extensions that all permit.
    """
    rows = [row for row in table if row.kind is kind]
    result = NETWORK_CLAIMS[kind]
    for row in rows:
        if row.role is None and row.tag is None:
            result = _overlaid(result, row)
    for row in rows:
        if row.role is not None and row.role is role and row.tag is None:
            result = _overlaid(result, row)
    tagged = [_overlaid(result, row) for row in sorted(rows, key=lambda row: row.tag or "") if row.tag in tags]
    for number, one in enumerate(tagged):
        result = one if number == 0 else _strictest(result, one)
    return result


def check_claims(table: Iterable[Claim]) -> None:
    """Raises `Invalid` for a table with a row that says nothing sound."""
    seen: set[tuple[CertificateKind, Role | None, Tag | None]] = set()
    for row in table:
        place = (row.kind, row.role, row.tag)
        if place in seen:
            raise Invalid(f"two claims speak for {_place(row)}")
        if row.role is not None and row.tag is not None:
            raise Invalid("a claim is for a role or for a tag, not for both")
        seen.add(place)
        lives = _overlaid(NETWORK_CLAIMS[row.kind], row).lives
        if not 0 < lives.minimum <= lives.default <= lives.maximum <= LONGEST_LIFE:
            raise Invalid(
                f"the lives for {_place(row)} are out of order: minimum {lives.minimum}, default {lives.default}, "
                f"maximum {lives.maximum}",
                hint=f"0 < minimum <= default <= maximum <= {LONGEST_LIFE} seconds",
            )
        _check_permissions(row)
        if row.approval is not None and row.approval < 2 * lives.minimum:
            raise Invalid(
                f"a consent for {_place(row)} ends after {row.approval} s what is signed by it, and the least life is "
                f"{lives.minimum} s",
                hint="give at least twice as long, so that there is time to fetch the certificate",
            )


def _check_permissions(row: Claim) -> None:
    if row.kind is CertificateKind.HOST and (row.extensions or row.force_command or row.verify_required):
        raise Invalid("a host's claim has lives alone: host certificates carry no options")
    if row.approval is not None and row.approval <= 0:
        raise Invalid(f"the consent for {_place(row)} counts for no time", hint="give seconds, above 0")
    if row.approval_for is not None and not (row.approval and row.approval_for):
        raise Invalid(f"{_place(row)} name principals for a consent and none is asked", hint="give approval as well")
    for principal in row.approval_for or ():
        check_person(principal)
    known = frozenset(str(extension) for extension in Extension)
    for name in sorted((row.extensions or frozenset()) - known):
        raise Invalid(f'the extension "{name}" is not known', hint=", ".join(sorted(known)))


def validity(lives: Lives, *, now: int, asked: int | None = None, limits: Iterable[int | None] = ()) -> tuple[int, int]:
    """(valid_after, valid_before): the shortest of what was asked, the maximum, and each limit.

    `asked` is in seconds, `limits` are moments: the login's end, the device key's, the policy's. `Invalid` where
    fewer than `minimum` seconds are left, or fewer were asked.
    """
    if asked is not None and asked < lives.minimum:
        raise Invalid(f"a certificate for {asked} s is shorter than the least, {lives.minimum} s")
    life = min(lives.default if asked is None else asked, lives.maximum)
    end = min([now + life, *(limit for limit in limits if limit is not None)])
    if end - now < min(lives.minimum, life):
        raise Invalid(
            f"only {max(0, end - now)} s are left, and the least for a certificate is {lives.minimum} s",
            hint="log in again, or renew the device's key",
        )
    return now - BACKDATE, end


def _overlaid(wide: Grant, row: Claim) -> Grant:
    minimum = wide.lives.minimum if row.minimum is None else row.minimum
    maximum = wide.lives.maximum if row.maximum is None else row.maximum
    default = wide.lives.default if row.default is None else row.default
    if row.default is None:  # an inherited default gives way to a bound that the row sets
        default = max(min(default, maximum), minimum)
    return replace(
        wide,
        rows=(*wide.rows, whose) if (whose := _whose(row)) else wide.rows,
        lives=Lives(minimum, default, maximum),
        extensions=wide.extensions if row.extensions is None else row.extensions,
        force_command=wide.force_command if row.force_command is None else row.force_command,
        verify_required=wide.verify_required if row.verify_required is None else row.verify_required,
        approval=wide.approval if row.approval is None else row.approval,
        approval_for=wide.approval_for if row.approval is None else frozenset(row.approval_for or ()),
    )


def _strictest(one: Grant, other: Grant) -> Grant:
    maximum = min(one.lives.maximum, other.lives.maximum)
    default = min(one.lives.default, other.lives.default)
    if one.force_command and other.force_command and one.force_command != other.force_command:
        raise Invalid("two tags force different commands", hint="let one claim speak, or split the device's tags")
    consents = [consent for consent in (one.approval, other.approval) if consent is not None]
    named = [grant.approval_for for grant in (one, other) if grant.approval is not None]
    return Grant(
        rows=tuple(dict.fromkeys((*one.rows, *other.rows))),
        lives=Lives(min(one.lives.minimum, other.lives.minimum), default, maximum),
        extensions=one.extensions & other.extensions,
        force_command=one.force_command or other.force_command,
        verify_required=one.verify_required or other.verify_required,
        approval=min(consents) if consents else None,
        approval_for=frozenset().union(*named) if all(named) else frozenset(),
    )


def _whose(row: Claim) -> str:
    """Empty for the network's own."""
    return row.tag or (f"role {row.role}" if row.role else "")


def _place(row: Claim) -> str:
    return f"{row.kind} certificates of {_whose(row) or 'the network'}"
