"""What the console keeps for each: preferences and the policy's draft, theirs alone, a local owner's too."""

import asyncio
from pathlib import Path

import gate_builders as build
import pytest

from gate.actor import GATE, local_actor
from gate.services import drafts, preferences, users
from model.errors import Denied, Limited
from model.records import Role


async def test_everyone_keeps_their_own_and_a_local_owner_too(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob, carol = await build.a_user(running, "bob"), await build.a_user(running, "carol", Role.AUDITOR)
        alice = build.as_actor("alice", Role.OWNER)
        everyone = [bob, carol, alice, local_actor(0), local_actor(1000)]
        for actor in everyone:
            await running.perform(preferences.put, actor, values={"theme": actor.name})
        for actor in everyone:
            assert await running.perform(preferences.mine, actor) == {"theme": actor.name}


async def test_of_two_sessions_that_choose_at_once_neither_loses(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        await asyncio.gather(
            *(running.perform(preferences.choose, build.LOCAL, key=f"key-{n}", value=str(n)) for n in range(8))
        )
        assert await running.perform(preferences.mine, build.LOCAL) == {f"key-{n}": str(n) for n in range(8)}
        await running.perform(preferences.choose, build.LOCAL, key="key-3", value="")
        assert "key-3" not in await running.perform(preferences.mine, build.LOCAL)


async def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        await running.perform(preferences.choose, build.LOCAL, key="theme", value="light")
        await running.perform(drafts.keep, build.LOCAL, text="{}", based_on=1)
    async with build.a_gate(tmp_path) as again:
        assert await again.perform(preferences.mine, build.LOCAL) == {"theme": "light"}
        kept = await again.perform(drafts.mine, build.LOCAL)
        assert kept is not None
        assert (kept.text, kept.based_on) == ("{}", 1)


async def test_the_gate_itself_has_no_console(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        with pytest.raises(Denied, match="no console"):
            await running.perform(preferences.mine, GATE)


async def test_a_draft_is_its_writers_alone(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob, carol = await build.a_user(running, "bob", Role.ADMIN), await build.a_user(running, "carol", Role.ADMIN)
        await running.perform(drafts.keep, bob, text="bob's", based_on=1)
        await running.perform(drafts.keep, build.LOCAL, text="local's", based_on=2)
        assert await running.perform(drafts.mine, carol) is None
        await running.perform(drafts.drop, carol)
        kept, local = await running.perform(drafts.mine, bob), await running.perform(drafts.mine, build.LOCAL)
        assert kept is not None
        assert local is not None
        assert (kept.text, local.text) == ("bob's", "local's")
        await running.perform(drafts.drop, bob)
        assert await running.perform(drafts.mine, bob) is None


async def test_the_draft_of_a_removed_person_is_not_their_namesakes(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob", Role.ADMIN)
        await running.perform(drafts.keep, bob, text="{}", based_on=1)
        await running.perform(users.remove, build.LOCAL, names=("bob",))
        assert await running.perform(drafts.mine, await build.a_user(running, "bob", Role.ADMIN)) is None


async def test_a_member_keeps_no_draft_and_nobody_one_without_end(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        with pytest.raises(Denied):
            await running.perform(drafts.keep, await build.a_user(running, "bob"), text="{}", based_on=1)
        with pytest.raises(Limited):
            await running.perform(drafts.keep, build.LOCAL, text="x" * (drafts.MAX_SIZE + 1), based_on=1)
        with pytest.raises(Limited):
            await running.perform(preferences.choose, build.LOCAL, key="k", value="x" * preferences.MAX_SIZE)
