"""Talking to one OpenID Connect provider. Everything it says is bounded in size and time, and believed only checked."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

import httpx
import msgspec
from authlib.common.errors import AuthlibBaseError
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gate.login.exchanges import MEANWHILE, Exchanges
from gate.login.issuers import Issuer
from gate.login.messages import DeviceCode, Flow, Metadata, Tokens, address, code_like, plain
from gate.login.tokens import Claims, Expected, UnknownKey, check_id_token
from model.errors import Denied, Unavailable

log = logging.getLogger("wardgate.login")

KEPT_FOR = 3600.0
KEYS_AGAIN = 30.0
"""Seconds between two fetches of keys that were asked for by unknown key ids."""
SLOWER = 5
"""Seconds that `slow_down` adds (RFC 8628, section 3.5); also the interval where none is given."""
LONGEST_CODE = 900
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Provider(Exchanges):
    def __init__(self, name: str, issuer: Issuer) -> None:
        super().__init__(name, issuer)
        self.last_code: DeviceCode | None = None
        """What the provider's codes look like, and how long it took to get one."""
        self.last_delay = 0.2
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._lock = asyncio.Lock()

    # The device code (RFC 8628).

    async def start_code(self) -> DeviceCode:
        metadata = await self.metadata()
        if metadata.device_authorization_endpoint is None:
            raise Unavailable(f"{self.name} offers no login by device code", hint="use: wardgate login NAME@GATE")
        began = time.monotonic()
        form = {"client_id": self.issuer.client_id, "scope": " ".join(self.issuer.scopes)}
        auth = None
        if self.issuer.client_secret and self.issuer.authentication == "client_secret_basic":
            auth = httpx.BasicAuth(self.issuer.client_id, self.issuer.client_secret)
        elif self.issuer.client_secret:
            form["client_secret"] = self.issuer.client_secret
        code = await self.json("POST", metadata.device_authorization_endpoint, DeviceCode, data=form, auth=auth)
        code = msgspec.structs.replace(
            code, expires_in=max(30, min(code.expires_in, LONGEST_CODE)), interval=max(1, min(code.interval, 60))
        )
        if not address(code.verification_uri) or not plain(code.user_code):
            raise Unavailable(f"{self.name} sent a code that cannot be shown", hint=MEANWHILE)
        if code.verification_uri_complete and not address(code.verification_uri_complete):
            code = msgspec.structs.replace(code, verification_uri_complete=None)
        self.last_code, self.last_delay = code, time.monotonic() - began
        return code

    async def pretend_code(self) -> DeviceCode:
        """What someone whom nobody knows is shown: like the last real one, and as slow, and good for nothing. The
        provider hears nothing of it, but where it was out of reach lately it is here too."""
        if time.monotonic() < self.down_until:
            raise Unavailable(f"{self.name} cannot be reached", hint=MEANWHILE)
        await asyncio.sleep(self.last_delay)
        like = self.last_code
        if like is None:
            return DeviceCode("", code_like("BCDF-GHJK"), self.issuer.issuer.rstrip("/") + "/device", LONGEST_CODE)
        made = code_like(like.user_code)
        complete = like.verification_uri_complete
        return msgspec.structs.replace(
            like, device_code="", user_code=made,
            verification_uri_complete=complete.replace(like.user_code, made) if complete else None,
        )  # fmt: skip

    async def poll_code(self, code: DeviceCode, interval: int) -> tuple[Tokens | None, int]:
        """None while the person has not finished, and the seconds to wait before asking again.

        Raises `Denied` where they said no or took too long.
        """
        try:
            return await self._token(grant_type=DEVICE_GRANT, device_code=code.device_code), interval
        except AuthlibBaseError as fault:
            if fault.error == "authorization_pending":
                return None, interval
            if fault.error == "slow_down":
                return None, interval + SLOWER
            raise self._refused(fault) from None

    # The authorization code with PKCE.

    async def start_flow(self, redirect: str, *, known: bool = True) -> Flow:
        """For someone whom nobody knows the provider is not asked, not even where its pages are."""
        metadata = await self.metadata() if known else await self._remembered()
        if metadata.authorization_endpoint is None:
            raise Unavailable(f"{self.name} offers no login in a browser")
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        more = {"max_age": self.issuer.max_age} if self.issuer.max_age is not None else {}
        if "offline_access" in self.issuer.scopes:
            more["prompt"] = "consent"  # type: ignore[assignment]
        address, state = self.client.create_authorization_url(
            metadata.authorization_endpoint, code_verifier=verifier, nonce=nonce, redirect_uri=redirect,
            state=secrets.token_urlsafe(24), **more,
        )  # fmt: skip
        return Flow(str(address), str(state), nonce, verifier, redirect)

    async def redeem(self, flow: Flow, code: str, state: str, *, known: bool = True) -> Tokens:
        """Someone whom nobody knows is refused like someone whom the provider refuses, and it hears nothing of it."""
        if not compare_digest(state.encode(), flow.state.encode()):
            raise Denied("the answer from the browser belongs to another login", hint="begin again")
        if not code:
            raise Denied(f"{self.name} did not let you in")
        if not known:
            await asyncio.sleep(self.last_delay)
            raise self._not_accepted()
        try:
            return await self._token(
                grant_type="authorization_code", code=code, redirect_uri=flow.redirect, code_verifier=flow.verifier
            )
        except AuthlibBaseError as fault:
            raise self._refused(fault) from None

    async def refresh(self, token: str) -> Tokens:
        """Raises `Denied` where the provider lets the person in no more."""
        try:
            return await self._token(grant_type="refresh_token", refresh_token=token)
        except AuthlibBaseError as fault:
            raise self._refused(fault) from None

    async def refreshed(self, tokens: Tokens, subject: str) -> Claims | None:
        """What the provider says of `subject` after a refresh; None where it only lets them in, without a word.

        It need not make an ID token then (OpenID Connect Core 1.0, section 12.2), but may tell by userinfo. Raises
        `Denied` where it answers about someone else.
        """
        metadata = await self.metadata()
        if tokens.id_token:
            claims = await self.claims(tokens)
        elif metadata.userinfo_endpoint:
            more = await self._userinfo(metadata.userinfo_endpoint, tokens)
            claims = Claims(issuer=self.issuer.issuer, subject=str(more.get("sub")), auth_time=None, all=more)
        else:
            return None
        if claims.subject != subject:
            raise Denied("the provider answers about someone else")
        return claims

    # What the tokens say.

    async def claims(self, tokens: Tokens, nonce: str | None = None, *, fresh: bool = True) -> Claims:
        """The checked claims, with those that userinfo adds where the token lacks a claim that is needed here."""
        expected = Expected(
            issuer=self.issuer.issuer, client_id=self.issuer.client_id, algorithms=self.issuer.algorithms, nonce=nonce,
            fresh=fresh,
        )  # fmt: skip
        now = int(time.time())
        try:
            claims = check_id_token(tokens.id_token, await self.keys(), expected, now)
        except UnknownKey:
            claims = check_id_token(tokens.id_token, await self.keys(again=True), expected, now)
        needed = {self.issuer.name_claim, *([self.issuer.groups_claim] if self.issuer.groups_claim else [])}
        metadata = await self.metadata()
        if metadata.userinfo_endpoint is None or all(claim.partition(".")[0] in claims.all for claim in needed):
            return claims
        more = await self._userinfo(metadata.userinfo_endpoint, tokens)
        if more.get("sub") != claims.subject:
            raise Denied("the provider's userinfo is about someone else")
        return msgspec.structs.replace(claims, all={**more, **claims.all})

    async def _userinfo(self, where: str, tokens: Tokens) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        return await self.json("GET", where, dict[str, Any], headers=bearer, auth=None)

    async def metadata(self) -> Metadata:
        async with self._lock:
            if self._metadata is None or time.monotonic() - self._metadata[0] > KEPT_FOR:
                where = self.issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
                found = await self.json("GET", where, Metadata, auth=None)
                if found.issuer != self.issuer.issuer:
                    raise Unavailable(f"{self.name} calls itself by another name than settings do")
                self._guarded(found)
                self._metadata = time.monotonic(), found
            return self._metadata[1]

    async def _remembered(self) -> Metadata:
        async with self._lock:  # it may be asked at this moment
            if self._metadata is None:
                raise Unavailable(f"{self.name} cannot be reached", hint=MEANWHILE)
            return self._metadata[1]

    def _guarded(self, found: Metadata) -> None:
        """Tokens travel encrypted, but on the machine itself."""
        scheme = self.issuer.issuer.partition(":")[0]
        endpoints = (found.token_endpoint, found.jwks_uri, found.device_authorization_endpoint, found.userinfo_endpoint)
        if any(endpoint and endpoint.partition(":")[0] not in {"https", scheme} for endpoint in endpoints):
            raise Unavailable(f"{self.name} names an address that is not https", hint=MEANWHILE)

    async def keys(self, *, again: bool = False) -> KeySet:
        """The provider's public keys; fetched again for an unknown key id, at most every `KEYS_AGAIN` seconds."""
        metadata = await self.metadata()
        async with self._lock:
            age = time.monotonic() - self._keys[0] if self._keys else KEPT_FOR
            if self._keys is None or age >= KEPT_FOR or (again and age >= KEYS_AGAIN):
                found = await self.json("GET", metadata.jwks_uri, dict[str, Any], auth=None)
                self._keys = time.monotonic(), self._public(found)
            return self._keys[1]

    def _public(self, found: Mapping[str, Any]) -> KeySet:
        """The keys that sign, of kinds with a public half; what else is in the set is passed over."""
        listed = found.get("keys")
        kept = [
            key
            for key in (listed if isinstance(listed, list) else [])
            if isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"
        ]
        try:
            return KeySet.import_key_set({"keys": kept})
        except (JoseError, ValueError, KeyError, TypeError):
            raise Unavailable(f"{self.name} publishes keys that cannot be read") from None

    # Exchanges.

    async def _token(self, **form: str) -> Tokens:
        """Raises authlib's error where the provider answers with one."""
        metadata = await self.metadata()

        async def exchange() -> Tokens:
            answer = await self.client.fetch_token(metadata.token_endpoint, **form)
            return msgspec.convert(dict(answer), Tokens)

        return await self.bounded(exchange())

    def _not_accepted(self) -> Denied:
        return Denied(f"{self.name} does not accept this login any more", hint="begin again")

    def _refused(self, fault: AuthlibBaseError) -> Denied | Unavailable:
        match fault.error:
            case "access_denied":
                return Denied(f"{self.name} did not let you in")
            case "expired_token":
                return Denied("the code's time is over", hint="begin again")
            case "invalid_grant":
                return self._not_accepted()
        log.warning("%s refuses: %s", self.name, str(fault.error)[:64])
        return Unavailable(f"{self.name} refuses the gate's request", hint="an operator checks login.issuers")
