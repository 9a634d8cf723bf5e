"""The policy over restarts, and what its commands say."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gate_builders as build
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "commands"))
import command_harness as h

import policy
from gate.gate import Gate
from gate.services import devices, policies, users
from model import change as c
from model.errors import Conflict, PolicyRefused
from model.ids import UserName
from model.records import Role
from store import policies as rows

OTHER = build.as_actor("alice", Role.OWNER)
BROKEN = '{"acls": [{"action": "accept", "src": ["tag:gone"], "dst": ["*:*"]}]}'


async def test_a_stored_policy_that_no_longer_compiles_keeps_the_last_good_one_and_says_so(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_policy(gate, build.acls(("tag:web", "tag:db:22")))
        await gate.store.write(lambda tx: rows.add(tx, BROKEN, "an older program"))
    async with build.a_gate(tmp_path) as gate:
        assert gate.snapshot.policy is not None
        assert gate.snapshot.policy.number == 2
        assert "version 3 does not compile" in (gate.snapshot.policy_fault or "")
        status = await h.run(gate, "gate", "status", "--json")
        assert "version 3" in status.document["policy_fault"]


async def test_with_no_policy_that_compiles_nothing_passes(tmp_path: Path) -> None:
    from gate import netmaps

    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "a")
        await build.a_device(gate, "b")
        await gate.store.write(lambda tx: tx.sql.execute("UPDATE policies SET text = ?", (BROKEN,)))
    async with build.a_gate(tmp_path) as gate:
        assert gate.snapshot.policy is None
        for id in gate.snapshot.devices:
            told = netmaps.netmap(gate.snapshot, id)
            assert (told.peers, told.filter, told.ssh) == ((), (), {"root": ()}) or told.ssh == {}


async def test_a_deadline_survives_a_restart(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await gate.perform(policies.set_policy, build.LOCAL, text=build.acls(), confirm_within=10)
    async with build.a_gate(tmp_path) as gate:
        assert gate.snapshot.policy is not None
        assert gate.snapshot.policy.confirm_by is not None
        assert policies.anything_due(gate.snapshot, gate.presence, gate.snapshot.policy.confirm_by)


async def test_explain_reach_and_diff_tell_rule_and_line(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "web-1", tags=["tag:web"])
        await build.a_device(gate, "db-1", tags=["tag:db"])
        await build.a_policy(gate, build.acls(("tag:web", "tag:db:5432")))
        yes = await h.run(gate, "policy", "explain", "web-1", "db-1:5432", "--json")
        assert (yes.document["allowed"], yes.document["rule"]["name"], yes.document["rule"]["line"]) == (
            True, "acls[0]", 1,
        )  # fmt: skip
        no = await h.run(gate, "policy", "explain", "web-1", "db-1:22", "--json")
        assert (no.document["allowed"], no.document["rule"]) == (False, None)
        reach = await h.run(gate, "policy", "reach", "web-1", "--json")
        assert reach.document["outgoing"][0]["devices"] == ["db-1"]
        diff = await h.run(gate, "policy", "diff", "-", "--json", stdin=build.acls())
        assert (diff.document["gained_pairs"], diff.document["lost_pairs"]) == (0, 1)
        assert diff.document["devices"] == ["db-1", "web-1"]


LOGINS = json.dumps({
    "tagOwners": {"tag:db": []}, "acls": [],
    "ssh": [{"action": "accept", "src": ["alice@net.example.com"], "dst": ["tag:db"], "users": ["deploy"]}],
})  # fmt: skip


async def test_a_policy_that_is_set_tells_what_the_diff_told_logins_included(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "db-1", tags=["tag:db"])
        told = "0 pairs gain and 0 lose access; 1 login is gained and 0 lost; 1 device is touched\n"
        await build.a_policy(gate, json.dumps({"tagOwners": {"tag:db": []}, "acls": []}))
        assert (await h.run(gate, "policy", "diff", "-", stdin=LOGINS)).err == told
        assert (await h.run(gate, "policy", "set", "-", stdin=LOGINS)).out == f"version 3 is in force\n{told}"
        back = await h.run(gate, "policy", "rollback", "--json")
        assert (back.document["number"], back.document["effect"]["lost_logins"]) == (4, 1)
        assert back.document["effect"]["devices"] == ["db-1"]


async def test_a_refused_policy_is_told_with_its_place_and_the_nearest_key(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        refused = await h.run(gate, "policy", "check", "-", "--json", stdin='{\n  "acl": []\n}')
        assert (refused.status, refused.err) == (1, "")
        assert (refused.document["accepted"], refused.document["line"]) == (False, 2)
        assert "acls" in (refused.document["hint"] or refused.document["message"])


async def test_a_check_tells_what_each_device_would_be_told(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "web-1", tags=["tag:web"])
        db = await build.a_device(gate, "db-1", tags=["tag:db"])
        told = await h.run(gate, "policy", "check", "-", "--json", stdin=build.acls(("tag:web", "tag:db:5432")))
        assert told.document["accepted"] is True
        assert list(told.document["devices"]["web-1"]["peers"]) == ["db-1"]
        (rule,) = told.document["devices"]["db-1"]["filter"]
        assert {"net": db.ipv4, "ports": [5432, 5432]} in rule["dst"]


async def test_a_failing_test_of_the_policy_refuses_it_and_says_what_failed(tmp_path: Path) -> None:
    text = """{"tagOwners": {"tag:web": [], "tag:db": []}, "acls": [],
      "tests": [{"src": "tag:web", "accept": ["tag:db:22"]}]}"""
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "web-1", tags=["tag:web"])
        await build.a_device(gate, "db-1", tags=["tag:db"])
        refused = await h.run(gate, "policy", "set", "-", stdin=text)
        assert refused.status == 1
        assert "test(s) failed" in refused.err
        assert "tag:db:22" in refused.err


# --- what happens while a policy is being checked


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> list[bool]:
    """Once a policy was checked, and before it is set, `happens` is awaited on the gate's loop. Says which were."""
    loop, check, done = asyncio.get_running_loop(), policy.check, []

    def checked(*args: Any, **more: Any) -> policy.Compiled:
        compiled = check(*args, **more)
        if not done:
            done.append(True)
            asyncio.run_coroutine_threadsafe(happens(), loop).result(20)
        return compiled

    monkeypatch.setattr("policy.check", checked)
    return done


