"""What an agent should not send, at the peers door with the real ssh: each has its answer, and none a second victim.

`docs/protocol.md` lists the answers.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from doors_harness import House, Peers, a_house, eventually, peers

from gate.actor import GATE
from gate.services import devices, revocations
from store import Query, audit

NESTED = b'{"type": "report", "attributes": ' + b'{"node:a": ' * 5_000 + b"1" + b"}" * 5_001


async def goes_on(house: House, agent: Peers) -> None:
    """Whatever was said, the next change is told."""
    await house.a_device("another")
    assert (await agent.next())["peers"][0]["name"] == "another"  # type: ignore[index]


def refusals(house: House) -> list[tuple[str, str]]:
    entries = house.gate.store.read(lambda r: audit.page(r, Query(sort="number", descending=True))).rows
    return [(entry.actor, entry.action) for entry in entries if entry.subject == "refused"]  # type: ignore[union-attr]


# Lines: answered, and the session goes on.


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param(b"nonsense", "a line was not understood: JSON is malformed", id="no-json"),
        pytest.param(b'{"type": "hello"', "a line was not understood: Input data was truncated", id="half-a-line"),
        pytest.param(b"[]", "a line was not understood: Expected `object`", id="no-object"),
        pytest.param(b'{"type": "reboot"}', 'lines of type "reboot" are not known here', id="unknown-type"),
        pytest.param(b'{"type": "netmap"}', 'lines of type "netmap" are not known here', id="the-gate-s-own-type"),
        pytest.param(b'{"endpoints": []}', "missing required field `type`", id="no-type"),
        pytest.param(b'{"type": "endpoints"}', "missing required field `endpoints`", id="nothing-in-it"),
        pytest.param(b'{"type": "hello", "version": "2"}', "Expected `int`", id="a-version-that-is-text"),
        pytest.param(b'{"type": "hello", "version": 1.5}', "Expected `int`", id="a-version-that-is-no-whole-number"),
        pytest.param(b'{"type": "hello\xff"}', "a line is UTF-8, and the byte at 15 is not", id="broken-utf-8"),
        pytest.param(b'{"type": "report", "os": "\xed\xa0\x80"}', "a line is UTF-8", id="half-a-surrogate"),
        pytest.param(b'{"type": "hello", "x": ' + b"[" * 30_000, "nested too deep", id="deep-json"),
        pytest.param(NESTED, "a line was not understood: Expected `str`", id="deep-where-text-belongs"),
        pytest.param(b'{"type": "endpoints", "endpoints": ["db-1:1"]}', "not an IP address", id="not-an-endpoint"),
        pytest.param(b'{"type": "routes", "routes": ["10.0.0.1/8"]}', "not a prefix", id="host-bits"),
        pytest.param(b'{"type": "report", "attributes": {"custom:x": "1"}}', "node:", id="an-operator-s-attribute"),
        pytest.param(b'{"type": "host-certificate", "key": "ssh-dss AAAA"}', "DSA", id="dsa-host-key"),
        pytest.param(b'{"type": "rotate-key", "wireguard_key": "AAAA"}', "not a WireGuard public key", id="half-a-key"),
        pytest.param(b'{"type": "proof", "mac": "AAAA"}', "a proof answers a challenge", id="a-proof-of-nothing"),
    ],
)
async def test_a_bad_line_is_answered_and_the_session_goes_on(tmp_path: Path, line: bytes, says: str) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say(line + b"\n")
            answer = await agent.next()
            assert (answer["type"], answer["code"]) == ("refused", "invalid")
            assert says in str(answer["message"])
            await goes_on(house, agent)


@pytest.mark.parametrize("version", [987_654, -1, 2**70], ids=["of-the-future", "negative", "huge"])
async def test_a_version_that_was_never_given_gets_the_whole_map(tmp_path: Path, version: int) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.say({"type": "hello", "version": version})
            assert (await agent.next())["type"] == "netmap"
            await goes_on(house, agent)


async def test_a_later_hello_with_a_wrong_version_gets_the_whole_map_too(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.say({"type": "hello", "version": 0})
            held = await agent.next()
            await agent.say({"type": "hello", "version": held["version"]})
            assert await agent.silent(), "it has what it says that it has"
            await agent.say({"type": "hello", "version": 987_654})
            assert (await agent.next())["type"] == "netmap"


# More than is taken: answered, and the session ends.


async def test_a_line_without_an_end_ends_the_session(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            for _ in range(64):
                await agent.say(b'{"type": "endpoints", "endpoints": [' * 29)
            answer = await agent.next()
            assert (answer["code"], answer["message"]) == ("invalid", "a line has at most 65536 bytes")
            assert await asyncio.wait_for(agent.process.wait(), 10) == 1


async def test_a_line_over_the_limit_ends_the_session(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say(b'{"type": "report", "os": "' + b"x" * 70_000 + b'"}\n')
            answer = await agent.next()
            assert (answer["code"], answer["message"]) == ("invalid", "a line has at most 65536 bytes")
            assert await asyncio.wait_for(agent.process.wait(), 10) == 1


async def test_a_line_of_just_the_limit_is_read(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            start, end = b'{"type": "reboot", "x": "', b'"}'
            await agent.say(start + b"x" * (65_536 - len(start) - len(end)) + end + b"\n")
            assert "reboot" in str((await agent.next())["message"])
            await goes_on(house, agent)


async def test_a_flood_of_reports_ends_the_session(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say(b'{"type": "endpoints", "endpoints": []}\n' * 500)
            told = await agent.until(lambda line: line["type"] == "refused")
            assert (told["code"], told["retry_after"]) == ("limited", 60)
            assert await asyncio.wait_for(agent.process.wait(), 10) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param(
            {"type": "endpoints", "endpoints": [f"192.0.2.1:{n}" for n in range(1, 99)]}, "at most 16", id="endpoints"
        ),
        pytest.param({"type": "routes", "routes": [f"10.{n}.0.0/16" for n in range(99)]}, "at most 64", id="routes"),
        pytest.param(
            {"type": "report", "attributes": {f"node:{n}": "" for n in range(99)}}, "at most 32", id="attributes"
        ),
    ],
)
async def test_a_report_of_too_much_is_refused_whole(tmp_path: Path, line: dict[str, object], says: str) -> None:
    async with a_house(tmp_path) as house:
        device = await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say(line)
            assert says in str((await agent.next())["message"])
            assert house.gate.snapshot.devices[device.id] == device


async def test_one_who_asks_and_reads_nothing_fills_no_memory_and_is_answered_when_it_reads(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        device = await house.a_device("db-1")
        for number in range(60):
            await house.a_device(f"other-{number}")
        client = await house.connect("device", "db-1")
        process = await client.create_process(subsystem="peers", encoding=None, window=4096)
        for _ in range(35):
            process.stdin.write(b'{"type": "hello", "version": 0}\n')
        session = house.server.keeper.agents._sessions[device.id]
        await eventually(lambda: session.paused)
        await asyncio.sleep(0.5)
        channel = session._channel
        assert channel is not None
        assert channel.get_write_buffer_size() < 200_000
        got = b""
        async with asyncio.timeout(20):
            while got.count(b"\n") < 35:
                got += await process.stdout.read(65536)
        assert {line[:16] for line in got.splitlines()} == {b'{"type":"netmap"'}
        client.close()


# Who one is, and is not.


async def test_a_removed_device_is_told_and_disconnected_and_its_key_gets_in_no_more(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await house.gate.perform(devices.remove, GATE, names=["db-1"])
            told = await agent.until(lambda line: line["type"] == "refused")
            assert (told["code"], told["message"]) == ("not-found", 'device "db-1" was removed from the network')
            await asyncio.wait_for(agent.process.wait(), 10)
        again = await house.run("device", "peers", key="db-1", options=("-s",))
        assert again.status == 255
        assert "Permission denied (publickey)" in again.err


async def test_of_two_connections_with_one_key_the_newer_wins_and_the_older_is_told(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        device = await house.a_device("db-1")
        async with peers(house, "db-1") as older:
            await older.next()
            async with peers(house, "db-1") as newer:
                await newer.next()
                told = await older.until(lambda line: line["type"] == "refused")
                assert (told["code"], told.get("retry_after")) == ("conflict", None)
                assert "a newer connection" in str(told["message"])
                assert await asyncio.wait_for(older.process.wait(), 10) == 1
                await goes_on(house, newer)
                assert house.gate.presence.online(device.id)


@pytest.mark.parametrize(
    "line",
    [
        {"type": "endpoints", "endpoints": ["203.0.113.9:4242"]},
        {"type": "routes", "routes": ["10.7.0.0/16"]},
        {"type": "report", "os": "another"},
        {"type": "observed", "peers": {}},
        {"type": "rotate-key", "wireguard_key": "A" * 43 + "="},
        {"type": "host-certificate", "key": "ssh-ed25519 AAAA"},
    ],
    ids=lambda line: str(line["type"]),
)
async def test_an_agent_that_speaks_for_another_is_refused_and_audited(tmp_path: Path, line: dict[str, object]) -> None:
    async with a_house(tmp_path) as house:
        mine = await house.a_device("db-1")
        other = await house.a_device("db-2")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say(line | {"device": other.id})
            answer = await agent.next()
            assert (answer["type"], answer["code"]) == ("refused", "denied")
            assert house.gate.snapshot.devices[other.id] == other
            assert house.gate.snapshot.devices[mine.id] == mine
            assert ("device:db-1", f"agent {line['type']}") in refusals(house)


@pytest.mark.parametrize("whom", ["hidden", "nobody", "itself"])
async def test_an_agent_that_observes_what_it_cannot_see_is_refused_and_audited(tmp_path: Path, whom: str) -> None:
    async with a_house(tmp_path) as house:
        mine = await house.a_device("db-1")
        await house.a_user("bob")
        hidden = await house.a_device("bobs", user="bob@net.test")
        seen = await house.a_device("db-2")
        id = {"hidden": hidden.id, "nobody": "987", "itself": mine.id}[whom]
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say({"type": "observed", "peers": {seen.id: "203.0.113.9:1", id: "203.0.113.9:4242"}})
            assert (await agent.next())["code"] == "denied"
            assert ("device:db-1", "agent observed") in refusals(house)
            assert house.gate.presence.observed(hidden.id) == ()
            assert house.gate.presence.observed(seen.id) == (), "all of it counts, or nothing"


async def test_an_advertised_route_counts_for_nothing_until_it_is_approved(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_policy('{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}')
        await house.a_device("router")
        await house.a_device("db-2")
        async with peers(house, "router") as router, peers(house, "db-2") as other:
            await router.next()
            before = (await other.next())["peers"][0]["allowed_ips"]  # type: ignore[index]
            await router.say({"type": "routes", "routes": ["10.7.0.0/16"]})
            change = await router.next()
            assert change["set"]["device"]["routes"] == [{"prefix": "10.7.0.0/16", "state": "advertised"}]  # type: ignore[index]
            assert len(before) == 2
            assert await other.silent()
            await house.gate.perform(devices.routes, GATE, name="router", approve=["10.7.0.0/16"])
            told = await other.next()
            assert told["peers"][0]["allowed_ips"] == [*before, "10.7.0.0/16"]  # type: ignore[index]


async def test_a_key_that_is_revoked_ends_its_session_and_gets_in_no_more(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        device = await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await house.gate.perform(revocations.revoke, GATE, key=house.key("db-1"))
            await asyncio.wait_for(agent.process.wait(), 10)
        await eventually(lambda: not house.gate.presence.online(device.id))
        assert (await house.run("device", "peers", key="db-1", options=("-s",))).status == 255
