"""The gate asks a provider again, while a login lasts."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import asyncssh
import msgspec
import pytest
from doors_harness import House, a_house
from login_harness import FakeProvider, a_fake_provider
from provider_logins import a_fake_token, patiently, ready, with_provider
from test_login_door import trail

from gate.actor import Actor
from gate.services import certificates as certificate_operations
from gate.services import logins as login_operations
from model.ids import UserName
from model.records import Role
from store import identities

pytestmark = pytest.mark.usefixtures("quick_polls")


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