REACHES_DB = json.dumps({
    "tagOwners": {"tag:web": [], "tag:db": []},
    "acls": [{"action": "accept", "src": ["tag:web"], "dst": ["tag:db:22"]}],
    "tests": [{"src": "tag:web", "accept": ["tag:db:22"]}],
})  # fmt: skip


async def test_others_write_while_a_policy_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with build.a_gate(tmp_path) as gate:
        done = meanwhile(monkeypatch, lambda: gate.perform(users.add, build.LOCAL, name="bob"))
        await build.a_policy(gate, build.acls())
        assert done
        assert gate.snapshot.policy is not None
        assert gate.snapshot.policy.number == 2


async def test_a_policy_is_refused_where_its_tests_fail_in_the_network_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_web_and_a_db(gate)
        meanwhile(monkeypatch, lambda: gate.perform(devices.remove, build.LOCAL, names=["db-1"]))
        with pytest.raises(PolicyRefused, match="failed") as refused:
            await build.a_policy(gate, REACHES_DB)
        assert "names no device here" in (refused.value.hint or "")
        assert refused.value.line
        assert gate.snapshot.policy is not None
        assert gate.snapshot.policy.number == 1


async def test_a_policy_is_compiled_once_where_nothing_that_it_sees_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_web_and_a_db(gate)
        meanwhile(monkeypatch, lambda: gate.store.write(lambda tx: tx.record(c.UserUnlocked(user=UserName("bob")))))
        monkeypatch.setattr("policy.check_again", lambda *_: pytest.fail("it was checked again"))
        await build.a_policy(gate, REACHES_DB)
        assert gate.snapshot.policy is not None
        assert gate.snapshot.policy.text == REACHES_DB


async def test_of_two_policies_at_once_the_later_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with build.a_gate(tmp_path) as gate:
        meanwhile(monkeypatch, lambda: gate.perform(policies.set_policy, OTHER, text=build.acls(("*", "*:22"))))
        with pytest.raises(Conflict, match="came first"):
            await gate.perform(policies.set_policy, build.LOCAL, text=build.acls(), if_version=1)


async def test_a_rollback_goes_nowhere_else_than_where_it_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_policy(gate, build.acls())
        meanwhile(monkeypatch, lambda: gate.perform(policies.set_policy, OTHER, text=build.acls(("*", "*:22"))))
        with pytest.raises(Conflict, match="came first"):
            await gate.perform(policies.rollback, build.LOCAL)


async def a_web_and_a_db(gate: Gate) -> None:
    await build.a_device(gate, "web-1", tags=["tag:web"])
    await build.a_device(gate, "db-1", tags=["tag:db"])
