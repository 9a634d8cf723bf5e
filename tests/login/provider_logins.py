"""Logins with a provider, as clients go through them: people's with a browser, and at a fake."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import asyncssh
import pytest
from doors_harness import House
from joserfc import jwt
from joserfc.jwk import RSAKey
from login_harness import Browser, FakeProvider, RealProvider
from test_login_door import Asked, asked, setting

real = pytest.mark.needs("oidc-provider")
PROMPT = b"Password, or Enter for example: "


async def with_provider(house: House, provider: RealProvider | FakeProvider, **more: object) -> None:
    value = {"example": {"issuer": provider.issuer, "client_id": "wardgate"} | more}
    await setting(house, "login.issuers", value)


class CodeLogin(Asked):
    """Presses Enter, hands the address to a browser, presses Enter again, and waits."""

    def __init__(self, login: str, *, abort: bool = False) -> None:
        super().__init__([])
        self.browser, self.abort, self.kept_alive = Browser(login), abort, 0

    async def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
        if not prompts:
            self.kept_alive += 1
            return []
        self.prompts += [prompt for prompt, _ in prompts]
        shown = self.prompts[-1]
        if "enter the code" in shown:
            words = shown.split()
            code = words[words.index("code") + 1]
            await self.browser.go(words[words.index("Open") + 1], user_code=code, abort=self.abort)
        elif "Password" in shown and len(self.prompts) > 1:
            return None
        return [""]


async def by_code(house: House, name: str, client: CodeLogin) -> asyncssh.SSHClientConnection:
    try:
        return await asked(house, name, client)
    finally:
        await client.browser.close()


async def by_browser(
    house: House,
    name: str,
    login: str,
    state: str | None = None,
    invitation: str | None = None,
    change: Callable[[str], Awaitable[str]] | None = None,
) -> asyncssh.SSHClientConnection:
    browser = Browser(login)
    redirect = "http://127.0.0.1:43210/callback"

    class Program(Asked):
        async def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
            self.prompts += [prompt for prompt, _ in prompts]
            if len(self.prompts) == 1 and invitation:
                return [invitation]
            if len(self.prompts) == 1 + bool(invitation):
                return [f"wardgate-login {redirect}"]
            if not self.prompts[-1].startswith("wardgate-login "):
                return None
            back = await browser.go(self.prompts[-1].removeprefix("wardgate-login "), until=redirect)
            query = parse_qs(urlsplit(back).query)
            code = await change(query["code"][0]) if change else query["code"][0]
            return [f"{code} {state or query['state'][0]}"]

    client = Program([])
    try:
        return await asked(house, name, client)
    finally:
        await browser.close()


KEY = RSAKey.generate_key(2048, {"kid": "k", "use": "sig"}, auto_kid=False)


def a_fake_token(fake: FakeProvider, **changed: object) -> str:
    now = int(time.time())
    claims = {
        "iss": fake.issuer, "aud": "wardgate", "sub": "bob", "exp": now + 60, "iat": now, "email": "bob@net.test",
        "email_verified": True,
    } | changed  # fmt: skip
    return jwt.encode({"alg": "RS256", "kid": "k"}, claims, KEY)


def ready(fake: FakeProvider, **changed: object) -> None:
    """The fake lets bob in at once."""
    fake.says("/device", {
        "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": f"{fake.issuer}/activate", "expires_in": 60,
        "interval": 1,
    })  # fmt: skip
    fake.says("/jwks", {"keys": [KEY.as_dict(private=False)]})
    fake.says("/token", {"access_token": "a", "token_type": "Bearer", "id_token": a_fake_token(fake, **changed)})


class Patient(Asked):
    """Presses Enter at every prompt and waits as long as it is asked to."""

    def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
        self.prompts += [prompt for prompt, _ in prompts]
        return None if len(self.prompts) > 2 else [""] * len(prompts)


async def patiently(house: House, name: str, client: Asked | None = None) -> asyncssh.SSHClientConnection:
    chosen = client or Patient([])
    return await asyncssh.connect(
        "127.0.0.1", house.server.port, username=name, known_hosts=None, client_factory=lambda: chosen,
        client_keys=None, config=None, agent_path=None, preferred_auth="keyboard-interactive",
    )  # fmt: skip
