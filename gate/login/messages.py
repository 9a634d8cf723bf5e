"""What a provider says (OpenID Connect Discovery 1.0, RFC 8628), and whether it can be shown to a person."""

from __future__ import annotations

import secrets

import msgspec

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class Metadata(msgspec.Struct, frozen=True):
    """OpenID Connect Discovery 1.0; fields that are not used are passed over."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    authorization_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    userinfo_endpoint: str | None = None


class DeviceCode(msgspec.Struct, frozen=True):
    """RFC 8628, section 3.2."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    verification_uri_complete: str | None = None
    interval: int = 5

    def __repr__(self) -> str:
        return f"DeviceCode({self.verification_uri!r})"


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    id_token: str = ""
    """Empty where a refresh brought none."""
    access_token: str
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return "Tokens(…)"


class Flow(msgspec.Struct, frozen=True):
    """An authorization code on its way (RFC 7636); the client sees the address alone."""

    address: str
    state: str
    nonce: str
    verifier: str
    redirect: str

    def __repr__(self) -> str:
        return "Flow(…)"


def plain(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable()


def address(text: str) -> bool:
    return text.startswith(("https://", "http://")) and len(text) <= 512 and text.isascii() and text.isprintable()


def code_like(code: str) -> str:
    """Another code of the same shape."""
    letters = {True: "0123456789", False: _LETTERS}
    made = (secrets.choice(letters[char.isdigit()]) if char.isalnum() else char for char in code)
    text = "".join(made)
    return text.lower() if code.islower() else text
