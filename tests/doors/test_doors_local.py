"""The local socket."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from doors_harness import House, a_house

from gate.doors import local
from gate.doors.calling import call
from gate.doors.socketlines import SOCKET
from gate.faces import Terminal
from model.errors import Conflict, Unavailable


class Said:
    def __init__(self, status: int, out: bytes, err: bytes) -> None:
        self.status, self.out, self.err = status, out, err


async def said(
    house: House, words: Sequence[str], stdin: bytes | None = None, terminal: Terminal | None = None
) -> Said:
    out, err = bytearray(), bytearray()
    status = await call(house.gate.state, words, stdin, terminal, out.extend, err.extend)
    return Said(status, bytes(out), bytes(err))


async def test_a_local_command_has_the_owners_rights(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        door = local.LocalDoor(house.gate, house.faces)
        await door.open()
        answer = await said(house, ["users", "list"])
        assert answer.out.decode().startswith(f"local:{os.getuid()} owner ['users', 'list']")
        assert stat.S_IMODE((house.gate.state / SOCKET).stat().st_mode) == 0o600
        await door.close()
        assert not (house.gate.state / SOCKET).exists()


async def test_streams_status_and_terminal_pass_through(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        door = local.LocalDoor(house.gate, house.faces)
        await door.open()
        assert (await said(house, ["cat"], "grüße\n".encode() * 50_000)).out == "grüße\n".encode() * 50_000
        assert (await said(house, ["exit", "7"])).status == 7
        assert (await said(house, ["binary"])).out == b"\x00\xff"
        assert b"400x24" in (await said(house, ["me"], terminal=Terminal(term="xterm", columns=9999))).out
        too_much = await said(house, ["small-cat"], b"x" * 100)
        assert (too_much.status, too_much.err.startswith(b"error: standard input")) == (1, True)
        broken = await said(house, ["break"])
        assert (broken.status, b"secret detail" in broken.err) == (1, False)
        await door.close()


async def test_a_client_that_leaves_takes_its_command_along(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        door = local.LocalDoor(house.gate, house.faces)
        await door.open()
        calling = asyncio.create_task(said(house, ["sleep"]))
        while not house.faces.actors:
            await asyncio.sleep(0.01)
        calling.cancel()
        while not house.faces.cancelled:
            await asyncio.sleep(0.01)
        await door.close()


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"nonsense\n", b'{"words": ["x"], "stdin": "%%%"}\n', b'{"words": 3}\n']
)
async def test_a_bad_request_is_refused_in_one_line(tmp_path: Path, line: bytes) -> None:
    async with a_house(tmp_path) as house:
        door = local.LocalDoor(house.gate, house.faces)
        await door.open()
        reader, writer = await asyncio.open_unix_connection(str(house.gate.state / SOCKET))
        writer.write(line)
        answer = await reader.read()
        assert b'"err"' in answer
        assert b'{"exit":1}' in answer
        writer.close()
        await door.close()


async def test_without_a_gate_the_caller_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no gate serves"):
        await call(tmp_path, ["me"], None, None, print, print)


async def test_a_leftover_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        door = local.LocalDoor(house.gate, house.faces)
        await door.open()
        with pytest.raises(Conflict, match="another gate serves"):
            await local.LocalDoor(house.gate, house.faces).open()
        assert door._server
        door._server.close()
        again = local.LocalDoor(house.gate, house.faces)
        await again.open()
        assert (await said(house, ["me"])).status == 0
        await again.close()
