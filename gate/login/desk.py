"""Where people prove who they are: what all logins of one gate share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gate.actor import GATE
from gate.login import issuers, records, refreshing, who
from gate.login.guesses import Guesses
from gate.login.passwords import Pool
from gate.login.rates import Bucket, origin
from gate.login.records import Proof
from gate.login.sealing import Seal
from gate.login.tokens import Claims
from gate.services import logins as operations
from model.errors import Invalid, Limited, WardgateError
from model.ids import UserName, quoted
from model.records import User
from store import Transaction, users

if TYPE_CHECKING:
    from gate.gate import Gate
    from gate.login.messages import Tokens
    from gate.login.provider import Provider

T = TypeVar("T")
log = logging.getLogger("wardgate.login")

CODES, CODES_PER_ADDRESS = 200, 10
"""Logins that may wait for a provider's code, in all and from one address."""
CODE_LIFE = 960.0
LOCKS_A_SECOND, LOCKS_AT_ONCE = 0.2, 60
"""Locks that are written into the audit trail; a storm of guesses at many names is told by the number of the rest."""
REFRESH_LOOK = 30.0
NOTED_AGAIN = 3600.0
"""Seconds in which logins with one key from one address are one entry: scripts come every minute."""


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who wants in under a name."""

    name: str
    """As guesses are counted by: prepared and case-folded, whether anyone has it or not."""
    user: User | None
    """Who has that name; None for nobody, one who is disabled, and a service user."""
    source: str


class Desk:
    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.guesses = Guesses(time.monotonic)
        self.pool = Pool()
        self._providers: dict[str, Provider] = {}
        self._configured: object = None
        self._codes: Counter[str] = Counter()
        self._locks, self._unwritten = Bucket(LOCKS_A_SECOND, LOCKS_AT_ONCE), 0
        self._noted: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def close(self) -> None:
        self._refreshing.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        self.pool.close()
        for provider in self._providers.values():
            await provider.close()

    def later(self, work: Callable[[], object]) -> None:
        """Awaits what `work` gives, and logs what it raises."""

        async def run() -> None:
            try:
                await work()  # type: ignore[misc]
            except WardgateError as refused:
                log.warning("%s", refused.message)
            except Exception:
                log.exception("what follows from a login failed")

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """One transaction; when it returns, the snapshot includes what it changed."""
        done, number = await self.gate.store.write(lambda tx: (work(tx), tx.changes[-1].number if tx.changes else 0))
        await self.gate.reached(number)
        return done

    # What settings say.

    def setting(self, key: str, default: object) -> object:
        return self.gate.snapshot.settings.get(key, default)

    @property
    def passwords(self) -> bool:
        return bool(self.setting("login.passwords", True))

    @property
    def login_life(self) -> int:
        return int(str(self.setting("login.life", 16 * 3600)))

    def seal(self) -> Seal:
        return Seal.of(self.gate.state)

    @property
    def providers(self) -> dict[str, Provider]:
        """As settings name them now; broken settings mean none, and everything else goes on."""
        configured = self.setting("login.issuers", {})
        if configured != self._configured:
            self._configured = configured
            for provider in self._providers.values():
                self.later(partial(_retire, provider))
            try:
                found = issuers.parse(configured, self.gate.snapshot.user_domain)
            except Invalid as fault:
                log.error("%s", fault.message)
                found = {}
            self._providers = _made(found)
            for provider in self._providers.values():
                self.later(provider.metadata)  # ready for those whom it is not asked about
        return self._providers

    def providers_for(self, name: str) -> list[Provider]:
        """By the name alone, whether anyone has it or not."""
        return [provider for provider in self.providers.values() if provider.issuer.admits(name)]

    # Guesses.

    def may_guess(self, applicant: Applicant) -> None:
        """Raises `Limited` while the name or the address has to wait."""
        wait = self.guesses.wait(applicant.name, applicant.source)
        if wait > 0:
            raise Limited(
                f"too many wrong logins; try again in {int(wait) + 1} s",
                hint="a registered key gets in meanwhile; an operator lifts this with: users unlock NAME",
            )

    def count_guess(self, applicant: Applicant) -> None:
        """Before it is looked at; a login that succeeds takes it back. A lock that begins is audited."""
        locked = self.guesses.failed(applicant.name, applicant.source)
        if not locked:
            return
        if not self._locks.take(time.monotonic()):
            self._unwritten += 1
            return
        who_, where, after = applicant.name, applicant.source, {"seconds": int(locked)}
        log.warning("login locked name=%s source=%s seconds=%d", quoted(who_), where, locked)
        if self._unwritten:
            after["others_unwritten"], self._unwritten = self._unwritten, 0
        self.later(
            lambda: self.gate.store.write(lambda tx: tx.audit("gate", "login locked", who_, after=after, source=where))
        )

    async def password_right(self, applicant: Applicant, password: str) -> bool:
        """Takes as long for nobody as for somebody."""
        self.may_guess(applicant)
        self.count_guess(applicant)
        id = applicant.user.id if applicant.user else None
        kept = self.gate.store.read(lambda r: users.password(r, id)) if id else None
        return await self.pool.matches(kept if self.passwords else None, password)

    def may_enroll(self, source: str) -> None:
        """Counts an enrollment that may fail, by its address alone."""
        applicant = Applicant(name=f"enroll {origin(source)}", user=None, source=source)
        self.may_guess(applicant)
        self.count_guess(applicant)

    def enrolled(self, source: str) -> None:
        self.guesses.lift(f"enroll {origin(source)}")
        self.guesses.lift(origin(source))

    @contextmanager
    def waiting_code(self, source: str) -> Iterator[None]:
        """Counts a login that waits for a provider. Raises `Limited`."""
        where = origin(source)
        if self._codes.total() >= CODES or self._codes[where] >= CODES_PER_ADDRESS:
            raise Limited("too many logins wait for the provider", hint="finish or leave one, then try again")
        self._codes[where] += 1
        try:
            yield
        finally:
            self._codes[where] -= 1

    # Who got in.

    def note(self, proof: Proof, source: str, key: str) -> None:
        """Records a login. With a registered key it is one login for an hour, however often it comes."""
        now = time.monotonic()
        mark = (proof.user, source, key)
        if proof.method == "key" and not proof.break_glass and self._noted.get(mark, 0.0) > now:
            return
        self._noted.pop(mark, None)
        self._noted[mark] = now + NOTED_AGAIN
        while len(self._noted) > 10_000:
            self._noted.popitem(last=False)
        if proof.break_glass:
            log.warning("%s logged in by the break-glass key, from %s", proof.user, source)
        log.info("login user=%s method=%s source=%s", proof.user, proof.method, source)
        ends_at = proof.login_at + self.login_life
        self.later(lambda: self.gate.store.write(lambda tx: records.login(tx, proof, source, ends_at, key)))

    async def admit(self, provider: Provider, claims: Claims, tokens: Tokens, applicant: Applicant) -> Proof:
        """The person whom a provider's checked claims are about. Raises `Denied`."""
        issuer = provider.issuer
        told = who.told(issuer, claims.all, self.gate.snapshot.user_domain)
        sealed = None
        if tokens.refresh_token and issuer.refresh_every:
            sealed = self.seal().seal(tokens.refresh_token.encode(), refreshing.purpose(issuer.issuer, claims.subject))
        wanted = UserName(applicant.name)
        user = await self.write(
            lambda tx: records.by_provider(tx, issuer, claims.subject, told, wanted, sealed, applicant.source)
        )
        return Proof(
            user=user.name, method="oidc", factors=(provider.name,), login_at=int(time.time()),
            fresh_at=claims.auth_time,
        )  # fmt: skip

    # Keeping in step with providers.

    async def _refresh(self) -> None:
        since = int(time.time())
        while True:
            await asyncio.sleep(REFRESH_LOOK)
            try:
                await self.refresh_due()
                if self.setting(operations.FOLLOW, False):
                    await self.gate.perform(operations.lapse, GATE, since=since)
                since = int(time.time()) - 1
            except Exception:
                log.exception("logins were not kept in step")

    async def refresh_due(self, now: float | None = None) -> None:
        """Asks providers about the people whose turn it is."""
        await refreshing.refresh_due(self, time.time() if now is None else now)


async def _retire(provider: Provider) -> None:
    """Logins that are under way with it may finish."""
    try:
        await asyncio.sleep(CODE_LIFE)
    finally:
        await provider.close()


def _made(found: dict[str, issuers.Issuer]) -> dict[str, Provider]:
    """What speaks HTTP is imported where it is needed: most gates start without."""
    if not found:
        return {}
    from gate.login.provider import Provider

    return {name: Provider(name, issuer) for name, issuer in found.items()}
