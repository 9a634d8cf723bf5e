"""Five hundred real connections: a restart, a storm, slow readers, half-open peers, and removal in flight."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest
from peers_agents import Plugged, Unplugged, plug_in
from peers_builders import Served, a_served_gate, acls, eventually

from gate import advancing, netmaps
from gate.actor import GATE
from gate.doors import agents as agents_door
from gate.doors import agentsession, lobby
from gate.doors import connection as doors_connection
from gate.doors import door as door_limits
from gate.doors.agentsession import AgentSession
from gate.services import agents, devices, health, names, users
from model.ids import DeviceID
from model.keys import ssh_key
from model.records import NameType
from model.wire import Hello, Refused, write_line

CELLS = 10
MANY = 500
SLOW, SILENT, DOOMED = ([f"cell-{cell}-{n}" for n in range(count)] for cell, count in ((1, 20), (2, 20), (3, 25)))
ALICE = asyncssh.generate_private_key("ssh-ed25519")
POLICY = acls(*((f"tag:cell-{n}", f"tag:cell-{n}:*") for n in range(CELLS)))


async def a_storm(served: Served, names: list[str], held: dict[str, Plugged]) -> dict[str, Plugged]:
    """All of `names` at once, each going on from the map that it has in `held`, and coming again when told to."""

    async def one(name: str) -> Plugged:
        before = held[name].held if name in held else None
        while True:
            try:
                window = 4096 if name in SLOW else 1 << 21
                return await plug_in(served.server.port, served.keys[name], before, ours=True, window=window)
            except (OSError, asyncssh.Error) as error:
                told = re.search(r"retry in (\d+) s", str(error))
                await asyncio.sleep(int(told[1]) if told else 1)

    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


def all_fresh(served: Served, plugged: dict[str, Plugged]) -> bool:
    now = served.gate.snapshot
    ids = {device.name: device.id for device in now.devices.values()}
    return all(
        agent.same_as(netmaps.netmap(now, ids[name], served.gate.presence.observed)) for name, agent in plugged.items()
    )


@pytest.mark.timeout(180)
async def test_five_hundred_come_back_after_a_restart_and_have_the_fresh_map_whatever_happens(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        for cell in range(CELLS):
            await served.some_devices(MANY // CELLS, f"tag:cell-{cell}")
        keys = dict(served.keys)
        await served.a_policy(POLICY)
        plugged: dict[str, Plugged] = {}

    async with a_served_gate(tmp_path) as served:
        served.keys = keys
        names = list(keys)
        await served.gate.perform(users.add_key, GATE, name="alice", key=ssh_key(ALICE.export_public_key().decode()))
        coming = asyncio.create_task(a_storm(served, names, {}))
        # How many wait at a time is the machine's: where it is slow, more are told to come back later.
        await eventually(lambda: served.server.keeper.lobby.waiting)
        async with a_person(served.server.port) as person:
            assert (await person.run("me")).exit_status == 0
            assert served.gate.presence.online_count < MANY, "a person is not let wait for all agents"
        plugged = await coming
        await eventually(lambda: all_fresh(served, plugged), 60)
        assert served.gate.presence.online_count == MANY
        port = served.server.port

    # The gate is gone; its state is as it was, and one thing differs when it is back.
    for agent in plugged.values():
        await asyncio.wait_for(agent.lost.wait(), 20)
        told = [line for line in agent.others if isinstance(line, Refused)]
        assert told
        assert told[-1].retry_after is not None

    async with a_served_gate(tmp_path, port=port, keepalive=2) as served:
        served.keys = keys
        first = served.gate.snapshot.by_name["cell-0-0"]  # type: ignore[index]
        await served.gate.perform(agents.report_endpoints, GATE, device=first, endpoints=["192.0.2.1:1"])
        again = await a_storm(served, names, plugged)
        await eventually(lambda: all_fresh(served, again), 60)
        wholes = {name for name, agent in again.items() if agent.wholes}
        assert wholes <= {name for name in names if name.startswith("cell-0-")}, "one that missed nothing was told all"
        await what_goes_wrong(served, again)


def a_person(port: int) -> contextlib.AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
    return asyncssh.connect(
        "127.0.0.1", port, username="alice", client_keys=[ALICE], config=None, agent_path=None, known_hosts=None
    )  # fmt: skip


async def what_goes_wrong(served: Served, plugged: dict[str, Plugged]) -> None:
    """Some stop reading, some vanish without a word, and one half of a cell is removed while policies change."""
    gate = served.gate
    ids = {name: gate.snapshot.by_name[name] for name in plugged}  # type: ignore[index]
    for name in SLOW:
        plugged[name].channel.pause_reading()
    silent = [plugged.pop(name) for name in SILENT]
    for agent in silent:
        agent.transport.pause_reading()  # the kernel still takes what is sent, and nobody answers

    removals = [gate.perform(devices.remove, GATE, names=[name]) for name in DOOMED]
    await asyncio.gather(*removals, served.a_policy(POLICY.replace(":*", ":22")))
    for name in DOOMED:
        gone = plugged.pop(name)
        await asyncio.wait_for(gone.lost.wait(), 20)
        assert any(isinstance(line, Refused) and line.code == "not-found" for line in gone.others)

    turns = await changes_until_none_takes_more(served, [ids[name] for name in SLOW])
    before = {name: plugged[name].deltas for name in SLOW}
    for name in SLOW:
        plugged[name].channel.resume_reading()
    await eventually(lambda: all_fresh(served, plugged), 60)
    assert all(plugged[name].deltas - before[name] < turns for name in SLOW), "no one was told each change"

    await eventually(lambda: not any(gate.presence.online(ids[name]) for name in SILENT), 60)
    assert all(gate.presence.online(ids[name]) for name in plugged)
    for agent in (*plugged.values(), *silent):
        assert agent.connection is not None
        agent.connection.abort()


async def changes_until_none_takes_more(served: Served, slow: list[DeviceID]) -> int:
    """Endpoints of all whom the `slow` see, over and over, and a few times more than their connections take."""
    sessions = served.server.keeper.agents._sessions
    turn = since = 0
    async with asyncio.timeout(60):
        while since < 5:
            turn += 1
            await asyncio.gather(*(
                served.gate.perform(agents.report_endpoints, GATE, device=id, endpoints=[f"192.0.2.{n}:{turn}"])
                for n, id in enumerate(slow)
            ))  # fmt: skip
            await eventually(lambda: not served.server.keeper.agents.waiting)
            since += all(sessions[id].missing for id in slow)
    return turn


async def test_who_is_turned_away_is_told_a_time_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lobby, "MOST_WAITING", 3)
    async with a_served_gate(tmp_path, strangers_per_address=1) as served:
        hall = served.server.keeper.lobby
        silent = socket.create_connection(("127.0.0.1", served.server.port))  # takes the one place
        await eventually(lambda: served.server.keeper.admission.strangers == 1)
        agents_ = [await asyncio.open_connection("127.0.0.1", served.server.port) for _ in range(8)]
        for _, writer in agents_:
            writer.write(b"SSH-2.0-WardgateAgent\r\n")
        told = [await asyncio.wait_for(reader.read(), 20) for reader, _ in agents_[3:]]
        seconds = [int(re.search(rb"retry in (\d+) s", text)[1]) for text in told]  # type: ignore[index]
        status = await served.gate.perform(health.status, GATE)
        assert (status.queue, status.turned_away) == (3, 5)
        assert hall.waiting == 3
        assert all(second >= 1 for second in seconds)
        assert all(text.startswith(b"SSH-2.0-Wardgate\r\n") for text in told)
        silent.close()


async def test_who_says_a_lot_before_it_is_answered_does_not_wait_with_it(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path, strangers_per_address=1) as served:
        silent = socket.create_connection(("127.0.0.1", served.server.port))
        await eventually(lambda: served.server.keeper.admission.strangers == 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"SSH-2.0-WardgateAgent\r\n" + bytes(2 * lobby.KEPT))
        await eventually(lambda: served.server.keeper.lobby.dropped == 1)
        assert served.server.keeper.lobby.waiting == 0
        assert (await asyncio.wait_for(reader.readline(), 20)) == lobby.VERSION
        silent.close()
        writer.close()


async def test_a_person_is_let_in_before_the_agents_that_wait(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path, strangers_per_address=1) as served:
        hall = served.server.keeper.lobby
        silent = socket.create_connection(("127.0.0.1", served.server.port))
        await eventually(lambda: served.server.keeper.admission.strangers == 1)
        waiting = [await asyncio.open_connection("127.0.0.1", served.server.port) for _ in range(5)]
        for _, writer in waiting:
            writer.write(b"SSH-2.0-WardgateAgent\r\n")
        await eventually(lambda: hall.waiting == 5)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await eventually(lambda: hall.waiting == 6)
        silent.close()
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"SSH-2.0-Wardgate")
        assert hall.waiting == 5
        for _, one in (*waiting, (reader, writer)):
            one.close()


async def test_an_agent_of_openssh_waits_and_is_served(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path, strangers_per_address=1) as served:
        await served.a_device("db-1", "tag:db")
        silent = socket.create_connection(("127.0.0.1", served.server.port))
        await eventually(lambda: served.server.keeper.admission.strangers == 1)
        coming = asyncio.create_task(plug_in(served.server.port, served.keys["db-1"]))
        await eventually(lambda: served.server.keeper.lobby.waiting == 1)
        silent.close()
        agent = await asyncio.wait_for(coming, 20)
        await eventually(lambda: agent.wholes == 1)
        assert agent.connection is not None
        agent.connection.abort()


async def test_a_client_that_logs_in_and_opens_nothing_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_door, "SESSION_GRACE", 0.3)
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1", "tag:db")
        connection = await asyncssh.connect(
            "127.0.0.1", served.server.port, username="device", client_keys=[served.keys["db-1"]], config=None,
            agent_path=None, known_hosts=None,
        )  # fmt: skip
        await asyncio.wait_for(connection.wait_closed(), 10)
        await eventually(lambda: not served.server.keeper.open)


async def test_a_client_that_opens_a_channel_and_no_subsystem_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_door, "SESSION_GRACE", 0.3)
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1", "tag:db")
        connection = await a_login(served, "db-1")
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(subsystem="sftp")
        await asyncio.wait_for(connection.wait_closed(), 10)
        await eventually(lambda: not served.server.keeper.open)


async def test_of_a_device_s_logins_without_a_session_the_newest_is_kept(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1", "tag:db")
        older = await a_login(served, "db-1")
        newer = await a_login(served, "db-1")
        await asyncio.wait_for(older.wait_closed(), 10)
        _, agent = await newer.create_session(Plugged, subsystem="peers", encoding=None)
        await eventually(lambda: agent.wholes)
        assert len(served.server.keeper.open) == 1
        newer.abort()
        await eventually(lambda: not served.server.keeper.open)
        assert not served.server.keeper.agents._unopened


async def test_a_device_keeps_no_connection_whose_session_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agentsession, "FAREWELL", 0.2)
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1", "tag:db")
        agents_ = [await plug_in(served.server.port, served.keys["db-1"], ours=True) for _ in range(4)]
        for older in agents_[:-1]:
            assert older.connection is not None
            await asyncio.wait_for(older.connection.wait_closed(), 10)
        newest = agents_[-1]
        await eventually(lambda: newest.wholes)
        newest.channel.close()  # and stays, for as long as it may
        assert newest.connection is not None
        await asyncio.wait_for(newest.connection.wait_closed(), 10)
        await eventually(lambda: not served.server.keeper.open)


async def test_a_connection_that_is_gone_keeps_no_timer(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        device = await served.a_device("db-1", "tag:db")
        agent = await plug_in(served.server.port, served.keys["db-1"])
        await eventually(lambda: agent.wholes)
        (door,) = served.server.keeper.open
        session = served.server.keeper.agents._sessions[device.id]
        assert door._grace is None, "it has its session"
        agent.leave()
        await eventually(lambda: not served.server.keeper.open)
        session.finish(1)
        assert door._grace is None


async def test_who_is_there_to_enroll_counts_as_a_stranger(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        admission = served.server.keeper.admission
        await served.a_device("db-1", "tag:db")
        served.keys["nobody"] = asyncssh.generate_private_key("ssh-ed25519")
        known = await a_login(served, "db-1")
        some = [await a_login(served, "nobody", "enroll") for _ in range(3)]
        assert (admission.connections, admission.strangers) == (4, 3)
        for one in (known, *some):
            one.abort()
        await eventually(lambda: (admission.connections, admission.strangers) == (0, 0))


def a_login(served: Served, name: str, door: str = "device") -> Awaitable[asyncssh.SSHClientConnection]:
    return asyncssh.connect(
        "127.0.0.1", served.server.port, username=door, client_keys=[served.keys[name]], config=None, agent_path=None,
        known_hosts=None,
    )  # fmt: skip


async def test_a_client_that_does_not_answer_is_dropped_after_three_questions(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path, keepalive=0.2) as served:
        device = await served.a_device("db-1", "tag:db")
        agent = await plug_in(served.server.port, served.keys["db-1"])
        await eventually(lambda: agent.wholes)
        assert agent.connection is not None
        (door,) = served.server.keeper.open
        asked = []
        ask, door._connection.ask_alive = door._connection.ask_alive, lambda: (asked.append(1), ask())  # type: ignore[method-assign, union-attr, misc]
        await eventually(lambda: len(asked) > door_limits.UNANSWERED + 1, 20)
        assert served.gate.presence.online(device.id), "one that answers stays"
        agent.transport.pause_reading()  # half-open: the kernel still takes what is sent
        await eventually(lambda: not served.gate.presence.online(device.id), 10)
        agent.connection.abort()


async def test_a_reader_that_reads_nothing_for_long_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents_door, "SLOW", 0.1)
    monkeypatch.setattr(agents_door, "SWEEP", 0.1)
    async with a_served_gate(tmp_path) as served:
        device = await served.a_device("db-1", "tag:db")
        agent = await plug_in(served.server.port, served.keys["db-1"])
        await eventually(lambda: agent.wholes)
        served.server.keeper.agents.sweep()
        session = served.server.keeper.agents._sessions[device.id]
        session.pause_writing()
        await eventually(lambda: not served.gate.presence.online(device.id), 10)
        assert agent.connection is not None
        agent.connection.abort()


def holds_new_keys_up(agent: Plugged) -> Callable[[], None]:
    """Asks for new keys, and answers nothing until what is returned is called."""
    client = agent.connection
    assert client is not None
    client._recv_handler = lambda: False
    client._send_kexinit()
    client._kexinit_sent = True

    def goes_on() -> None:
        client._recv_handler = client._recv_pkthdr
        client._recv_data()

    return goes_on


async def test_a_client_that_holds_new_keys_up_is_kept_nothing_for(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        devices_ = [await served.a_device(name) for name in ("laptop", "phone")]
        agent = await plug_in(served.server.port, served.keys["laptop"])
        await eventually(lambda: agent.wholes)
        (door,) = served.server.keeper.open
        ours, session = door._connection, served.server.keeper.agents._sessions[devices_[0].id]
        assert ours is not None
        goes_on = holds_new_keys_up(agent)
        await eventually(lambda: session.paused)
        before = agent.deltas
        for turn in range(50):
            endpoints = [f"192.0.2.1:{turn + 1}"]
            await served.gate.perform(agents.report_endpoints, GATE, device=devices_[1].id, endpoints=endpoints)
            await eventually(lambda: session.missing and not served.server.keeper.agents.waiting)
        assert not ours._deferred_packets
        goes_on()
        await eventually(lambda: all_fresh(served, {"laptop": agent}))
        assert agent.deltas == before + 1
        agent.leave()


async def test_a_client_that_says_more_while_it_holds_new_keys_up_is_dropped(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1", "tag:db")
        agent = await plug_in(served.server.port, served.keys["db-1"])
        await eventually(lambda: agent.wholes)
        holds_new_keys_up(agent)
        assert agent.connection is not None
        agent.connection._kex_complete = True  # so that asyncssh lets the client send it
        agent.connection._send_global_request(b"nonsense@example.com", want_reply=True)
        await eventually(lambda: not served.server.keeper.open)
        agent.leave()


async def test_a_client_that_never_agrees_on_new_keys_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors_connection, "REKEY", 0.2)
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1", "tag:db")
        agent = await plug_in(served.server.port, served.keys["db-1"])
        await eventually(lambda: agent.wholes)
        goes_on = holds_new_keys_up(agent)
        (door,) = served.server.keeper.open
        ours = door._connection
        assert ours is not None
        await eventually(lambda: ours._ending)
        goes_on()
        await asyncio.wait_for(agent.lost.wait(), 10)
        await eventually(lambda: not served.server.keeper.open)


async def test_a_removed_device_in_its_handshake_gets_no_map(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1", "tag:db")
        connection = await asyncssh.connect(
            "127.0.0.1", served.server.port, username="device", client_keys=[served.keys["db-1"]], config=None,
            agent_path=None, known_hosts=None,
        )  # fmt: skip
        await served.gate.perform(devices.remove, GATE, names=["db-1"])
        with contextlib.suppress(asyncssh.Error, OSError):
            _, agent = await connection.create_session(Plugged, subsystem="peers", encoding=None)
            await asyncio.wait_for(agent.lost.wait(), 10)
            assert agent.held is None
        connection.abort()
        with pytest.raises(asyncssh.PermissionDenied):
            await plug_in(served.server.port, served.keys["db-1"])


async def test_changes_that_come_and_go_before_a_map_is_told_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_door, "COALESCE", 0.5)
    async with a_served_gate(tmp_path) as served:
        device = await served.a_device("laptop")
        agent = await plug_in(served.server.port, served.keys["laptop"])
        await eventually(lambda: agent.wholes)
        await served.a_device("phone")
        assert agent.channel is not None
        agent.channel.write(write_line(Hello(version=7)))  # not the first hello any more
        agent.channel.write(write_line(Hello(version=0)))
        await eventually(lambda: agent.wholes == 2)
        assert agent.held is not None
        assert len(agent.held.peers) == 1
        await served.gate.perform(devices.remove, GATE, names=["phone"])
        truth = netmaps.netmap(served.gate.snapshot, device.id)
        await eventually(lambda: agent.same_as(truth))
        assert agent.connection is not None
        agent.connection.abort()


async def test_a_snapshot_that_is_built_anew_loses_nothing_of_what_was_about_to_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_door, "COALESCE", 0.5)
    async with a_served_gate(tmp_path) as served:
        await served.a_policy(acls(("tag:web", "tag:db:5432")))
        for name, tag in (("gone", "tag:ci"), ("db-1", "tag:db"), ("web-1", "tag:web"), ("ci-1", "tag:ci")):
            await served.a_device(name, tag)
        await served.gate.perform(devices.remove, GATE, names=["gone"])  # the next ones move up in a new snapshot
        agent = await plug_in(served.server.port, served.keys["web-1"])
        await eventually(lambda: agent.wholes)
        moved = served.gate.snapshot.by_name["db-1"]  # type: ignore[index]
        await served.gate.perform(agents.report_endpoints, GATE, device=moved, endpoints=["192.0.2.1:1"])

        def fails(*_: object) -> None:
            raise RuntimeError("a change that does not apply")

        with monkeypatch.context() as once:
            once.setattr(advancing, "advance", fails)
            await served.gate.perform(devices.rename, GATE, name="ci-1", new="ci-2")
        await eventually(lambda: all_fresh(served, {"web-1": agent}))
        assert agent.connection is not None
        agent.connection.abort()


async def test_an_endpoint_is_told_to_those_who_see_the_device_and_to_no_one_else(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        await served.a_policy(acls(("tag:web", "tag:db:5432")))
        plugged = {}
        for name, tag in (("db-1", "tag:db"), ("web-1", "tag:web"), ("ci-1", "tag:ci")):
            await served.a_device(name, tag)
            plugged[name] = await plug_in(served.server.port, served.keys[name])
        await eventually(lambda: all(agent.wholes for agent in plugged.values()) and all_fresh(served, plugged))
        before = {name: agent.deltas for name, agent in plugged.items()}
        moved = served.gate.snapshot.by_name["db-1"]  # type: ignore[index]
        await served.gate.perform(agents.report_endpoints, GATE, device=moved, endpoints=["192.0.2.1:1"])
        await eventually(lambda: plugged["web-1"].deltas > before["web-1"])
        await served.gate.perform(names.set_name, GATE, name="wiki.net.test", type=NameType.A, value="192.0.2.2")
        await eventually(lambda: all_fresh(served, plugged))  # of the record all are told, and it comes last
        assert {name: agent.deltas - before[name] for name, agent in plugged.items()} == {
            "db-1": 1, "web-1": 2, "ci-1": 1,
        }  # fmt: skip
        for agent in plugged.values():
            assert agent.connection is not None
            agent.connection.abort()


async def test_who_waits_to_be_told_keeps_its_turn_whatever_happens_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_door, "COALESCE", 5)
    async with a_served_gate(tmp_path) as served:
        await served.a_policy(acls(("tag:web", "tag:db:5432"), ("tag:ci", "tag:ci:*")))
        for name, tag in (("ci-1", "tag:ci"), ("ci-2", "tag:ci"), ("db-1", "tag:db"), ("web-1", "tag:web")):
            await served.a_device(name, tag)
        plugged = [Unplugged(served.gate, served.server, id) for id in served.gate.snapshot.devices]
        for agent in plugged:
            agent.session.whole()
        ids = {device.name: device.id for device in served.gate.snapshot.devices.values()}
        waiting = served.server.keeper.agents._waiting
        waiting.clear()
        for moved in ("db-1", "ci-1", "db-1", "ci-2"):
            await served.gate.perform(
                agents.report_endpoints, GATE, device=ids[moved], endpoints=[f"192.0.2.{len(waiting) + 1}:1"]
            )
        assert list(waiting) == [ids["web-1"], ids["ci-2"], ids["ci-1"]]


async def test_what_is_said_to_many_is_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(AgentSession, "send_bytes", lambda self, data: sent.append(data))
    async with a_served_gate(tmp_path) as served:
        await served.a_policy(acls(("*", "*:*")))
        for number in range(5):
            await served.a_device(f"db-{number}", "tag:db")
        plugged = [await plug_in(served.server.port, key) for key in served.keys.values()]
        await eventually(lambda: len(sent) == 5)
        sent.clear()
        await served.gate.perform(
            agents.report_endpoints, GATE, device=DeviceID("1"), endpoints=["192.0.2.1:1"]
        )  # fmt: skip
        await eventually(lambda: len(sent) == 4)
        assert len({id(line) for line in sent}) == 1
        for agent in plugged:
            assert agent.connection is not None
            agent.connection.abort()


def test_the_lateness_of_the_loop_is_put_down_to_what_took_the_time() -> None:
    from gate.watch import Watch

    watch = Watch()
    with watch.doing("telling agents"):
        time.sleep(0.02)
    watch.note(100.0, 0.02)
    watch.note(101.0, 0.001)
    assert watch.worst == (0.02, "telling agents")
    watch.note(162.0, 0.001)
    assert watch.worst == (0.001, "")


async def test_gate_status_tells_how_late_the_loop_was_what_kept_it_and_who_is_still_to_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_door, "COALESCE", 30)
    async with a_served_gate(tmp_path) as served:
        await served.a_device("db-1")
        agent = Unplugged(served.gate, served.server, DeviceID("1"))
        agent.session.whole()
        await served.a_device("db-2")
        served.gate.watch.spent["telling agents"] = 60.0
        served.gate.watch.note(time.monotonic(), 60.0)
        status = await served.gate.perform(health.status, GATE)
        assert (status.lag_ms, status.lag_cause, status.untold) == (60_000.0, "telling agents", 1)
