"""The people door, with the real ssh."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import asyncssh
import pytest
from doors_harness import a_house, a_terminal, eventually, run

from gate.actor import GATE
from gate.doors import serve
from gate.services import certificates as certificate_operations
from gate.services import logins as login_operations
from gate.services import revocations
from gate.services import users as user_operations
from model.errors import Denied, Unavailable
from model.records import Role


async def test_a_registered_key_gets_its_owner_in_and_the_command_answers(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", "devices", "list", key="alice")
        assert (ran.status, ran.out, ran.err) == (
            0,
            "alice@net.test owner ['devices', 'list']\nsecond\n",
            "",
        )
        assert house.faces.actors[0].method == "key"


async def test_the_full_name_in_other_letters_is_the_same_person(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        assert "alice@net.test" in (await house.run("ALICE@Net.Test", "me", key="alice")).out


async def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.key("stranger")
        ran = await house.run("alice", "me", key="stranger")
        assert ran.status == 255
        assert "Permission denied (publickey,keyboard-interactive,password)" in ran.err


async def test_role_is_of_the_person(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", Role.OPERATOR, key="bob")
        assert "bob@net.test operator" in (await house.run("bob", "x", key="bob")).out


# Sessions.


async def test_input_reaches_the_command_and_its_output_the_client(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", "cat", key="alice", stdin=b"one\ntwo\n")
        assert (ran.status, ran.out) == (0, "one\ntwo\n")


async def test_more_input_than_is_taken_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", "small-cat", key="alice", stdin=b"x" * 200_000)
        assert ran.status == 1
        assert ran.err.startswith("error: standard input has more than the 16 bytes")


async def test_a_long_answer_comes_whole(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", "flood", "30000", key="alice")
        assert len(ran.out.splitlines()) == 30_000


async def test_the_status_of_the_command_is_the_clients(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        assert (await house.run("alice", "exit", "7", key="alice")).status == 7


async def test_quotes_are_split_as_a_shell_does_without_expansion(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        assert """['a b', '$HOME', '*']""" in (await house.run("alice", """'a b' $HOME *""", key="alice")).out


async def test_a_command_that_is_too_long_is_refused_and_never_cut(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client("alice") as client:
        answer = await client.run("echo " + "x" * (64 * 1024 - 8) + " db-10")
        assert (answer.exit_status, answer.stdout) == (1, "")
        assert "at most 65536 characters" in str(answer.stderr)


async def test_quotes_that_do_not_balance_are_a_usage_error(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", "users add 'bob", key="alice")
        assert (ran.status, ran.err.splitlines()[0]) == (2, "error: the command's quotes do not balance")


async def test_neither_terminal_nor_command_gives_help_on_stderr(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", key="alice", options=("-T",))
        assert (ran.status, ran.out) == (2, "")
        assert "the console" in ran.err


async def test_a_fault_of_the_gate_tells_no_detail(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", "break", key="alice")
        assert (ran.status, "secret detail" in ran.err) == (1, False)
        assert (await house.run("alice", "me", key="alice")).status == 0


async def test_a_client_that_leaves_takes_its_command_along(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        process = await house.start("alice", "sleep", key="alice")
        assert process.stdout
        await process.stdout.readline()
        process.kill()
        await process.wait()
        await eventually(lambda: house.faces.cancelled == 1)


# With a terminal.


async def test_a_terminal_without_a_command_opens_the_console(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, a_terminal(house, columns=100, rows=30) as terminal:
        await terminal.until(b"console [] 100x30 xterm-256color alice@net.test")
        await terminal.type(b"hi")
        await terminal.until(b"<hi>")
        terminal.resize(120, 40)
        await terminal.until(b"resized 120x40")
        await terminal.type(b"q")
        assert await terminal.status() == 0


async def test_a_screens_name_opens_it_where_there_is_a_terminal(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        async with a_terminal(house, "screen", "db-1") as terminal:
            await terminal.until(b"console ['screen', 'db-1']")
            await terminal.type(b"q")
            assert await terminal.status() == 0
        ran = await house.run("alice", "screen db-1", key="alice")
        assert "['screen', 'db-1']" in ran.out
        assert "console" not in ran.out


async def test_a_terminal_that_cannot_move_its_cursor_has_commands_alone(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, a_terminal(house, "screen", "db-1", term="dumb") as terminal:
        await terminal.until(b"['screen', 'db-1']")
        assert house.faces.consoles == []


async def test_console_words_name_a_screen(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, a_terminal(house, "console", "devices", "db-1") as terminal:
        await terminal.until(b"console ['devices', 'db-1']")


async def test_a_command_on_a_terminal_ends_its_lines_for_one(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, a_terminal(house, "me") as terminal:
        await terminal.until(b"80x24 xterm-256color\r\nsecond\r\n")


async def test_ctrl_c_interrupts_a_command(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, a_terminal(house, "sleep") as terminal:
        await terminal.until(b"sleeping")
        await terminal.type(b"\x03")
        assert await terminal.status() == 130
        assert house.faces.cancelled == 1


async def test_binary_is_refused_on_a_terminal_and_not_without(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        async with a_terminal(house, "binary") as terminal:
            await terminal.until(b"error: this answer is binary")
            assert await terminal.status() == 1
        assert (await house.run("alice", "binary", key="alice")).bytes == b"\x00\xff"


@pytest.mark.parametrize("term", ["dumb", "", "unknown", "-x\x1b]"])
async def test_a_terminal_that_cannot_draw_gets_help(tmp_path: Path, term: str) -> None:
    async with a_house(tmp_path) as house, a_terminal(house, term=term) as terminal:
        await terminal.until(b"the console, in a terminal that can move its cursor")
        assert await terminal.status() == 2
        assert house.faces.consoles == []


async def test_absurd_sizes_are_clamped(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client("alice") as client:
        process = await client.create_process(term_type="xterm", term_size=(2**32 - 1, 2**31))
        assert "400x150" in await process.stdout.readline()
        process.change_terminal_size(0, 0)
        assert "resized 80x24" in await process.stdout.readline()


# What is refused.


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-s"], id="sftp-subsystem"),
        pytest.param(["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"], id="remote-forwarding"),
        pytest.param(["-W", "127.0.0.1:22"], id="stdio-forwarding"),
    ],
)
async def test_nothing_but_sessions_is_open(tmp_path: Path, options: list[str]) -> None:
    async with a_house(tmp_path) as house:
        words = ["sftp"] if options == ["-s"] else []
        ran = await house.run("alice", *words, key="alice", options=[*options, "-o", "ConnectTimeout=5"])
        assert ran.status == 255


async def test_local_forwarding_reaches_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client("alice") as client:
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.open_connection("127.0.0.1", 22)
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.open_unix_connection("/run/docker.sock")
        with pytest.raises(asyncssh.ChannelListenError):
            await client.start_server(lambda host, port: None, "127.0.0.1", 0)


async def test_a_name_with_a_prohibited_character_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        assert (await house.run("\u202ealice", "me", key="alice")).status == 255


@pytest.mark.parametrize("program", ["scp", "sftp"])
async def test_no_file_is_copied(tmp_path: Path, program: str) -> None:
    async with a_house(tmp_path) as house:
        words = house.ssh("alice", key="alice")
        options = [word if word != "-p" else "-P" for word in words[1 : words.index("-l")]]
        target = ["alice@127.0.0.1:/etc/passwd", str(tmp_path / "out")] if program == "scp" else ["alice@127.0.0.1"]
        ran = await run([program, *options, "-o", "BatchMode=yes", *target])
        assert ran.status != 0
        assert not (tmp_path / "out").exists()


async def test_x11_is_not_forwarded(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client("alice") as client:
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.create_process("me", x11_forwarding=True, x11_display=":9")


async def certify(folder: Path, key: str) -> None:
    """A certificate over `key` by a CA of the test's own, for alice."""
    await run(["ssh-keygen", "-q", "-s", str(folder / "ca"), "-I", "x", "-n", "alice", str(folder / f"{key}.pub")])


