"""Packets on their way in: who takes them, what is refused, and never many of them in one step of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import inspect
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncssh
import pytest
from asyncssh.crypto.cipher import GCMCipher
from asyncssh.encryption import GCMEncryption
from asyncssh.kex import _kex_handlers
from asyncssh.packet import Boolean, PacketDecodeError, SSHPacket, String, UInt32
from doors_harness import House, a_house, eventually
from hypothesis import given
from hypothesis import strategies as st

from gate.doors import connection, incoming
from gate.doors.connection import GateConnection
from gate.doors.door import Door
from gate.doors.gcm import GCM
from gate.doors.incoming import Fields, Incoming, at_once
from store import Query, audit

DISCONNECT, IGNORE, DEBUG, KEXINIT, KEX_FIRST, USERAUTH_REQUEST, USERAUTH_FIRST, GLOBAL_REQUEST = (
    1,
    2,
    4,
    20,
    30,
    50,
    60,
    80,
)
CHANNEL_OPEN, CHANNEL_DATA, CHANNEL_REQUEST, UNKNOWN = 90, 94, 98, 200
IN_THE_CLEAR = struct.pack(">IBBI", 12, 6, IGNORE, 0) + bytes(6)
"""The smallest packet that there is, and it is to be passed over."""


class Told(asyncssh.SSHClient):
    """Keeps what ended the connection; `before_login` is done just then."""

    def __init__(self, before_login: Callable[[asyncssh.SSHClientConnection], None] = lambda _: None) -> None:
        self.ended: Exception | None = None
        self.before_login = before_login

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.connection = conn

    def begin_auth(self, username: str) -> None:
        self.before_login(self.connection)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = exc


@contextlib.asynccontextmanager
async def logged_in(house: House) -> AsyncIterator[tuple[asyncssh.SSHClientConnection, Told]]:
    client, told = await asyncssh.create_connection(
        Told, "127.0.0.1", house.server.port, username="alice", client_keys=[str(house.folder / "alice")], config=None,
        agent_path=None, known_hosts=None, preferred_auth="publickey",
    )  # fmt: skip
    try:
        yield client, told
    finally:
        client.abort()


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        pytest.param(KEX_FIRST, b"", "Key exchange not in progress", id="half-a-key-exchange"),
        pytest.param(USERAUTH_FIRST + 1, b"", "Authentication not in progress", id="an-answer-to-nothing"),
        pytest.param(CHANNEL_DATA, bytes(3) + b"\x09" + bytes(4), "Invalid channel number 9 received", id="no-channel"),
        pytest.param(CHANNEL_DATA, bytes(2), "Incomplete packet", id="half-a-channel-number"),
        pytest.param(GLOBAL_REQUEST, b"\xff\xff\xff\xff", "Incomplete packet", id="a-string-of-4-GiB"),
        pytest.param(DISCONNECT, b"", "Incomplete packet", id="a-farewell-without-a-word"),
    ],
)
async def test_a_packet_that_does_not_belong_ends_the_connection_with_a_reason(
    tmp_path: Path, kind: int, fields: bytes, says: str
) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, told):
        client.send_packet(kind, fields)
        await asyncio.wait_for(client.wait_closed(), 10)
        assert isinstance(told.ended, asyncssh.ProtocolError)
        assert told.ended.reason == says
        assert (await house.run("alice", "me", key="alice")).status == 0


@pytest.mark.parametrize("kind", [GLOBAL_REQUEST, CHANNEL_OPEN, CHANNEL_DATA, UNKNOWN])
async def test_nothing_is_taken_before_the_login(tmp_path: Path, kind: int) -> None:
    def asks_for_more(conn: asyncssh.SSHClientConnection) -> None:
        conn._auth_complete = True  # so that asyncssh lets the client send it
        conn.send_packet(kind, bytes(64))

    async with a_house(tmp_path) as house:
        with pytest.raises(asyncssh.ProtocolError, match="before authentication was complete"):
            await asyncssh.create_connection(
                lambda: Told(asks_for_more), "127.0.0.1", house.server.port, username="alice", client_keys=None,
                config=None, agent_path=None, known_hosts=None,
            )  # fmt: skip


async def test_packets_that_mean_nothing_are_passed_over_and_an_unknown_one_is_answered(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, _):
        answered: list[int] = []
        client._packet_handlers = {  # type: ignore[misc]
            **client._packet_handlers, 3: lambda conn, kind, seq, packet: answered.append(packet.get_uint32())
        }  # fmt: skip
        for _ in range(200):
            client.send_packet(IGNORE, struct.pack(">I", 0))
        client.send_packet(IGNORE)  # without the string that belongs to it
        number = client._send_seq + 1  # asyncssh sends one that means nothing before it
        client.send_packet(UNKNOWN)
        assert "alice@net.test" in str((await client.run("me")).stdout)
        assert answered == [number]


async def test_a_packet_that_was_changed_on_its_way_ends_the_connection(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, told):
        send = client._send
        client._send = lambda data: send(data[:-1] + bytes([data[-1] ^ 1]))  # type: ignore[method-assign]
        client.send_packet(GLOBAL_REQUEST, bytes(64))
        await asyncio.wait_for(client.wait_closed(), 10)
        assert isinstance(told.ended, asyncssh.MACError)


async def test_a_packet_that_says_it_is_huge_is_not_waited_for(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, told):
        client._send(struct.pack(">I", 0x7FFF_FFFF) + bytes(16))
        await asyncio.wait_for(client.wait_closed(), 10)
        assert isinstance(told.ended, asyncssh.ProtocolError)
        assert told.ended.reason == "Max packet size exceeded"


def test_the_guess_of_a_key_exchange_that_was_wrong_is_passed_over_once() -> None:
    one = Incoming.__new__(Incoming)
    one._kex, one._ignore_first_kex = object(), True  # type: ignore[assignment]
    assert one._handler(KEX_FIRST, Fields(b"")) is None
    assert one._handler(KEX_FIRST, Fields(b"")) is one._kex


def test_only_the_start_of_a_key_exchange_is_asyncssh_s_to_wait_for() -> None:
    """What comes under keys is done in the step in which it comes: a new asyncssh that waits for more is seen here."""
    handlers = asyncssh.SSHServerConnection._packet_handlers
    assert {kind for kind, take in handlers.items() if inspect.iscoroutinefunction(take)} == {KEXINIT}
    for name in connection.KEX:
        handlers = _kex_handlers[name.encode()][0]._packet_handlers
        assert handlers
        assert not any(map(inspect.iscoroutinefunction, handlers.values()))


async def test_a_handler_that_is_a_coroutine_is_run_whole(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, _):
        (door,) = house.server.keeper.open
        ours = door._connection
        assert ours is not None
        ran: list[int] = []

        async def note(_: object, kind: int, *rest: object) -> None:
            ran.append(kind)

        ours._packet_handlers = {**ours._packet_handlers, UNKNOWN: note}  # type: ignore[misc]
        client.send_packet(UNKNOWN)
        await eventually(lambda: ran == [UNKNOWN])


def test_what_waits_is_not_done_at_once() -> None:
    with pytest.raises(RuntimeError):
        at_once(asyncio.sleep(1))


# After the end.


def a_session(conn: asyncssh.SSHClientConnection, command: str) -> None:
    """Opens the client's first session and runs `command` in it, without waiting for an answer."""
    conn._auth_complete = True  # so that asyncssh lets the client send it
    conn.send_packet(CHANNEL_OPEN, String("session"), UInt32(0), UInt32(1 << 20), UInt32(1 << 15))
    conn.send_packet(IGNORE, String(bytes(2 * incoming.PORTION)))  # it is open a step after it was asked for
    conn.send_packet(CHANNEL_REQUEST, UInt32(0), String("exec"), Boolean(False), String(command))


