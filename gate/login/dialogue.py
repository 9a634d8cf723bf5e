"""What is said at the keyboard before someone is let in. The first prompt is the same for all names."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gate.login import invitations, records, totp
from gate.login.desk import Applicant, Desk
from gate.login.records import NewSecrets, Proof
from gate.login.talk import Talk
from gate.services.logins import purpose
from model.errors import Denied, Invalid
from model.records import User
from store import totp as kept_totp

if TYPE_CHECKING:
    from gate.login.messages import DeviceCode, Tokens
    from gate.login.provider import Provider

Conversation = Talk[Proof | None]
BROWSER = "wardgate-login "
"""What `wardgate login` answers to the first prompt, with the address at which it waits for the browser."""
KEEPALIVE = 3.0
"""Seconds between two empty challenges: they keep a client that waits from giving up."""
TRIES = 3
_REDIRECT = re.compile(r"/[A-Za-z0-9/_-]{0,64}")


async def log_in(desk: Desk, applicant: Applicant, talk: Conversation) -> Proof | None:
    """None refuses. Raises `Limited`, `Unavailable` or `Denied` where the person is to know why."""
    providers = desk.providers_for(applicant.name)
    text = await talk.ask_one(first_prompt(desk, providers))
    if text.startswith(invitations.PREFIX):
        from gate.login.invited import by_invitation  # it goes on with what is here

        return await by_invitation(desk, applicant, talk, text)
    if text.startswith(BROWSER) and providers:
        return await by_browser(desk, applicant, talk, await chosen(talk, providers), text.removeprefix(BROWSER))
    if text == "" and providers:
        return await by_code(desk, applicant, talk, await chosen(talk, providers))
    if not await desk.password_right(applicant, text):
        return None
    return await second_factor(desk, applicant, talk)


def first_prompt(desk: Desk, providers: list[Provider]) -> str:
    if not providers:
        return "Password: "
    names = " or ".join(provider.name for provider in providers)
    return f"Password, or Enter for {names}: " if desk.passwords else f"Enter to log in with {names}: "


async def by_password(desk: Desk, applicant: Applicant, password: str) -> Proof | None:
    """In one step, for clients that cannot be asked more: enough only where a password is."""
    if not await desk.password_right(applicant, password):
        return None
    user = applicant.user
    assert user is not None
    if second_factor_of(desk, user) is not None or demanded(desk, user):
        return None
    return proof_of(user, ("password",))


# The second factor.


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


# Providers.


async def chosen(talk: Conversation, providers: list[Provider]) -> Provider:
    if len(providers) == 1:
        return providers[0]
    listed = ", ".join(f"{number} {provider.name}" for number, provider in enumerate(providers, 1))
    answer = await talk.ask_one(f"With which one? {listed}: ", shows=True)
    number = int(answer) if answer.strip().isdecimal() and len(answer) < 4 else 0
    if not 1 <= number <= len(providers):
        raise Invalid("there is no provider of that number", hint="connect again")
    return providers[number - 1]


def _known(applicant: Applicant, provider: Provider) -> bool:
    return applicant.user is not None or provider.issuer.create


async def by_code(desk: Desk, applicant: Applicant, talk: Conversation, provider: Provider) -> Proof | None:
    """The device code (RFC 8628): an address and a code to type there, on any machine with a browser."""
    with desk.waiting_code(applicant.source):
        known = _known(applicant, provider)
        code = await (provider.start_code() if known else provider.pretend_code())
        await _show(talk, desk, applicant, code)
        tokens = await _finished(talk, provider, code, known)
    return await desk.admit(provider, await provider.claims(tokens), tokens, applicant)


async def _show(talk: Conversation, desk: Desk, applicant: Applicant, code: DeviceCode) -> None:
    """In a prompt, in ASCII: what OpenSSH prints of names and instructions is cut and escaped."""
    head = f"\nLogin of {applicant.name} at {desk.gate.snapshot.domain}, asked for from {applicant.source}.\n"
    where = f"Open   {code.verification_uri}\nand enter the code   {code.user_code}\n"
    prompt = head + where + "Then press Enter here (q: a QR code): "
    while (await talk.ask_one(prompt, shows=True, patience=code.expires_in + 30)).strip().lower() == "q":
        prompt = f"\n{totp.qr(code.verification_uri_complete or code.verification_uri)}\n{where}Then press Enter: "


async def _finished(talk: Conversation, provider: Provider, code: DeviceCode, known: bool) -> Tokens:
    """Asks the provider as often as it allows, and the client for nothing, so that both stay patient."""
    loop = asyncio.get_running_loop()
    interval, until, next_poll = code.interval, loop.time() + code.expires_in, loop.time()
    while loop.time() < until:
        if loop.time() >= next_poll:
            if known:
                tokens, interval = await provider.poll_code(code, interval)
                if tokens:
                    return tokens
            next_poll = loop.time() + interval
        await asyncio.sleep(max(0.0, min(KEEPALIVE, next_poll - loop.time())))
        await talk.ask()
    raise Denied("the code's time is over", hint="begin again")


async def by_browser(
    desk: Desk, applicant: Applicant, talk: Conversation, provider: Provider, redirect: str
) -> Proof | None:
    """The authorization code with PKCE (RFC 7636, RFC 8252): the program on the person's machine opens the browser
    and hands back what it came back with; everything secret stays here."""
    with desk.waiting_code(applicant.source):
        known = _known(applicant, provider)
        flow = await provider.start_flow(_loopback(redirect), known=known)
        answer = await talk.ask_one(f"{BROWSER}{flow.address}", patience=600)
        code, _, state = answer.partition(" ")
        tokens = await provider.redeem(flow, code, state, known=known)
    return await desk.admit(provider, await provider.claims(tokens, flow.nonce), tokens, applicant)


def _loopback(address: str) -> str:
    """RFC 8252, section 7.3: the loopback address itself, any port."""
    try:
        parts = urlsplit(address)
        right = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1"} and parts.port and not parts.username
        plain = not parts.query and not parts.fragment and _REDIRECT.fullmatch(parts.path)
    except ValueError:
        right = plain = None
    if not (right and plain):
        raise Invalid("the browser's answer goes to this machine alone", hint="like http://127.0.0.1:PORT/callback")
    return address
