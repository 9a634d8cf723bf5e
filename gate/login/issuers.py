"""OpenID Connect providers as `settings` names them: one checked value each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from model.errors import Invalid
from model.ids import quoted, user_name
from model.records import Role

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9 ._-]{0,30}[a-z0-9])?", re.IGNORECASE)
_GROUP = re.compile(r"group:[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures by a public key alone: a token that the provider's public key could have made is none."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`login.issuers` is an object of these by name. docs/login.md has one for each known provider."""

    issuer: str
    """Its identifier, exactly as its tokens have it; `/.well-known/openid-configuration` stands under it."""
    client_id: str
    client_secret: str | None = None
    auth_method: Literal["client_secret_basic", "client_secret_post", "none"] | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "email"
    """Which claim is the person's name here; a bare one is taken under the network's user domain."""
    unverified_email: bool = False
    """Whether `email` counts as a name without `email_verified`."""
    domains: tuple[str, ...] = ()
    """People whose names end so may log in here; empty means all."""
    groups: tuple[str, ...] = ()
    """One of these values in the groups claim is needed; empty means none is."""
    users: tuple[str, ...] = ()
    """Only these people; empty means all."""
    groups_claim: str | None = None
    group_map: Mapping[str, str] = {}
    """The claim's value -> the policy's group: {"engineering": "group:eng"}."""
    role_map: Mapping[str, Role] = {}
    """The claim's value -> a role, the highest counts. Owners are made by owners alone."""
    create: bool = False
    """Whether someone whom the provider lets in, and who is of `domains`, becomes a user by logging in."""
    max_age: int | None = None
    """Seconds; asks the provider for a login no older, and so for the time of it."""
    refresh_every: int | None = None
    """Seconds between asks whether the person still is let in there; needs the scope offline_access."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")

    def __repr__(self) -> str:
        return f"Issuer({self.issuer!r}, client_id={self.client_id!r})"

    @property
    def authentication(self) -> str:
        return self.auth_method or ("client_secret_basic" if self.client_secret else "none")

    def admits(self, name: str) -> bool:
        """Whether a person of that name may log in with this provider, as far as the name says."""
        domain = name.rpartition("@")[2]
        return (not self.domains or domain in self.domains) and (not self.users or name in self.users)


def parse(value: object, user_domain: str = "invalid.example") -> dict[str, Issuer]:
    """The providers that the setting's JSON describes. Raises `Invalid` with the place, and never the secret."""
    try:
        found = msgspec.convert(value or {}, dict[str, Issuer])
    except msgspec.ValidationError as fault:
        raise Invalid(f"login.issuers: {fault}", hint="docs/login.md has an example for each provider") from None
    return {name: _checked(name, issuer, user_domain) for name, issuer in found.items()}


def _checked(name: str, issuer: Issuer, user_domain: str) -> Issuer:
    if not _NAME.fullmatch(name):
        raise Invalid(f"login.issuers: {quoted(name)} is not a provider's name", hint="letters and digits, up to 32")
    where = urlsplit(issuer.issuer)
    if where.scheme != "https" and not (where.scheme == "http" and where.hostname in _LOOPBACK):
        raise Invalid(f"login.issuers: {name}: the issuer is an https:// address")
    if where.query or where.fragment or where.username:
        raise Invalid(f"login.issuers: {name}: an issuer has neither a query nor a user in it")
    if unknown := sorted(set(issuer.algorithms) - ALGORITHMS):
        raise Invalid(f"login.issuers: {name}: {unknown[0]} is not an algorithm that is taken")
    if wrong := [group for group in issuer.group_map.values() if not _GROUP.fullmatch(group)]:
        raise Invalid(f"login.issuers: {name}: {quoted(wrong[0])} is not a group", hint="it reads like group:eng")
    if Role.OWNER in issuer.role_map.values():
        raise Invalid(f"login.issuers: {name}: no claim makes an owner", hint="owners are made by owners")
    if issuer.create and not issuer.domains:
        raise Invalid(f"login.issuers: {name}: create needs domains", hint="name the domains whose people may come")
    if "openid" not in issuer.scopes:
        raise Invalid(f"login.issuers: {name}: the scope openid is missing")
    return msgspec.structs.replace(
        issuer,
        domains=tuple(domain.strip().rstrip(".").lower() for domain in issuer.domains),
        users=tuple(user_name(user, user_domain) for user in issuer.users),
    )
