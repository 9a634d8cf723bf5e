"""What is asked for beside a password: an authenticator's code, or one of its recovery codes; and setting one up."""

from __future__ import annotations

import time

from gate.login import records, totp
from gate.login.desk import Applicant, Desk
from gate.login.records import NewSecrets, Proof
from gate.login.talk import Conversation
from gate.services.logins import purpose
from model.records import User
from store import totp as kept_totp

TRIES = 3


def second_factor_of(desk: Desk, user: User) -> kept_totp.TOTP | None:
    kept = desk.gate.store.read(lambda r: kept_totp.get(r, user.name))
    return kept if kept and kept.confirmed_at is not None else None


def demanded(desk: Desk, user: User) -> bool:
    return records.needs_second_factor(user, str(desk.setting("login.second-factor", "off")))


def proof_of(user: User, factors: tuple[str, ...]) -> Proof:
    now = int(time.time())
    return Proof(
        user=user.name, method="password", factors=factors, login_at=now, fresh_at=now if len(factors) > 1 else None
    )


async def second_factor(desk: Desk, applicant: Applicant, talk: Conversation) -> Proof | None:
    user = applicant.user
    assert user is not None
    kept = second_factor_of(desk, user)
    if kept is None:
        if not demanded(desk, user):
            return proof_of(user, ("password",))
        chosen_ = await set_up(desk, user, talk)
        if chosen_ is None:
            return None
        await desk.write(lambda tx: records.keep_totp(tx, user.name, chosen_))
        return proof_of(user, ("password", "totp"))
    secret = desk.seal().open(kept.secret, purpose(user.name))
    for _ in range(TRIES):
        code = await talk.ask_one("Code of your authenticator, or a recovery code: ")
        desk.may_guess(applicant)
        desk.count_guess(applicant)
        factor = await _right(desk, user, secret, code)
        if factor:
            return proof_of(user, ("password", factor))
    return None


async def _right(desk: Desk, user: User, secret: bytes, code: str) -> str | None:
    if totp.looks_like_recovery(code):
        hash = totp.recovery_hash(user.name, code)
        used = await desk.gate.store.write(lambda tx: kept_totp.use_recovery_code(tx, user.name, hash))
        return "recovery-code" if used else None
    step = totp.step_of(secret, code, int(time.time()))
    if step is None:
        return None
    fresh = await desk.gate.store.write(lambda tx: records.code_used(tx, user.name, step))
    return "totp" if fresh else None


async def set_up(desk: Desk, user: User, talk: Conversation) -> NewSecrets | None:
    """An authenticator, from showing its secret to a right code of it, and then the recovery codes."""
    secret, recovery = totp.new_secret(), totp.new_recovery_codes()
    uri = totp.uri(secret, user.name, desk.gate.snapshot.domain)
    prompt = f"\nAdd this secret to your authenticator app: {totp.shown(secret)}\n(q for a QR code)\nCode: "
    step = None
    for _ in range(TRIES + 1):
        answer = await talk.ask_one(prompt, shows=True, patience=600)
        if answer.strip().lower() == "q":
            prompt = f"\n{totp.qr(uri)}\nCode: "
            continue
        step = totp.step_of(secret, answer, int(time.time()))
        if step is not None:
            break
        prompt = "That is not the code that it shows now. Code: "
    if step is None:
        return None
    listed = "\n".join(f"  {code}" for code in recovery)
    await talk.ask_one(f"\nEach of these gets you in once, should you lose it. Keep them:\n{listed}\nEnter: ")
    return NewSecrets(
        sealed_totp=desk.seal().seal(secret, purpose(user.name)), step=step,
        recovery_hashes=tuple(totp.recovery_hash(user.name, code) for code in recovery),
    )  # fmt: skip
