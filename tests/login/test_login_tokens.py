"""ID tokens: a good one is believed, every hostile one is refused by name."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable

import pytest
from joserfc import jws
from joserfc.jwk import KeySet, RSAKey

from gate.login.tokens import Claims, Expected, UnknownKey, check_id_token
from model.errors import Denied

NOW = int(time.time())
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, auto_kid=False)
OTHER = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"}, auto_kid=False)
KEYS = KeySet.import_key_set({"keys": [KEY.as_dict(private=False)]})
EXPECTED = Expected(issuer="https://idp.test", client_id="wardgate", algorithms=("RS256", "ES256"), nonce="n-1")


def a_token(header: dict[str, object] | None = None, key: RSAKey = KEY, **changed: object) -> str:
    claims = {
        "iss": "https://idp.test", "aud": "wardgate", "sub": "s-1", "exp": NOW + 300, "iat": NOW, "nonce": "n-1",
        "email": "alice@net.test",
    } | changed  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"alg": "RS256", "kid": "one"} | (header or {})
    registry = jws.JWSRegistry(algorithms=["RS256", "HS256", "ES256"], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = 1 << 20
    return jws.serialize_compact(head, json.dumps(claims), key, registry=registry)


def unsigned(header: dict[str, object], claims: dict[str, object]) -> str:
    parts = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join((*parts, ""))


def checked(token: str, expected: Expected = EXPECTED) -> Claims:
    return check_id_token(token, KEYS, expected, NOW)


def test_a_good_token_is_believed() -> None:
    claims = checked(a_token(auth_time=NOW - 5))
    assert (claims.issuer, claims.subject, claims.auth_time) == ("https://idp.test", "s-1", NOW - 5)


def hs256_with_the_public_key() -> str:
    signed = a_token().rpartition(".")[0].split(".")
    signed[0] = urlsafe_b64encode(b'{"alg": "HS256", "kid": "one"}').rstrip(b"=").decode()
    text = ".".join(signed)
    mac = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


HOSTILE: dict[str, tuple[Callable[[], str], str]] = {
    "algorithm-none": (lambda: unsigned({"alg": "none"}, {"iss": "https://idp.test"}), "algorithm"),
    "algorithm-missing": (lambda: unsigned({}, {}), "algorithm"),
    "hs256-with-the-rsa-key": (hs256_with_the_public_key, "algorithm"),
    "another-issuer": (lambda: a_token(iss="https://evil.test"), "another issuer"),
    "issuer-with-a-slash": (lambda: a_token(iss="https://idp.test/"), "another issuer"),
    "another-audience": (lambda: a_token(aud="other"), "another client"),
    "no-audience": (lambda: a_token(aud=None), "another client"),
    "two-audiences-without-azp": (lambda: a_token(aud=["wardgate", "other"]), "another client"),
    "another-azp": (lambda: a_token(azp="other"), "another client"),
    "another-nonce": (lambda: a_token(nonce="n-2"), "nonce"),
    "no-nonce": (lambda: a_token(nonce=None), "nonce"),
    "expired": (lambda: a_token(exp=NOW - 3600), "expired"),
    "no-expiry": (lambda: a_token(exp=None), "no time"),
    "from-the-future": (lambda: a_token(iat=NOW + 3600), "future"),
    "not-valid-yet": (lambda: a_token(nbf=NOW + 3600), "future"),
    "old": (lambda: a_token(iat=NOW - 7200), "old"),
    "time-as-text": (lambda: a_token(exp="tomorrow"), "not a time"),
    "time-as-boolean": (lambda: a_token(exp=True), "not a time"),
    "endless-time": (lambda: a_token(exp=1e300), "not a time"),
    "future-login": (lambda: a_token(auth_time=NOW + 3600), "future"),
    "no-subject": (lambda: a_token(sub=None), "no subject"),
    "empty-subject": (lambda: a_token(sub=""), "no subject"),
    "subject-of-another-kind": (lambda: a_token(sub=["s-1"]), "no subject"),
    "huge": (lambda: a_token(pad="x" * 70_000), "too large"),
    "embedded-key": (lambda: a_token({"jwk": OTHER.as_dict(private=False)}, OTHER), "its own key"),
    "embedded-address-of-keys": (lambda: a_token({"jku": "https://evil.test/keys"}, OTHER), "its own key"),
    "unknown-crit": (lambda: unsigned({"alg": "RS256", "crit": ["x"], "x": 1}, {}), "not understood"),
    "not-a-token": (lambda: "rubbish", "not a token"),
    "encrypted": (lambda: "a.b.c.d.e", "not a token"),
    "header-of-another-kind": (lambda: unsigned([], {}), "not a token"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused_by_name(name: str) -> None:
    make, says = HOSTILE[name]
    token = make()
    with pytest.raises(Denied, match=says) as refused:
        checked(token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: a_token({"kid": "two"}, OTHER), id="unknown-key-id"),
        pytest.param(lambda: a_token({"kid": "one"}, OTHER), id="wrong-signature"),
    ],
)
def test_a_token_of_another_key_asks_for_the_keys_anew(token: Callable[[], str]) -> None:
    with pytest.raises(UnknownKey):
        checked(token())


def test_two_audiences_with_the_right_azp_are_fine() -> None:
    assert checked(a_token(aud=["other", "wardgate"], azp="wardgate")).subject == "s-1"


def test_clocks_may_differ_by_a_minute() -> None:
    assert checked(a_token(exp=NOW - 30, iat=NOW + 30)).subject == "s-1"