def in_one_write(conn: asyncssh.SSHClientConnection, say: Callable[[], None]) -> None:
    said: list[bytes] = []
    send, conn._send = conn._send, said.append  # type: ignore[method-assign]
    say()
    conn._send = send  # type: ignore[method-assign]
    send(b"".join(said))


@pytest.mark.parametrize(("failures", "gets_in"), [(5, True), (6, False)])
async def test_a_proof_behind_too_many_failed_ones_lets_nobody_in(tmp_path: Path, failures: int, gets_in: bool) -> None:
    async with a_house(tmp_path) as house:
        key = asyncssh.read_private_key(str(house.folder / "alice"))
        said = asyncio.Event()
        offer = (Boolean(True), String(key.algorithm), String(key.public_data))

        def proves(conn: asyncssh.SSHClientConnection, well: bool) -> None:
            signed = conn.get_userauth_request_data(b"publickey", *offer) if well else b"something else"
            request = conn._get_userauth_request_packet(b"publickey", offer)
            conn.send_packet(USERAUTH_REQUEST, request[1:], String(key.sign(signed, key.algorithm)))

        def guesses(conn: asyncssh.SSHClientConnection) -> None:
            def say() -> None:
                for _ in range(failures):
                    proves(conn, False)
                proves(conn, True)
                a_session(conn, "me")

            in_one_write(conn, say)
            conn.try_next_auth = lambda **_: None  # type: ignore[method-assign]  # it has said all
            conn._recv_pkthdr = lambda: False  # type: ignore[method-assign]  # and listens no more
            said.set()

        guessing = asyncio.create_task(asyncssh.create_connection(
            lambda: Told(guesses), "127.0.0.1", house.server.port, username="alice", client_keys=None, config=None,
            agent_path=None, known_hosts=None,
        ))  # fmt: skip
        await asyncio.wait_for(said.wait(), 20)
        await eventually(lambda: house.faces.actors if gets_in else not house.server.keeper.open)
        assert bool(house.faces.actors) is gets_in
        await eventually(lambda: not house.server.keeper.desk._tasks)  # what was to be written is
        entries = house.gate.store.read(lambda r: audit.page(r, Query())).rows
        assert any(entry.action == "login" for entry in entries) is gets_in  # type: ignore[attr-defined]
        guessing.cancel()


