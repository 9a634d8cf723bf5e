"""What is said at the keyboard before someone is let in. The first prompt is the same for all names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.login import invitations
from gate.login.byprovider import BROWSER, by_browser, by_code, chosen
from gate.login.desk import Applicant, Desk
from gate.login.invited import by_invitation
from gate.login.records import Proof
from gate.login.secondfactor import demanded, proof_of, second_factor, second_factor_of
from gate.login.talk import Conversation

if TYPE_CHECKING:
    from gate.login.provider import Provider


async def log_in(desk: Desk, applicant: Applicant, talk: Conversation) -> Proof | None:
    """None refuses. Raises `Limited`, `Unavailable` or `Denied` where the person is to know why."""
    providers = desk.providers_for(applicant.name)
    text = await talk.ask_one(first_prompt(desk, providers))
    if text.startswith(invitations.PREFIX):
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
