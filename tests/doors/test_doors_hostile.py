"""What is no SSH, half an SSH, or too much of it: bounded, answered where it can be, and nobody else notices."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path

import asyncssh
import pytest
from doors_harness import EchoFaces, a_house, eventually

from gate.actor import GATE
from gate.doors import serve
from gate.services import users as user_operations

GARBAGE = {
    "a-web-browser": b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n",
    "an-old-protocol": b"SSH-1.5-old\r\n",
    "an-endless-banner": b"x" * 100_000,
    "an-endless-version": b"SSH-2.0-" + b"x" * 10_000 + b"\r\n",
    "not-text": b"SSH-2.0-\xff\xfe\r\n",
    "rubbish-after-the-version": b"SSH-2.0-x\r\n" + os.urandom(5000),
    "a-huge-packet": b"SSH-2.0-x\r\n" + struct.pack(">IB", 0x7FFFFFFF, 4),
    "an-empty-packet": b"SSH-2.0-x\r\n" + struct.pack(">IB", 1, 0) + bytes(20),
    "an-unknown-message": b"SSH-2.0-x\r\n" + struct.pack(">IBB", 12, 10, 250) + bytes(10),
    "a-login-before-the-keys": b"SSH-2.0-x\r\n" + struct.pack(">IBB", 12, 10, 50) + bytes(10),
    "a-session-before-the-login": b"SSH-2.0-x\r\n" + struct.pack(">IBB", 12, 10, 90) + bytes(10),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_what_is_no_ssh_is_let_go_and_others_get_in(tmp_path: Path, name: str) -> None:
    async with a_house(tmp_path, login_grace=3) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        writer.write(GARBAGE[name])
        async with asyncio.timeout(20):
            while await reader.read(65536):
                pass
        writer.close()
        await eventually(lambda: house.server.keeper.admission.connections == 0)
        assert (await house.run("alice", "me", key="alice")).status == 0


async def test_a_client_that_never_reads_is_asked_nothing_more(tmp_path: Path) -> None:
    """Requests that want answers cannot pile them up in the gate."""
    async with a_house(tmp_path) as house:
        client = await house.connect("alice")
        transport = client._transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        peer = next(iter(house.server.keeper.open))._connection
        assert peer is not None
        for _ in range(200):
            for _ in range(200):
                client._send_global_request(b"nonsense@example.com", want_reply=True)
            await asyncio.sleep(0)
        assert isinstance(peer._transport, asyncio.Transport)
        assert peer._transport.get_write_buffer_size() < 1 << 20
        client.abort()
        assert (await house.run("alice", "me", key="alice")).status == 0


async def test_variables_of_a_client_fill_no_memory(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client("alice") as client:
        environment = {f"LC_{number}": "x" * 1000 for number in range(500)} | {
            "LANG": "C.UTF-8",
            "COLORTERM": "y" * 999,
        }
        process = await client.create_process(env=environment, term_type="xterm")
        await process.stdout.readline()
        channel = next(iter(next(iter(house.server.keeper.open))._connection._channels.values()))  # type: ignore[union-attr]
        assert dict(channel._env) == {b"LANG": b"C.UTF-8"}
        assert dict(house.faces.consoles[0].terminal.environment) == {"LANG": "C.UTF-8"}


async def test_many_silent_connections_keep_nobody_out(tmp_path: Path) -> None:
    async with a_house(tmp_path, login_grace=2, strangers_per_address=40) as house:
        silent = [await asyncio.open_connection("127.0.0.1", house.server.port) for _ in range(60)]
        await eventually(lambda: house.server.keeper.lobby.dropped >= 20)
        await eventually(lambda: house.server.keeper.admission.strangers == 0)
        assert (await house.run("alice", "me", key="alice")).status == 0
        for _, writer in silent:
            writer.close()


async def test_a_name_is_not_changed_again_and_again(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:

        class Restless(asyncssh.SSHClient):
            def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
                self.connection, self.tries = conn, 0

            def public_key_auth_requested(self) -> None:
                self.tries += 1
                self.connection._username = f"user-{self.tries}"
                self.connection._auth_methods = [b"publickey"]

            def kbdint_auth_requested(self) -> str:
                self.tries += 1
                self.connection._username = f"user-{self.tries}"
                return ""

            def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
                return ["x"] * len(prompts)

        with pytest.raises(asyncssh.Error):
            await asyncssh.connect(
                "127.0.0.1", house.server.port, username="user-0", known_hosts=None, client_factory=Restless,
                client_keys=None, config=None, agent_path=None,
            )  # fmt: skip


# Addresses and the end.


@pytest.mark.skipif(not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="needs IPv6")
async def test_an_ipv4_client_has_its_own_address_and_not_a_mapped_one(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = tmp_path / "state" / "host_key"
        server = await serve(house.gate, house.faces, host="*", port=0, host_key=key, host_certificate=None)
        for address in ("127.0.0.1", "::1"):
            client = await asyncssh.connect(
                address, server.port, username="alice", client_keys=[str(tmp_path / "alice")], known_hosts=None,
                config=None, agent_path=None,
            )  # fmt: skip
            await client.run("me")
            assert house.faces.actors[-1].source == address
            client.close()
        await server.close()


class StubbornFaces(EchoFaces):
    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def command(self, *arguments, **more) -> int:  # type: ignore[no-untyped-def]
        self.asked.set()
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled += 1
                if self.cancelled > 3:
                    raise


async def test_an_ending_gate_does_not_wait_for_what_will_not_end(tmp_path: Path) -> None:
    async with a_house(tmp_path, close_grace=1.0) as house:
        faces = StubbornFaces()
        house.server.keeper.faces = faces
        client = await house.connect("alice")
        process = await client.create_process("anything")
        await asyncio.wait_for(faces.asked.wait(), 10)
        await asyncio.wait_for(house.server.close(), 10)
        await asyncio.wait_for(client.wait_closed(), 10)
        process.close()
        for task in asyncio.all_tasks():
            if "PersonSession" in repr(task):
                for _ in range(5):
                    task.cancel()
                    await asyncio.sleep(0)


async def test_a_bare_name_of_another_domain_serves_where_one_person_alone_has_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("carol@elsewhere.test", key="carol")
        assert "carol@elsewhere.test" in (await house.run("carol", "me", key="carol")).out
        await house.a_user("carol@third.test")
        assert (await house.run("carol", "me", key="carol")).status == 255
        assert (await house.run("carol@elsewhere.test", "me", key="carol")).status == 0


async def test_someone_who_is_enabled_again_gets_in_again(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", key="bob")
        await house.gate.perform(user_operations.disable, GATE, names=["bob"])
        await house.gate.perform(user_operations.enable, GATE, names=["bob"])
        assert (await house.run("bob", "me", key="bob")).status == 0