async def test_nothing_is_taken_behind_a_farewell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Door] = []
    open_session = Door.session_requested
    monkeypatch.setattr(Door, "session_requested", lambda door: opened.append(door) or open_session(door))
    async with a_house(tmp_path) as house, logged_in(house) as (client, _):

        def say() -> None:
            client.send_packet(DISCONNECT, UInt32(11), String("bye"), String("en"))
            a_session(client, "me")

        in_one_write(client, say)
        await eventually(lambda: not house.server.keeper.open)
        assert not opened
        assert (await house.run("alice", "me", key="alice")).status == 0
        assert opened


async def test_what_waits_for_its_turn_when_the_connection_ends_is_not_taken(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, _):
        (door,) = house.server.keeper.open
        ours = door._connection
        assert ours is not None
        said: list[bytes] = []
        client._send = said.append  # type: ignore[method-assign]
        for _ in range(1000):
            client.send_packet(IGNORE, String(bytes(100)))
        ours.data_received(b"".join(said))
        await asyncio.sleep(0)
        assert ours._later, "one step takes less than all"
        ours.abort()
        taken: list[bytes] = []
        ours._take = taken.append  # type: ignore[method-assign]
        await eventually(lambda: not house.server.keeper.open)
        assert not taken
        assert not ours._later


# Many at a time.


async def test_a_stranger_who_floods_the_gate_with_packets_has_few_of_them_taken_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    take = GateConnection._recv_data

    def counted(self: GateConnection) -> None:
        before = self._recv_seq
        take(self)
        steps.append(self._recv_seq - before)

    monkeypatch.setattr(GateConnection, "_recv_data", counted)
    async with a_house(tmp_path) as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        writer.write(b"SSH-2.0-x\r\n" + IN_THE_CLEAR * 20_000)
        await eventually(lambda: sum(steps) == 20_000)
        assert max(steps) <= incoming.PORTION // len(IN_THE_CLEAR)
        writer.close()


async def test_what_came_waits_while_the_client_takes_no_answers_and_none_of_it_is_lost(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, _):
        (door,) = house.server.keeper.open
        ours = door._connection
        assert ours is not None
        data = b"".join(b"%07d\n" % number for number in range(10_000))
        ours.pause_writing()
        process = await asyncio.wait_for(open_cat(client, ours), 10)
        process.stdin.write(data)
        process.stdin.write_eof()
        taken = ours._recv_seq
        await eventually(lambda: unread(ours) > 0)
        for _ in range(10):
            await asyncio.sleep(0)  # a turn of the loop, in which it would be read
        assert ours._recv_seq == taken
        ours.resume_writing()
        assert await asyncio.wait_for(process.stdout.read(), 10) == data
    assert bytes(ours._later) == b""


def unread(ours: GateConnection) -> int:
    """Bytes that came and are the kernel's still."""
    return int.from_bytes(
        fcntl.ioctl(ours.get_extra_info("socket").fileno(), termios.FIONREAD, bytes(4)), sys.byteorder
    )


