"""The SSH server: listeners, algorithms, and the end of it all."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh

from gate.doors.connection import CIPHERS, KEX, MACS, SIGNATURES, GateConnection
from gate.doors.door import Door
from gate.doors.keeper import Keeper
from gate.doors.limits import Limits
from gate.doors.lobby import Lobby, Waiting
from gate.login.desk import Desk
from model.errors import Unavailable

if TYPE_CHECKING:
    from gate.faces import Faces
    from gate.gate import Gate

BACKLOG = 1024
WINDOW = 256 * 1024
"""Bytes that a client may send ahead on one session."""
HostKey = asyncssh.SSHKey | Path | bytes


class Server:
    """`port` is the real one, where 0 was asked for; `fingerprint` is the host key's."""

    def __init__(self, listeners: Sequence[asyncio.Server], keeper: Keeper, key: asyncssh.SSHKey) -> None:
        self._listeners = listeners
        self._key = key
        self.keeper = keeper
        self.fingerprint = key.get_fingerprint()
        self.port: int = listeners[0].sockets[0].getsockname()[1]

    async def certify(self, certificate: bytes) -> None:
        """Shows another certificate of the host key to those who connect from now on."""
        await _prepare(self.keeper, self._key, certificate)

    async def close(self, reason: str = "the gate is stopping; it may be back soon") -> None:
        """Lets nobody new in, tells consoles and agents, and ends their connections in bounded time."""
        for listener in self._listeners:
            listener.close()
        self.keeper.lobby.close()
        await self.keeper.close(reason)
        await self.keeper.desk.close()


async def serve(
    gate: Gate,
    faces: Faces,
    *,
    host: str,
    port: int,
    host_key: HostKey,
    host_certificate: bytes | None,
    limits: Limits | None = None,
) -> Server:
    """Opens the three doors. An empty `host` or `*` means all addresses of this machine; port 0 picks one.

    `host_key` is a private key, its file, or its file's bytes; `host_certificate` the line of its certificate.
    Raises `Unavailable` where the address cannot be listened on.
    """
    limits = limits or Limits()
    key = _private(host_key)
    keeper = Keeper(gate, faces, limits, Desk(gate))
    await _prepare(keeper, key, host_certificate)
    try:
        listeners = await _listen(keeper.lobby, host, port)
    except OSError as error:
        await keeper.close("the gate did not start")
        raise Unavailable(
            f"cannot listen on {host or '*'}:{port}: {os.strerror(error.errno).lower() if error.errno else error}",
            hint=_LISTEN_HINTS.get(error.errno or 0, "choose another with --listen ADDR:PORT"),
        ) from None
    return Server(listeners, keeper, key)


_LISTEN_HINTS = {
    errno.EADDRINUSE: "another program has the port; choose one with --listen ADDR:PORT",
    errno.EADDRNOTAVAIL: "this machine has no such address; --listen :PORT takes all that it has",
    errno.EACCES: "ports below 1024 are root's; choose another with --listen ADDR:PORT",
}


def _private(host_key: HostKey) -> asyncssh.SSHKey:
    if isinstance(host_key, Path):
        return asyncssh.read_private_key(str(host_key))
    return asyncssh.import_private_key(host_key) if isinstance(host_key, bytes) else host_key


async def _prepare(keeper: Keeper, key: asyncssh.SSHKey, certificate: bytes | None) -> None:
    """What connections are made with from now on."""
    options = await _options(key, certificate, keeper.limits, lambda: Door(keeper))
    loop = asyncio.get_running_loop()
    keeper.lobby.make = lambda: GateConnection(loop, options, keeper.gate.watch.steps)


async def _options(
    key: asyncssh.SSHKey, certificate: bytes | None, limits: Limits, factory: Callable[[], Door]
) -> asyncssh.SSHServerConnectionOptions:
    options: asyncssh.SSHServerConnectionOptions = await asyncssh.SSHServerConnectionOptions.construct(
        config=None, server_factory=factory, server_host_keys=[key],
        server_host_certs=[certificate] if certificate else (),
        server_version="Wardgate", kex_algs=KEX, encryption_algs=CIPHERS, mac_algs=MACS, compression_algs=None,
        signature_algs=sorted(name.decode() for names in SIGNATURES.values() for name in names),
        login_timeout=0, keepalive_interval=0,
        gss_host=None, gss_kex=False, gss_auth=False, host_based_auth=False, x509_trusted_certs=None,
        agent_forwarding=False, x11_forwarding=False, sftp_factory=None, allow_scp=False,
        line_editor=False, encoding=None, window=WINDOW, rdns_lookup=False, authorized_client_keys=None,
    )  # fmt: skip
    return options


async def _listen(lobby: Lobby, host: str, port: int) -> list[asyncio.Server]:
    """IPv4 and IPv6 apart, so that an IPv4 client has its own address and not a mapped one."""
    loop = asyncio.get_running_loop()
    hosts = ("0.0.0.0", "::") if host in {"", "*"} else (host.strip("[]"),)  # noqa: S104 - as asked
    listeners: list[asyncio.Server] = []
    for address in hosts:
        try:
            listener = await loop.create_server(
                lambda: Waiting(lobby), address, port, backlog=BACKLOG, reuse_address=True
            )
        except OSError:
            if listeners and address == "::":  # a machine without IPv6
                break
            raise
        listeners.append(listener)
        port = port or _port(listener)
    return listeners


def _port(listener: asyncio.Server) -> int:
    return int(listener.sockets[0].getsockname()[1])
