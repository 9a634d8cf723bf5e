"""Logins with a provider that does what an honest one does not: a fake."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncssh
import pytest
from doors_harness import a_house, eventually
from login_harness import a_fake_provider
from provider_logins import Patient, patiently, ready, with_provider
from test_login_door import PASSWORD, Asked, answering, refused, setting, with_password

from gate.actor import GATE
from gate.login import provider as provider_module
from gate.services import users as user_operations
from model.errors import Invalid
from store import identities

pytestmark = pytest.mark.usefixtures("quick_polls")


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