async def open_cat(client: asyncssh.SSHClientConnection, ours: GateConnection):  # type: ignore[no-untyped-def]
    """A session takes answers to open, so they are let through for as long."""
    ours.resume_writing()
    process = await client.create_process("cat", encoding=None)
    ours.pause_writing()
    return process


async def test_a_large_input_comes_whole_and_in_order(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        text = b"".join(b"%07d\n" % number for number in range(100_000))
        assert (await house.run("alice", "cat", key="alice", stdin=text)).bytes == text


# What asyncssh would make of the same bytes.

reads = st.lists(st.sampled_from(["get_byte", "get_boolean", "get_uint32", "get_string", "get_namelist", "check_end"]))
strings = st.binary(max_size=9).map(lambda text: struct.pack(">I", len(text)) + text)


@given(st.one_of(st.binary(max_size=40), st.lists(strings, max_size=5).map(b"".join)), reads)
def test_fields_are_read_as_asyncssh_reads_them(data: bytes, wanted: list[str]) -> None:
    def outcome(packet: SSHPacket) -> list[object]:
        found: list[object] = []
        for name in wanted:
            try:
                found.append(getattr(packet, name)())
            except PacketDecodeError as error:
                return [*found, str(error)]
        return [*found, packet.get_consumed_payload()]

    assert outcome(Fields(data)) == outcome(SSHPacket(data))


keys = st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=12, max_size=12) | st.just(b"\0\0\0\1" + b"\xff" * 8)


@given(keys, nonces, st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=4))
def test_sealed_packets_are_asyncssh_s_own_and_the_other_way_round(
    key: bytes, nonce: bytes, bodies: list[bytes]
) -> None:
    ours, opening = GCM(key, nonce), GCM(key, nonce)
    theirs = GCMEncryption(GCMCipher("aes128-gcm" if len(key) == 16 else "aes256-gcm", key, nonce))
    for body in bodies:
        size = len(body).to_bytes(4, "big")
        sealed = ours.seal(size, body)
        assert sealed == b"".join(theirs.encrypt_packet(0, size, body))
        assert opening.open(size, sealed[4:]) == body


@given(st.integers(0, 39), st.integers(1, 255))
def test_a_packet_of_which_one_byte_differs_is_not_opened(place: int, change: int) -> None:
    sealed = bytearray(GCM(bytes(16), bytes(12)).seal(b"\0\0\0\x14", bytes(20)))
    sealed[place] ^= change
    assert GCM(bytes(16), bytes(12)).open(bytes(sealed[:4]), bytes(sealed[4:])) is None


async def test_who_never_agrees_on_new_keys_is_kept_few_answers(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, told):
        (door,) = house.server.keeper.open
        gates = door._connection
        assert gates is not None
        client._packet_handlers = {**client._packet_handlers, KEXINIT: lambda *_: True}  # type: ignore[misc]
        gates._rekey_time = 0.0  # as after an hour: the next answer asks for new keys
        for _ in range(incoming.MOST_DEFERRED + 2):
            client.send_packet(GLOBAL_REQUEST, String("anything"), Boolean(True))
        await asyncio.wait_for(client.wait_closed(), 20)
        assert isinstance(told.ended, asyncssh.ProtocolError)
        assert told.ended.reason == "Too many requests before new keys"
        assert len(gates._deferred_packets) <= incoming.MOST_DEFERRED + 1


async def test_a_stranger_agrees_on_keys_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(asyncssh.ProtocolError, match="after the login"):
            await asyncssh.create_connection(
                lambda: Told(lambda client: client._send_kexinit()), "127.0.0.1", house.server.port, username="alice",
                client_keys=None, config=None, agent_path=None, known_hosts=None,
            )  # fmt: skip
        assert (await house.run("alice", "me", key="alice")).status == 0


async def test_a_client_does_not_have_what_it_is_told_cut_into_bytes(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, logged_in(house) as (client, told):
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.create_session(asyncssh.SSHClientSession, command="me", max_pktsize=1023)
        await asyncio.wait_for(client.wait_closed(), 10)
        assert isinstance(told.ended, asyncssh.ProtocolError)
        assert told.ended.reason == "Packets of less than 1024 bytes are not sent"
        await eventually(lambda: not house.server.keeper.open)
        assert (await house.run("alice", "me", key="alice")).status == 0
