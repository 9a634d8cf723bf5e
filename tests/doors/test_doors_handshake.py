"""The handshake with a client that waits for acknowledgements, as OpenSSH does until it has a session."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from pathlib import Path

import pytest
from doors_harness import a_house, eventually

from gate.doors.connection import CIPHERS, KEX, MACS


def algorithms() -> bytes:
    """A client's first packet (RFC 4253, section 7.1), which the gate takes without an answer."""
    names = (KEX[0], "ssh-ed25519", CIPHERS[0], CIPHERS[0], MACS[0], MACS[0], "none", "none", "", "")
    payload = b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(name)) + name.encode() for name in names) + bytes(5)
    padding = 12 - (len(payload) + 1) % 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such switch")
async def test_what_nothing_answers_is_acknowledged_at_once(tmp_path: Path) -> None:
    """OpenSSH waits for that before it goes on; the kernel would keep it back for 40 ms."""
    async with a_house(tmp_path) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        writer.write(b"SSH-2.0-x\r\n")
        await reader.readuntil(b"\r\n")
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
        (door,) = house.server.keeper.open
        connection = door._connection
        assert connection is not None
        wire = connection.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)  # as it is where an answer went along before
        assert not wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
        writer.write(algorithms())
        await eventually(lambda: connection._client_kexinit != b"")
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
        writer.close()
