"""Standard input and output as a connection to a host: what ssh's `ProxyCommand` is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading

from model.errors import Invalid, Unavailable
from model.ids import quoted

CONNECT_TIMEOUT = 20.0
SIZE = 65536


def parse_target(text: str) -> tuple[str, int]:
    """HOST:PORT, as ssh makes it of %h:%p; an IPv6 address may stand in brackets."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise Invalid(f"{quoted(text)} is not HOST:PORT", hint="ProxyCommand wardgate login --proxy %h:%p")
    return host, int(port)


async def carry(host: str, port: int) -> int:
    """Until either side ends. Raises `Unavailable` where the host does not answer."""
    try:
        reached = await asyncio.to_thread(socket.create_connection, (host, port), CONNECT_TIMEOUT)
    except OSError as fault:
        raise Unavailable(f"{host}:{port} does not answer: {(fault.strerror or str(fault)).lower()}") from None
    reached.settimeout(None)
    # A thread that reads a terminal or a pipe cannot be ended; the program's end does it.
    threading.Thread(target=_send, args=(reached,), daemon=True).start()
    await asyncio.to_thread(_receive, reached)
    return 0


def _send(reached: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(sys.stdin.fileno(), SIZE):
            reached.sendall(data)
        reached.shutdown(socket.SHUT_WR)


def _receive(reached: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := reached.recv(SIZE):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
