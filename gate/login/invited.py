"""What an invitation opens: its person sets what they log in with from now on, and is in.

code ─▶ which way ─┬▶ a provider's account, which is bound to the name
                   ├▶ a password, and perhaps an authenticator
                   └▶ an SSH key
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from gate.login import invitations, keys, records
from gate.login.byprovider import BROWSER, by_browser, by_code, chosen
from gate.login.desk import Applicant, Desk
from gate.login.passwords import MAX_LENGTH, MIN_LENGTH, hash_password
from gate.login.records import NewSecrets, Proof
from gate.login.secondfactor import TRIES, demanded, proof_of, second_factor, second_factor_of, set_up
from gate.login.talk import Conversation
from model.errors import Invalid
from model.keys import ssh_key
from model.records import User

if TYPE_CHECKING:
    from gate.login.provider import Provider

Given = tuple[NewSecrets | None, Proof | None]


async def by_invitation(desk: Desk, applicant: Applicant, talk: Conversation, text: str) -> Proof | None:
    """It is used up with the last step, all at once."""
    desk.may_guess(applicant)
    desk.count_guess(applicant)
    user, hash = applicant.user, invitations.hash_of(text)
    if user is None or hash is None or not desk.gate.store.read(lambda r: records.invited(r, user, hash)):
        return None
    providers = desk.providers_for(applicant.name)
    way = (await talk.ask_one(_ways(desk, providers), shows=True, patience=300)).strip()
    if way.lower() == "k" or not (providers or desk.passwords):
        given, proof = await _new_key(desk, applicant, user, talk)
    elif providers and (way.lower() != "p" or not desk.passwords):
        given, proof = NewSecrets(), await _provider(desk, applicant, talk, await chosen(talk, providers), way)
    else:
        given, proof = await _new_secrets(desk, applicant, user, talk)
    if given and proof:
        await desk.write(lambda tx: records.use_invitation(tx, user, hash, given, applicant.source))
        return proof
    return None


def _ways(desk: Desk, providers: list[Provider]) -> str:
    """Enter is the first of them."""
    ways = [f"log in with {' or '.join(one.name for one in providers)} from now on"] if providers else []
    ways += ["p to set a password"] if desk.passwords else []
    ways.append("k to register an SSH key")
    first, *others = ways
    return ", ".join([f"Press Enter to {first.partition(' to ')[2] or first}", *others]) + ": "


async def _provider(desk: Desk, applicant: Applicant, talk: Conversation, provider: Provider, way: str) -> Proof | None:
    if way.startswith(BROWSER):
        return await by_browser(desk, applicant, talk, provider, way.removeprefix(BROWSER))
    return await by_code(desk, applicant, talk, provider)


async def _new_secrets(desk: Desk, applicant: Applicant, user: User, talk: Conversation) -> Given:
    """A new password never passes by an authenticator that is there: an operator takes a lost one away first."""
    password = await _new_password(talk)
    if password is None:
        return None, None
    given: NewSecrets | None = NewSecrets(password_hash=password)
    if second_factor_of(desk, user) is not None:
        return given, await second_factor(desk, applicant, talk)
    given = await _new_second_factor(desk, user, talk, password)
    if given is None:
        return None, None
    return given, proof_of(user, ("password", "totp") if given.sealed_totp else ("password",))


async def _new_second_factor(desk: Desk, user: User, talk: Conversation, password: str) -> NewSecrets | None:
    if not demanded(desk, user):
        answer = await talk.ask_one("Set up an authenticator app too? y or n: ", shows=True)
        if not answer.strip().lower().startswith("y"):
            return NewSecrets(password_hash=password)
    second = await set_up(desk, user, talk)
    return msgspec.structs.replace(second, password_hash=password) if second else None


async def _new_password(talk: Conversation) -> str | None:
    """The hash of one that was typed twice alike."""
    why = f"{MIN_LENGTH} to {MAX_LENGTH} characters. "
    for _ in range(TRIES):
        first, again = await talk.ask((f"{why}New password: ", False), ("Again: ", False), patience=300)
        if first != again:
            why = "They differ. "
            continue
        try:
            return await asyncio.to_thread(hash_password, first)
        except Invalid as fault:
            why = f"{fault.message}. "
    return None


async def _new_key(desk: Desk, applicant: Applicant, user: User, talk: Conversation) -> Given:
    """One that `keys add` would take; no more than a password does it pass by an authenticator that is there."""
    why = ""
    for _ in range(TRIES):
        line = await talk.ask_one(f"{why}Your public key, the line of a .pub file: ", shows=True, patience=300)
        try:
            given = NewSecrets(key=ssh_key(line), comment=keys.comment_of(line))
            break
        except Invalid as fault:
            why = f"{fault.message}. "
    else:
        return None, None
    if second_factor_of(desk, user) is not None and await second_factor(desk, applicant, talk) is None:
        return None, None
    now = int(time.time())
    return given, Proof(user=user.name, method="invitation", factors=("invitation",), login_at=now)
