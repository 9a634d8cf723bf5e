"""Where people prove who they are: what all logins of one gate share."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from gate.doors.limits import origin
from gate.login.guesses import Guesses
from gate.login.passwords import Pool
from model.errors import Limited
from model.ids import UserName
from model.records import User
from store import users

if TYPE_CHECKING:
    from gate.gate import Gate

log = logging.getLogger("wardgate.login")


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who wants in under a name."""

    name: str
    """As guesses are counted by: prepared and case-folded, whether anyone has it or not."""
    user: User | None
    """Who has that name; None for nobody, one who is disabled, and a service user."""
    source: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """That an applicant is who they say."""

    user: UserName
    method: str
    factors: tuple[str, ...]
    login_at: int
    fresh_at: int | None = None
    """When a second factor, a provider or a touch was given."""


class Desk:
    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.guesses = Guesses(time.monotonic)
        self.pool = Pool()

    @property
    def passwords(self) -> bool:
        return bool(self.gate.snapshot.settings.get("login.passwords", True))

    def may_guess(self, applicant: Applicant) -> None:
        """Raises `Limited` while the name or the address has to wait."""
        wait = self.guesses.wait(applicant.name, applicant.source)
        if wait > 0:
            raise Limited(
                f"too many wrong logins; try again in {int(wait) + 1} s",
                hint="a registered key gets in meanwhile; an operator lifts this with: users unlock NAME",
            )

    async def password_right(self, applicant: Applicant, password: str) -> bool:
        """Counts the guess before it is looked at. Takes as long for nobody as for somebody."""
        self.may_guess(applicant)
        self.guesses.failed(applicant.name, applicant.source)
        id = applicant.user.id if applicant.user else None
        kept = self.gate.store.read(lambda r: users.password(r, id)) if id else None
        right = await self.pool.matches(kept if self.passwords else None, password)
        if right:
            self.guesses.succeeded(applicant.name, applicant.source)
        return right

    def may_enroll(self, source: str) -> None:
        """Counts an enrollment that may fail, by its address alone."""
        applicant = Applicant(name=f"enroll {origin(source)}", user=None, source=source)
        self.may_guess(applicant)
        self.guesses.failed(applicant.name, source)

    def enrolled(self, source: str) -> None:
        self.guesses.lift(f"enroll {origin(source)}")
        self.guesses.lift(origin(source))

    async def close(self) -> None:
        self.pool.close()