async def test_a_user_certificate_gets_nobody_in(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.key("ca")
        house.key("mallory")
        await run(
            ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "x", "-n", "alice", str(tmp_path / "mallory.pub")]
        )
        assert (tmp_path / "mallory-cert.pub").exists()
        assert (await house.run("alice", "me", key="mallory")).status == 255


async def test_even_a_certificate_over_a_registered_key_is_no_key(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.key("ca")
        await run(
            ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "x", "-n", "alice", str(tmp_path / "alice.pub")]
        )
        certificate = asyncssh.read_certificate(str(tmp_path / "alice-cert.pub"))
        key = asyncssh.read_private_key(str(tmp_path / "alice"))
        pairs = [pair for pair in asyncssh.load_keypairs([(key, certificate)]) if pair.has_cert]
        with pytest.raises(asyncssh.PermissionDenied):
            await house.connect("alice", pairs)


async def test_a_short_rsa_key_is_refused_and_a_long_one_is_not(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", key=None)
        house.key_of_kind("long", "rsa", "-b", "3072")
        await house.gate.perform(user_operations.add_key, GATE, name="bob", key=house.key("long"))
        assert (await house.run("bob", "me", key="long")).status == 0
        short = asyncssh.generate_private_key("ssh-rsa", key_size=1024)
        with pytest.raises(asyncssh.PermissionDenied):
            await house.connect("enroll", [short])


async def test_sha1_signatures_are_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.key_of_kind("long", "rsa", "-b", "3072")
        await house.a_user("bob", key="long")
        ran = await house.run("bob", "me", key="long", options=("-o", "PubkeyAcceptedAlgorithms=ssh-rsa"))
        assert ran.status == 255


@pytest.mark.parametrize("name", ["", "device", "gate", "nobody", "a" * 900, "alice@", "@", "-x"])
async def test_no_name_gets_in_without_its_key(tmp_path: Path, name: str) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises((asyncssh.Error, OSError)):
            await house.connect(name, [asyncssh.read_private_key(str(tmp_path / "alice"))])


# Counting.


async def test_an_agent_full_of_keys_may_offer_them_all(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(20)]
        keys.append(asyncssh.read_private_key(str(tmp_path / "alice")))
        connection = await house.connect("alice", keys)
        connection.close()


async def test_too_many_offers_end_the_connection(tmp_path: Path) -> None:
    async with a_house(tmp_path, offers=10) as house:
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(30)]
        with pytest.raises(asyncssh.DisconnectError, match="too many keys offered"):
            await house.connect("alice", keys)


