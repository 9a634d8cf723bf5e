"""Logins with a provider, the certified one, gone through as a person does."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncssh
import pytest
from doors_harness import a_house, a_terminal, eventually
from login_harness import Browser, a_provider
from provider_logins import PROMPT, CodeLogin, by_browser, by_code, real, with_provider
from test_login_door import PASSWORD, WORDS, answering, refused, setting, trail, typed, with_password

from gate.actor import GATE
from gate.login import provider as provider_module
from gate.services import logins as login_operations
from model.records import Role
from store import identities

pytestmark = pytest.mark.usefixtures("quick_polls")


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
