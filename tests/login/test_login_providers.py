"""Logins with a provider: the certified one, gone through as a person does, and a fake for what it does not do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncssh
import msgspec
import pytest
from doors_harness import House, a_house, a_terminal, eventually
from joserfc import jwt
from joserfc.jwk import RSAKey
from login_harness import Browser, FakeProvider, RealProvider, a_fake_provider, a_provider
from test_login_door import PASSWORD, WORDS, Asked, answering, refused, setting, trail, typed, with_password

from gate.actor import GATE, Actor
from gate.login import provider as provider_module
from gate.services import certificates as certificate_operations
from gate.services import logins as login_operations
from gate.services import users as user_operations
from model.errors import Invalid
from model.ids import UserName
from model.records import Role
from store import identities

real = pytest.mark.needs("oidc-provider")
PROMPT = b"Password, or Enter for example: "


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.login.byprovider.KEEPALIVE", 0.2)


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
        return await asyncssh.connect(
            "127.0.0.1", house.server.port, username=name, known_hosts=None, client_factory=lambda: client,
            client_keys=None, config=None, agent_path=None, preferred_auth="keyboard-interactive",
        )  # fmt: skip
    finally:
        await client.browser.close()


@real
async def test_the_code_in_the_prompt_and_a_browser_get_in(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        async with a_terminal(house, "me", user="bob", key=None, options=WORDS) as terminal:
            await typed(terminal, PROMPT, "")
            shown = await terminal.until(b"Then press Enter here (q: a QR code): ")
            assert b"Login of bob@net.test at net.test, asked for from 127.0.0.1" in shown
            await terminal.type(b"q\r")
            qr = (await terminal.until(b"Then press Enter: ")).decode()
            assert "█" in qr
            words = shown.decode().split()
            browser = Browser("bob")
            code = words[words.index("code") + 1]
            page = await browser.go(words[words.index("Open") + 1], user_code=code)
            assert "Sign-in Success" in page
            await terminal.type(b"\r")
            await terminal.until(b"bob@net.test member")
            await browser.close()
        actor = house.faces.actors[0]
        assert actor.method == "oidc"
        assert actor.fresh_at is not None
        assert abs(actor.fresh_at - time.time()) < 60
        (identity,) = house.gate.store.read(lambda r: identities.of_user(r, actor.user))  # type: ignore[arg-type]
        assert (identity.issuer, identity.subject) == (provider.issuer, "bob")
        assert "bob@net.test identity bound bob@net.test" in trail(house)


@real
async def test_the_program_on_a_persons_machine_goes_by_the_browser(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        connection = await by_browser(house, "bob", "bob")
        assert (await connection.run("me")).exit_status == 0
        connection.close()


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
        return await asyncssh.connect(
            "127.0.0.1", house.server.port, username=name, known_hosts=None, client_factory=lambda: client,
            client_keys=None, config=None, agent_path=None, preferred_auth="keyboard-interactive",
        )  # fmt: skip
    finally:
        await browser.close()


@real
async def test_an_answer_with_another_state_is_refused(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        with pytest.raises(asyncssh.Error, match="belongs to another login"):
            await by_browser(house, "bob", "bob", state="forged")


@real
async def test_a_confidential_client_logs_in_too(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        secret = "a-secret-of-forty-characters-0123456789ab"
        await with_provider(house, provider, client_id="confidential", client_secret=secret)
        connection = await by_code(house, "bob", CodeLogin("bob"))
        connection.close()
        assert not any(secret in line for line in trail(house))


@real
async def test_who_says_no_at_the_provider_is_not_let_in(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        with pytest.raises(asyncssh.Error, match="example did not let you in"):
            await by_code(house, "bob", CodeLogin("bob", abort=True))


@real
async def test_someone_else_at_the_provider_is_not_let_in(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        with pytest.raises(asyncssh.Error, match=r"says that you are mallory@net\.test, not bob@net\.test"):
            await by_code(house, "bob", CodeLogin("mallory"))


@real
async def test_a_name_is_bound_once_so_a_recycled_address_is_someone_else(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        (await by_code(house, "bob", CodeLogin("bob"))).close()
        await provider.tell("newcomer", claims={"email": "bob@net.test", "email_verified": True})
        with pytest.raises(asyncssh.Error, match="bound to another account"):
            await by_code(house, "bob", CodeLogin("newcomer"))
        await provider.tell("bob", claims={"email": "robert@net.test"})
        (await by_code(house, "bob", CodeLogin("bob"))).close()


@real
async def test_an_unverified_address_is_nothing(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        await provider.tell("bob", claims={"email_verified": False})
        with pytest.raises(asyncssh.Error, match="has not verified your e-mail address"):
            await by_code(house, "bob", CodeLogin("bob"))


@real
async def test_groups_and_roles_keep_step_with_the_provider(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(
            house, provider, groups_claim="groups", group_map={"engineering": "group:eng"},
            role_map={"oncall": "operator"},
        )  # fmt: skip
        await provider.tell("bob", claims={"groups": ["engineering", "oncall", "unknown"]})
        (await by_code(house, "bob", CodeLogin("bob"))).close()
        user = house.gate.snapshot.user("bob")
        assert (user.groups, user.role) == (("group:eng",), Role.OPERATOR)
        await provider.tell("bob", claims={"groups": []})
        (await by_code(house, "bob", CodeLogin("bob"))).close()
        user = house.gate.snapshot.user("bob")
        assert (user.groups, user.role) == ((), Role.MEMBER)


@real
async def test_no_claim_unmakes_an_owner(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await with_provider(house, provider, groups_claim="groups", role_map={"oncall": "operator"})
        (await by_code(house, "alice", CodeLogin("alice"))).close()
        assert house.gate.snapshot.user("alice").role is Role.OWNER


@real
async def test_a_provider_may_make_users_of_its_domains(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await with_provider(house, provider, create=True, domains=["net.test"])
        (await by_code(house, "carol", CodeLogin("carol"))).close()
        assert house.gate.snapshot.user("carol").role is Role.MEMBER
        with pytest.raises(asyncssh.Error):
            await by_code(house, "dave@elsewhere.test", CodeLogin("dave"))


@real
async def test_new_keys_of_the_provider_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "KEYS_AGAIN", 0.0)
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        (await by_code(house, "bob", CodeLogin("bob"))).close()
        await provider.stop()
        provider.key = "second"
        await provider.start()
        (await by_code(house, "bob", CodeLogin("bob"))).close()


@real
async def test_a_provider_that_is_down_fails_its_own_logins_alone(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await with_password(house, "bob")
        await with_provider(house, provider)
        (await by_code(house, "bob", CodeLogin("bob"))).close()
        await provider.stop()
        assert "example cannot be reached; a registered key gets in" in await refused(house, "bob", "")
        connection, _ = await answering(house, "bob", PASSWORD)
        connection.close()
        assert (await house.run("alice", "me", key="alice")).status == 0
        await provider.start()
        (await by_code(house, "bob", CodeLogin("bob"))).close()


@real
async def test_who_is_refused_at_the_provider_loses_their_logins_here(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(
            house, provider, scopes=["openid", "email", "profile", "offline_access"], refresh_every=60,
            groups_claim="groups", group_map={"engineering": "group:eng"},
        )  # fmt: skip
        connection = await by_browser(house, "bob", "bob")
        await provider.tell("bob", claims={"groups": ["engineering"]})
        await house.server.keeper.desk.refresh_due(time.time() + 120)
        assert house.gate.snapshot.user("bob").groups == ("group:eng",)
        assert not connection.is_closed()
        await provider.tell("bob", gone=True)
        await house.server.keeper.desk.refresh_due(time.time() + 240)
        await asyncio.wait_for(connection.wait_closed(), 10)
        await eventually(lambda: any("agent end-logins bob@net.test" in line for line in trail(house)))


@real
async def test_an_invitation_binds_the_providers_account(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        await setting(house, "login.passwords", "off")
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)

        class Invited(CodeLogin):
            async def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
                if prompts and not self.prompts:
                    self.prompts.append(prompts[0][0])
                    return [code]
                return await super().kbdint_challenge_received(name, instructions, lang, prompts)

        (await by_code(house, "bob", Invited("bob"))).close()
        assert "bob@net.test invitation used bob@net.test" in trail(house)


@real
async def test_an_invitation_binds_the_account_by_the_browser_too(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        (await by_browser(house, "bob", "bob", invitation=code)).close()
        assert "bob@net.test invitation used bob@net.test" in trail(house)
        assert "bob@net.test identity bound bob@net.test" in trail(house)


@real
async def test_one_persons_answer_from_the_browser_serves_no_other(tmp_path: Path) -> None:
    """A code that was taken on its way is of no use: it is bound to the verifier, which stays at the gate."""
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await house.a_user("eve")
        await with_provider(house, provider)
        stolen: list[str] = []

        async def take(code: str) -> str:
            stolen.append(code)
            raise ConnectionError("bob's machine is gone")

        with pytest.raises((asyncssh.Error, ConnectionError)):
            await by_browser(house, "bob", "bob", change=take)

        async def put_in(code: str) -> str:
            return stolen[0]

        with pytest.raises(asyncssh.Error, match="does not accept this login"):
            await by_browser(house, "bob", "eve", change=put_in)
        with pytest.raises(asyncssh.Error, match="does not accept this login"):
            await by_browser(house, "eve", "eve", change=put_in)


@real
async def test_a_browsers_answer_serves_once(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, provider)
        used: list[str] = []

        async def keep(code: str) -> str:
            used.append(code)
            return code

        (await by_browser(house, "bob", "bob", change=keep)).close()

        async def again(code: str) -> str:
            return used[0]

        with pytest.raises(asyncssh.Error, match="does not accept this login"):
            await by_browser(house, "bob", "bob", change=again)


# What an honest provider does not do.

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


async def test_pending_and_slow_down_are_honoured(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(fake)
        good, asked = fake.answers["/token"], []

        def answer(body: bytes) -> tuple[int, bytes]:
            asked.append(time.monotonic())
            if len(asked) == 1:
                return 400, b'{"error": "authorization_pending"}'
            return (400, b'{"error": "slow_down"}') if len(asked) == 2 else good(body)

        fake.answers["/token"] = answer
        await with_provider(house, fake)
        (await patiently(house, "bob")).close()
        first, second = asked[1] - asked[0], asked[2] - asked[1]
        assert first >= 1
        assert second >= 6


async def test_nobody_knows_by_the_prompts_whether_a_name_exists(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(fake)
        fake.says("/token", {"error": "access_denied"}, 400)
        await with_provider(house, fake)
        shown = {}
        for name in ("bob", "nobody"):
            client = Patient([])
            connecting = asyncio.ensure_future(patiently(house, name, client))
            await eventually(lambda c=client: len(c.prompts) == 2)  # type: ignore[misc]
            shown[name] = [prompt.replace(name, "NAME") for prompt in client.prompts]
            connecting.cancel()
            await asyncio.wait([connecting])
        real_code = shown["bob"][1].split("enter the code")[1].split()[0]
        made_code = shown["nobody"][1].split("enter the code")[1].split()[0]
        assert real_code != made_code
        assert shown["bob"][1].replace(real_code, "C") == shown["nobody"][1].replace(made_code, "C")
        assert fake.asked.count("/device") == 1


BAD = {
    "not-json": ("/device", b"<html>", 200, "not OpenID Connect"),
    "an-error": ("/device", {"error": "x"}, 500, "answers 500"),
    "endless": ("/device", b"x" * 2_000_000, 200, "cannot be reached"),
    "code-with-escapes": (
        "/device",
        {"device_code": "d", "user_code": "\x1b[31m", "verification_uri": "https://x", "expires_in": 60},
        200,
        "cannot be shown",
    ),
    "address-that-runs": (
        "/device",
        {"device_code": "d", "user_code": "A", "verification_uri": "javascript:x", "expires_in": 60},
        200,
        "cannot be shown",
    ),
    "no-device-flow": ("/.well-known/openid-configuration", None, 200, "no login by device code"),
    "addresses-in-the-clear": ("/.well-known/openid-configuration", "clear", 200, "not https"),
    "another-name": ("/.well-known/openid-configuration", {"issuer": "https://evil.test"}, 200, "another name"),
    "no-configuration": ("/.well-known/openid-configuration", b"", 404, "answers 404"),
    "keys-of-rubbish": ("/jwks", {"keys": [{"kty": "RSA", "n": "!", "e": 3, "use": "sig"}]}, 200, "read"),
    "no-keys": ("/jwks", [], 200, "not OpenID Connect"),
    "token-that-is-a-number": ("/token", {"access_token": "a", "id_token": 3}, 200, "not OpenID Connect"),
    "unknown-error": ("/token", {"error": "invalid_client"}, 400, "refuses the gate's request"),
    "expired-code": ("/token", {"error": "expired_token"}, 400, "time is over"),
}


@pytest.mark.parametrize("name", BAD)
async def test_rubbish_fails_that_login_clearly_and_nothing_else(tmp_path: Path, name: str) -> None:
    path, value, status, says = BAD[name]
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(fake)
        if name == "another-name":
            value = fake.metadata(issuer="https://evil.test")
        if value == "clear":
            value = fake.metadata(token_endpoint="ftp://idp.test/token")
        if value is None:
            value = fake.metadata(device_authorization_endpoint=None)
        fake.says(path, value, status)
        await with_provider(house, fake)
        with pytest.raises(asyncssh.Error, match=says):
            await patiently(house, "bob")
        assert (await house.run("alice", "me", key="alice")).status == 0


async def test_a_silent_provider_fails_in_a_stated_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.login.exchanges.TIMEOUT", 0.5)
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        fake.says("/.well-known/openid-configuration", b"", 0)
        await with_provider(house, fake)
        with pytest.raises(asyncssh.Error, match="did not answer within"):
            await patiently(house, "bob")


HOSTILE = {
    "another-issuer": {"iss": "https://evil.test"},
    "another-client": {"aud": "other"},
    "another-azp": {"azp": "other"},
    "expired": {"exp": 1},
    "future": {"iat": 2**33, "exp": 2**34},
    "no-subject": {"sub": ""},
    "huge": {"pad": "x" * 100_000},
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_token_gets_nobody_in(tmp_path: Path, name: str) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(fake, **HOSTILE[name])
        await with_provider(house, fake)
        with pytest.raises(asyncssh.Error, match="token is not accepted"):
            await patiently(house, "bob")
        assert house.gate.store.read(lambda r: identities.of_user(r, "bob@net.test")) == ()  # type: ignore[arg-type]


async def test_logins_that_wait_for_a_code_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.login.desk.CODES_PER_ADDRESS", 1)
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(fake)
        fake.says("/token", {"error": "authorization_pending"}, 400)
        await with_provider(house, fake)
        client = Patient([])
        waiting = asyncio.ensure_future(patiently(house, "bob", client))
        await eventually(lambda: len(client.prompts) == 2)
        with pytest.raises(asyncssh.Error, match="too many logins wait"):
            await patiently(house, "bob")
        waiting.cancel()
        await asyncio.wait([waiting])
        await eventually(lambda: house.server.keeper.desk._codes.total() == 0)


@pytest.mark.parametrize(
    "redirect",
    [
        "https://127.0.0.1:80/x", "http://evil.test:80/", "http://localhost:80/", "http://127.0.0.1/", "http://[::1/",
        "http://127.0.0.1:1/?x=1", "http://u@127.0.0.1:1/", "http://127.0.0.1:99999/", "file:///etc/passwd", "",
    ],
)  # fmt: skip
async def test_the_browsers_answer_goes_to_the_own_machine_alone(tmp_path: Path, redirect: str) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        await with_provider(house, fake)
        assert "to this machine alone" in await refused(house, "bob", f"wardgate-login {redirect}", "x y")


async def test_of_several_providers_one_is_chosen_by_name_and_number(tmp_path: Path) -> None:
    async with a_fake_provider() as one, a_fake_provider() as two, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(two)
        value = {
            "one": {"issuer": one.issuer, "client_id": "wardgate"},
            "other-people": {"issuer": one.issuer, "client_id": "x", "domains": ["elsewhere.test"]},
            "two": {"issuer": two.issuer, "client_id": "wardgate"},
        }
        await setting(house, "login.issuers", value)
        client = Asked(["", "2", ""])
        client_seen = client.prompts

        async def wait(*_: object) -> list[str] | None:
            prompts = _[-1]
            client_seen.extend(prompt for prompt, _ in prompts)  # type: ignore[attr-defined]
            return [client.answers.pop(0) for _ in prompts]  # type: ignore[attr-defined]

        client.kbdint_challenge_received = wait  # type: ignore[method-assign]
        (await patiently(house, "bob", client)).close()
        assert client_seen[:2] == ["Password, or Enter for one or two: ", "With which one? 1 one, 2 two: "]


async def test_broken_settings_leave_keys_and_passwords_alone(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        with pytest.raises(Invalid):
            await setting(house, "login.issuers", {"x": {"issuer": "http://evil.test", "client_id": "c"}})
        connection, _ = await answering(house, "bob", PASSWORD)
        connection.close()


async def test_a_disabled_person_is_not_let_in_by_a_provider(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(fake)
        await with_provider(house, fake)
        await house.gate.perform(user_operations.disable, GATE, names=["bob"])
        client = Patient([])
        connecting = asyncio.ensure_future(patiently(house, "bob", client))
        await eventually(lambda: len(client.prompts) == 2)
        connecting.cancel()
        await asyncio.wait([connecting])
        assert "/device" not in fake.asked


# The gate asks again.


async def refreshing(house: House, fake: FakeProvider, **more: object) -> asyncssh.SSHClientConnection:
    """bob logs in at a fake that grants a refresh token, asked about every minute."""
    await house.a_user("bob")
    ready(fake)
    good = json.loads(fake.answers["/token"](b"")[1])
    fake.says("/token", good | {"refresh_token": "the-refresh-token"})
    await with_provider(
        house, fake, scopes=["openid", "email", "offline_access"], refresh_every=60, groups_claim="groups",
        group_map={"engineering": "group:eng"}, **more,
    )  # fmt: skip
    return await patiently(house, "bob")


async def test_a_refresh_token_is_kept_sealed(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        (await refreshing(house, fake)).close()
        (identity,) = house.gate.store.read(identities.refreshable)
        assert identity.refresh_token
        assert b"the-refresh-token" not in identity.refresh_token
        for path in (tmp_path / "state").glob("wardgate.db*"):
            assert b"the-refresh-token" not in path.read_bytes()


async def test_a_provider_is_asked_again_when_it_is_time_and_not_before(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        (await refreshing(house, fake)).close()
        asked = fake.asked.count("/token")
        await house.server.keeper.desk.refresh_due(time.time() + 30)
        assert fake.asked.count("/token") == asked
        await house.server.keeper.desk.refresh_due(time.time() + 90)
        assert fake.asked.count("/token") == asked + 1


@pytest.mark.parametrize("answer", [(500, b""), (200, b"<html>"), (400, b'{"error": "invalid_client"}')])
async def test_a_provider_that_is_unwell_ends_no_login(tmp_path: Path, answer: tuple[int, bytes]) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        connection = await refreshing(house, fake)
        fake.answers["/token"] = lambda _: answer
        await house.server.keeper.desk.refresh_due(time.time() + 90)
        assert not connection.is_closed()
        assert house.gate.store.read(identities.refreshable)
        connection.close()


async def test_who_is_refused_loses_key_and_certificate_of_the_login_too(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        connection = await refreshing(house, fake)
        actor = Actor(name="bob@net.test", user=UserName("bob@net.test"), role=Role.MEMBER, source="127.0.0.1",
                      login_at=int(time.time()), method="oidc")  # fmt: skip
        await house.a_device("laptop", user="bob@net.test")
        await house.gate.perform(login_operations.add_login_key, actor, key=house.key("for-login"))
        await house.gate.perform(certificate_operations.for_myself, actor, key=house.key("for-login"))
        fake.says("/token", {"error": "invalid_grant"}, 400)
        await house.server.keeper.desk.refresh_due(time.time() + 90)
        await asyncio.wait_for(connection.wait_closed(), 10)
        assert (await house.run("bob", "me", key="for-login")).status == 255
        assert house.gate.snapshot.revocations
        assert not house.gate.store.read(identities.refreshable)


@pytest.mark.parametrize("told", [pytest.param(True, id="by-userinfo"), pytest.param(False, id="not-at-all")])
async def test_a_refresh_without_an_id_token_is_none_the_worse(tmp_path: Path, told: bool) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        connection = await refreshing(house, fake)
        if told:
            provider = house.server.keeper.desk.providers["example"]
            metadata = await provider.metadata()
            where = f"{fake.issuer}/userinfo"
            provider._metadata = (time.monotonic(), msgspec.structs.replace(metadata, userinfo_endpoint=where))
            fake.says("/userinfo", {
                "sub": "bob", "email": "bob@net.test", "email_verified": True, "groups": ["engineering"],
            })  # fmt: skip
        fake.says("/token", {"access_token": "b", "token_type": "Bearer"})
        await house.server.keeper.desk.refresh_due(time.time() + 90)
        assert not connection.is_closed()
        assert house.gate.snapshot.user("bob").groups == (("group:eng",) if told else ())
        connection.close()


async def test_an_answer_about_someone_else_ends_the_login(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        connection = await refreshing(house, fake)
        token = a_fake_token(fake, sub="mallory")
        fake.says("/token", {"access_token": "b", "token_type": "Bearer", "id_token": token})
        await house.server.keeper.desk.refresh_due(time.time() + 90)
        await asyncio.wait_for(connection.wait_closed(), 10)


async def test_an_unknown_name_makes_no_call_by_the_browser_either(tmp_path: Path) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        ready(fake)
        await with_provider(house, fake)
        provider = house.server.keeper.desk.providers["example"]
        await eventually(lambda: provider._metadata is not None)
        assert provider._metadata
        provider._metadata = (time.monotonic() - 10 * provider_module.KEPT_FOR, provider._metadata[1])
        asked = len(fake.asked)
        client = Asked(["wardgate-login http://127.0.0.1:43210/callback"])
        with pytest.raises(asyncssh.Error):
            await patiently(house, "nobody", client)
        assert client.prompts[1].startswith(f"wardgate-login {fake.issuer}/auth?")
        assert len(fake.asked) == asked


@pytest.mark.parametrize("answer", ["rubbish", "code STATE", " STATE"])
async def test_no_answer_from_a_browser_tells_whether_a_name_exists(tmp_path: Path, answer: str) -> None:
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        await house.a_user("bob")
        ready(fake)
        fake.says("/token", {"error": "invalid_grant"}, 400)
        await with_provider(house, fake)

        class Guesser(Asked):
            def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
                if not prompts:
                    return []
                address = prompts[0][0].removeprefix("wardgate-login ")
                if address == prompts[0][0]:
                    return ["wardgate-login http://127.0.0.1:43210/callback"]
                return [answer.replace("STATE", parse_qs(urlsplit(address).query)["state"][0])]

        said = set()
        for name in ("bob", "nobody"):
            with pytest.raises(asyncssh.Error) as fault:
                await patiently(house, name, Guesser([]))
            said.add(str(fault.value))
        assert len(said) == 1


async def test_no_secret_of_a_provider_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(10)
    async with a_fake_provider() as fake, a_house(tmp_path) as house:
        connection = await refreshing(house, fake, client_secret="the-client-secret")
        await house.server.keeper.desk.refresh_due(time.time() + 90)
        fake.says("/token", {"error": "invalid_grant", "error_description": "the-refresh-token"}, 400)
        await house.server.keeper.desk.refresh_due(time.time() + 180)
        connection.close()
        written = caplog.text + "".join(trail(house))
        token = json.loads(fake.answers["/jwks"](b"")[1])["keys"][0]["n"]
        for secret in ("the-refresh-token", "the-client-secret", a_fake_token(fake).split(".")[0] + ".", token):
            assert secret not in written
