"""Sample data: made for looking around, and taken out again without what people made of it."""

from __future__ import annotations

import sys
from pathlib import Path

import command_harness as h

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
import gate_builders as build

from model.ids import UserName
from store import identities, totp


async def test_sample_data_goes_as_it_came(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        before = set(gate.snapshot.users)
        made = (await h.run(gate, "gate", "sample-data", "--json")).document
        gone = await h.run(gate, "gate", "sample-data", "--remove", "--json")
        assert gone.document == {**made, "kept": []}
        assert (set(gate.snapshot.users), len(gate.snapshot.devices)) == (before, 0)
        assert (await h.run(gate, "gate", "sample-data")).status == 0, "and it may come again"


async def test_what_is_real_stays_and_what_somebody_changed_is_named(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await h.run(gate, "gate", "sample-data")
        await build.a_device(gate, "real-1")
        await build.a_device(gate, "real-2", user="dave-sample")
        await h.run(gate, "devices", "rename", "web-fra-1", "mine")
        await h.run(gate, "users", "set-role", "bob-sample", "admin")
        said = await h.run(gate, "gate", "sample-data", "--remove")
        assert "kept what was changed since: mine, bob-sample@" in said.out
        assert {device.name for device in gate.snapshot.devices.values()} == {"real-1", "real-2", "mine"}
        assert {name.partition("@")[0] for name in gate.snapshot.users} >= {"bob-sample", "dave-sample"}
        refused = await h.run(gate, "gate", "sample-data", "--remove")
        assert (refused.status, refused.err.splitlines()[1]) == (1, "hint: --changed removes it all the same")
        assert (await h.run(gate, "gate", "sample-data", "--remove", "--changed")).status == 0
        assert {device.name for device in gate.snapshot.devices.values()} == {"real-1", "real-2"}
        assert "dave-sample@" in " ".join(gate.snapshot.users), "who has a device of their own is real"


async def test_where_there_is_no_sample_data_nothing_is_removed(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "real-1")
        answer = await h.run(gate, "gate", "sample-data", "--remove")
        assert (answer.status, answer.err) == (1, "error: there is no sample data to remove\n")
        assert (await h.run(gate, "gate", "sample-data", "--changed")).status == 1


async def test_whoever_is_about_to_come_as_a_sample_person_is_real(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await h.run(gate, "gate", "sample-data")
        bob, carol = (
            UserName("bob-sample@" + gate.snapshot.user_domain),
            UserName("carol-sample@" + gate.snapshot.user_domain),
        )
        assert (await h.run(gate, "users", "invite", "mara-sample")).status == 0
        await gate.store.write(lambda tx: identities.bind(tx, "https://id.example", "17", bob))
        await gate.store.write(lambda tx: totp.put(tx, carol, b"sealed"))
        assert (await h.run(gate, "enrollment-keys", "create", "--user", "dave-sample")).status == 0
        assert (await h.run(gate, "devices", "set", "web-fra-1", "custom:owner=ops")).status == 0
        await h.run(gate, "gate", "sample-data", "--remove")
        left = {name.partition("@")[0] for name in gate.snapshot.users}
        assert left >= {"mara-sample", "bob-sample", "carol-sample", "dave-sample"}
        assert not left & {"erin-sample", "frank-sample"}
        assert {device.name for device in gate.snapshot.devices.values()} == {"web-fra-1"}
