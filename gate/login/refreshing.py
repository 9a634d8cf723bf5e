"""Keeping in step with providers: whom one lets in no more loses their logins here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gate.actor import GATE
from gate.login import records, who
from gate.services import logins as operations
from model.errors import Denied, NotFound, Unavailable, WardgateError
from store import Transaction, identities, users

if TYPE_CHECKING:
    from gate.login.desk import Desk
    from gate.login.provider import Provider

log = logging.getLogger("wardgate.login")


def purpose(issuer: str, subject: str) -> str:
    """What a sealed refresh token is, and whose."""
    return f"refresh-token {issuer} {subject}"


async def refresh_due(desk: Desk, now: float) -> None:
    """Those whose last word from their provider is as old as its `refresh_every`."""
    by_issuer = {one.issuer.issuer: one for one in desk.providers.values() if one.issuer.refresh_every}
    for identity in await desk.gate.store.fetch(identities.refreshable):
        provider = by_issuer.get(identity.issuer)
        if provider is None or identity.seen_at + (provider.issuer.refresh_every or 0) > now:
            continue
        try:
            await _refresh(desk, provider, identity)
        except Unavailable as fault:
            log.warning("%s: %s", provider.name, fault.message)
            del by_issuer[identity.issuer]  # its others wait for the next round, and nobody else's
        except WardgateError as fault:
            log.warning("%s: %s", provider.name, fault.message)


async def _refresh(desk: Desk, provider: Provider, identity: identities.Identity) -> None:
    issuer, sealed_for = provider.issuer, purpose(identity.issuer, identity.subject)
    assert identity.refresh_token is not None
    try:
        tokens = await provider.refresh(desk.seal().open(identity.refresh_token, sealed_for).decode())
        claims = await provider.refreshed(tokens, identity.subject)
        told = who.told(issuer, claims.all, desk.gate.snapshot.user_domain) if claims else None
    except Denied as refused:
        log.warning("%s lets %s in no more: %s", provider.name, identity.user, refused.message)
        await desk.gate.store.write(lambda tx: identities.seen(tx, identity.issuer, identity.subject, None))
        await desk.gate.perform(operations.end, GATE, user=identity.user, reason=f"{provider.name} lets you in no more")
        return
    renewed = tokens.refresh_token
    sealed = desk.seal().seal(renewed.encode(), sealed_for) if renewed else identity.refresh_token

    def keep(tx: Transaction) -> None:
        identities.seen(tx, identity.issuer, identity.subject, sealed)
        user = users.by_name(tx, identity.user)
        if user is None:
            raise NotFound(f"{identity.user} was removed")
        if told:
            records.in_step(tx, issuer, user, told, "gate")

    await desk.write(keep)
