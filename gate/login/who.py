"""From a provider's claims to a person of this network: decided purely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from gate.login.issuers import Issuer
from model.errors import Denied, Invalid
from model.ids import UserName, user_name
from model.records import Role

MAX_GROUPS = 1000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    name: UserName
    """What the person is called here, by the provider's word."""
    email: str | None
    groups: tuple[str, ...] | None
    """The policy's groups, sorted; None where no claim carries groups."""
    role: Role | None
    """What the claim maps to; None where nothing maps."""


def told(issuer: Issuer, claims: Mapping[str, object], user_domain: str) -> Told:
    """Raises `Denied` for someone whom this network does not let in, in words for them."""
    name = _name(issuer, claims, user_domain)
    if not issuer.admits(name):
        raise Denied(f"{name} is not among the people whom this network lets in by this provider")
    values = _groups(issuer, claims)
    if issuer.groups and not set(values) & set(issuer.groups):
        raise Denied(f"{name} is in none of the groups that this network lets in")
    roles = [issuer.role_map[value] for value in values if value in issuer.role_map]
    order = list(Role)
    email = claims.get("email") if claims.get("email_verified") is True else None
    return Told(
        name=name,
        email=email if isinstance(email, str) and len(email) <= 254 and email.isprintable() else None,
        groups=_mapped(issuer, values) if issuer.groups_claim else None,
        role=min(roles, key=order.index) if roles else None,
    )


def _name(issuer: Issuer, claims: Mapping[str, object], user_domain: str) -> UserName:
    value = claims.get(issuer.name_claim)
    if not isinstance(value, str) or not value:
        raise Denied(
            f"the provider does not say who you are: the claim {issuer.name_claim} is missing",
            hint="an operator grants its scope, or chooses another claim in settings",
        )
    if issuer.name_claim == "email" and not issuer.unverified_email and claims.get("email_verified") is not True:
        raise Denied("the provider has not verified your e-mail address", hint="verify it there, then log in again")
    try:
        return user_name(value, user_domain)
    except Invalid as fault:
        raise Denied(f"the provider's name for you cannot be one here: {fault.message}") from None


def _groups(issuer: Issuer, claims: Mapping[str, object]) -> list[str]:
    if issuer.groups_claim is None:
        return []
    found: object = claims
    for part in issuer.groups_claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        return []
    return [value for value in found[:MAX_GROUPS] if isinstance(value, str)]


def _mapped(issuer: Issuer, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({issuer.group_map[value] for value in values if value in issuer.group_map}))
