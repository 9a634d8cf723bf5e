"""Logins that an OpenID provider vouches for: by a code that is typed there, or by the person's own browser."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gate.login import totp
from gate.login.desk import Applicant, Desk
from gate.login.records import Proof
from gate.login.talk import Conversation
from model.errors import Denied, Invalid

if TYPE_CHECKING:
    from gate.login.messages import DeviceCode, Tokens
    from gate.login.provider import Provider

BROWSER = "wardgate-login "
"""What `wardgate login` answers to the first prompt, with the address at which it waits for the browser."""
KEEPALIVE = 3.0
"""Seconds between two empty challenges: they keep a client that waits from giving up."""
_REDIRECT = re.compile(r"/[A-Za-z0-9/_-]{0,64}")


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