async def test_strangers_are_counted_and_told(tmp_path: Path) -> None:
    async with a_house(tmp_path, strangers_per_address=3) as house:
        idle = [await asyncio.open_connection("127.0.0.1", house.server.port) for _ in range(3)]
        said = b""
        for _ in range(20):  # on a busy machine the last word may be lost to the end of the connection
            reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
            with contextlib.suppress(ConnectionError):
                said += await reader.read()
            writer.close()
            if said:
                break
        assert b"too many connections from your address" in said
        for _, one in idle:
            one.close()
        await eventually(lambda: house.server.keeper.admission.strangers == 0)
        assert (await house.run("alice", "me", key="alice")).status == 0


async def test_who_does_not_log_in_is_sent_away_in_time(tmp_path: Path) -> None:
    async with a_house(tmp_path, login_grace=0.3) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        await asyncio.wait_for(reader.read(), 10)
        writer.close()


async def test_sessions_of_one_connection_are_capped(tmp_path: Path) -> None:
    async with a_house(tmp_path, sessions_per_person=3) as house, house.client("alice") as client:
        open_ones = [await client.create_process("sleep") for _ in range(3)]
        with pytest.raises(asyncssh.ChannelOpenError, match="no more sessions"):
            await client.create_process("sleep")
        open_ones[0].close()
        await open_ones[0].wait_closed()
        assert (await client.run("me")).exit_status == 0


async def test_connections_of_one_person_are_capped(tmp_path: Path) -> None:
    async with a_house(tmp_path, people_per_account=2) as house:
        first, second = await house.connect("alice"), await house.connect("alice")
        third = await house.connect("alice")
        await asyncio.wait_for(third.wait_closed(), 10)
        assert (await first.run("me")).exit_status == 0
        for connection in (first, second):
            connection.close()


# The end of it.


async def test_a_disabled_person_is_out_at_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", key="bob")
        async with a_terminal(house, user="bob") as terminal:
            await terminal.until(b"bob@net.test")
            await house.gate.perform(user_operations.disable, GATE, names=["bob"])
            await terminal.until(b"console closed")
            await terminal.until(b"your account was disabled")
        assert (await house.run("bob", "me", key="bob")).status == 255


async def test_a_revoked_key_gets_in_nowhere_and_takes_its_connections_along(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", key="bob")
        await house.a_device("db-1")
        async with house.client("bob", "bob") as person, house.client("device", "db-1") as device:
            for name in ("bob", "db-1"):
                await house.gate.perform(revocations.revoke, GATE, key=house.key(name))
            await asyncio.wait_for(asyncio.gather(person.wait_closed(), device.wait_closed()), 10)
        for user, key in (("bob", "bob"), ("device", "db-1"), ("enroll", "db-1")):
            with pytest.raises(asyncssh.PermissionDenied):
                await house.connect(user, key)


async def test_what_waits_behind_the_end_of_a_login_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", key="bob")
        await house.a_device("laptop", user="bob@net.test")
        async with house.client("bob", "bob") as client:
            await client.run("me")
            actor = house.faces.actors[-1]
            done = await asyncio.gather(
                house.gate.perform(login_operations.logout, actor),
                house.gate.perform(certificate_operations.for_myself, actor, key=house.key("bob")),
                return_exceptions=True,
            )  # fmt: skip
        assert isinstance(done[1], Denied)
        assert (await house.run("bob", "me", key="bob")).status == 0
        again = house.faces.actors[-1]
        await house.gate.perform(certificate_operations.for_myself, again, key=house.key("bob"))


async def test_a_removed_key_takes_its_own_connections_along_and_no_others(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", key="bob")
        await house.gate.perform(user_operations.add_key, GATE, name="bob", key=house.key("bob2"))
        by_first, by_second = await house.connect("bob", "bob"), await house.connect("bob", "bob2")
        fingerprint = house.key("bob").fingerprint
        await house.gate.perform(user_operations.remove_key, GATE, name="bob", fingerprint=fingerprint)
        await asyncio.wait_for(by_first.wait_closed(), 10)
        assert (await by_second.run("me")).exit_status == 0
        by_second.close()


async def test_an_ending_gate_tells_its_consoles(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, a_terminal(house) as terminal:
        await terminal.until(b"alice@net.test")
        await asyncio.wait_for(house.server.close(), 10)
        await terminal.until(b"console closed")
        await terminal.until(b"the gate is stopping")


async def test_a_busy_port_is_named(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(Unavailable, match="cannot listen on"):
            await serve(
                house.gate, house.faces, host="127.0.0.1", port=house.server.port,
                host_key=tmp_path / "state" / "host_key", host_certificate=None,
            )  # fmt: skip
