"""ID tokens (OpenID Connect Core 1.0, section 3.1.3.7): what is looked at before a word of one is believed."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from hmac import compare_digest

import msgspec
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from model.errors import Denied

MAX_TOKEN = 64 * 1024
SKEW = 60
"""Seconds that clocks may differ."""
OLDEST = 600
"""Seconds since a token was made: it was asked for just now."""
_EMBEDDED = ("jwk", "jku", "x5c", "x5u")


class UnknownKey(Denied):
    """Signed by a key that is not in the set: the provider may have changed its keys."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    issuer: str
    client_id: str
    algorithms: Sequence[str]
    nonce: str | None = None
    """None in flows without one: the device code comes straight from the provider."""
    fresh: bool = True
    """Whether the token must have been made just now."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What the token says, checked. Identity is (issuer, subject) and nothing else."""

    issuer: str
    subject: str
    auth_time: int | None
    all: Mapping[str, object]


def check_id_token(token: str, keys: KeySet, expected: Expected, now: int) -> Claims:
    """Raises `Denied` that names what is wrong, `UnknownKey` where the keys may be old. Never repeats the token."""
    if len(token) > MAX_TOKEN:
        raise _wrong("it is too large")
    header = _header(token)
    if header.get("alg") not in expected.algorithms:
        raise _wrong("its algorithm is not one of those agreed on")
    if any(part in header for part in _EMBEDDED):
        raise _wrong("it brings its own key")
    if "crit" in header:
        raise _wrong("it asks for what is not understood here")
    try:
        claims = jwt.decode(
            token, keys, algorithms=list(expected.algorithms), registry=_registry(expected.algorithms)
        ).claims
    except InvalidKeyIdError:
        raise UnknownKey("the provider's token is signed by a key that it does not publish") from None
    except BadSignatureError:
        raise UnknownKey("the signature of the provider's token is wrong") from None
    except (JoseError, ValueError, TypeError) as fault:
        raise _wrong(f"it is not a token ({type(fault).__name__})") from None
    return _believed(claims, expected, now)


def _registry(algorithms: Sequence[str]) -> JWSRegistry:
    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    registry.max_header_length = 4096
    return registry


def _header(token: str) -> dict[str, object]:
    part = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise _wrong("it is not a token") from None
    if token.count(".") != 2 or not isinstance(header, dict):
        raise _wrong("it is not a token")
    return header


def _believed(claims: Mapping[str, object], expected: Expected, now: int) -> Claims:
    if claims.get("iss") != expected.issuer:
        raise _wrong("it is of another issuer")
    _audience(claims, expected.client_id)
    _times(claims, expected, now)
    if expected.nonce is not None:
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not compare_digest(nonce.encode(), expected.nonce.encode()):
            raise _wrong("its nonce is not the one that was sent")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isascii():
        raise _wrong("it has no subject")
    auth_time = _seconds(claims, "auth_time")
    if auth_time is not None and auth_time > now + SKEW:
        raise _wrong("the login that it tells of is in the future")
    return Claims(issuer=expected.issuer, subject=subject, auth_time=auth_time, all=claims)


def _audience(claims: Mapping[str, object], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if client_id not in audiences:
        raise _wrong("it is for another client")
    authorized = claims.get("azp")
    if (len(audiences) > 1 or authorized is not None) and authorized != client_id:
        raise _wrong("it was made for another client")


def _times(claims: Mapping[str, object], expected: Expected, now: int) -> None:
    expires, made, begins = (_seconds(claims, claim) for claim in ("exp", "iat", "nbf"))
    if expires is None or made is None:
        raise _wrong("it has no time")
    if expires <= now - SKEW:
        raise _wrong("it has expired")
    if made > now + SKEW or (begins is not None and begins > now + SKEW):
        raise _wrong("it is from the future")
    if expected.fresh and made < now - OLDEST:
        raise _wrong("it is old")


def _seconds(claims: Mapping[str, object], claim: str) -> int | None:
    value = claims.get(claim)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise _wrong(f"its {claim} is not a time")
    return int(value)


def _wrong(why: str) -> Denied:
    return Denied(f"the provider's token is not accepted: {why}", hint="an operator sees more in the gate's log")
