"""The way to the gate: one SSH connection, to a host that proved itself before anything is sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator
from types import TracebackType

import asyncssh
import msgspec

from agent.exits import MARK
from agent.lines import LineBuffer
from model.errors import Denied, Unavailable, WardgateError
from model.ids import Address, quoted
from model.keys import ssh_key_from_blob
from model.wire import MAX_GATE_LINE, write_line

CONNECT_TIMEOUT = 15
LOGIN_TIMEOUT = 30
KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 20, 3
"""A gate that is silent for a minute is given up and called again."""
HOST_KEY_ALGORITHMS = [
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
]
"""Certificates alone: a bare key says nothing about whose it is."""
CLIENT_VERSION = "WardgateAgent"
"""By it a gate tells agents from people while many wait (RFC 4253, section 4.2)."""
_RETRY = re.compile(r"retry in (\d{1,4}) s")
ENCRYPTION = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gate is, and which host CAs may vouch for it (`SHA256:...`, never empty)."""

    host: str
    port: int
    host_cas: frozenset[str]

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class GateNotTrusted(Denied):
    """Whoever answered is not the gate that this device knows. Nothing was sent."""


class KeyRefused(Denied):
    """The gate proved itself and does not take this device's key."""


class GateBusy(Unavailable):
    """More came than the gate can serve now, and it said when to come back: seconds from then."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _Client(asyncssh.SSHClient):
    def __init__(self, host_cas: frozenset[str]) -> None:
        self.host_cas = host_cas
        self.asked = False
        """Whether a CA was named for the other side, whichever."""

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.asked = True
        return ssh_key_from_blob(key.public_data).fingerprint in self.host_cas


class Subsystem:
    """A channel of lines. Use as a context manager: leaving closes the connection."""

    def __init__(self, connection: asyncssh.SSHClientConnection, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._connection = connection
        self._process = process
        self._buffer = LineBuffer(MAX_GATE_LINE)

    async def __aenter__(self) -> Subsystem:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.abort()
        await self._connection.wait_closed()

    @property
    def gate_address(self) -> Address:
        """Where the gate is, as the connection has it."""
        return Address(self._connection.get_extra_info("peername")[0].partition("%")[0])

    @property
    def own_address(self) -> Address:
        """This machine's, as the connection has it."""
        return Address(self._connection.get_extra_info("sockname")[0].partition("%")[0])

    def abort(self) -> None:
        """Ends the connection here and now; who reads from it finds its end."""
        self._connection.abort()

    async def send(self, message: msgspec.Struct) -> None:
        self._process.stdin.write(write_line(message))
        await self._process.stdin.drain()

    async def lines(self) -> AsyncIterator[bytes]:
        """Until the gate ends the channel."""
        while data := await self._process.stdout.read(1 << 20):
            for line in self._buffer.feed(data):
                yield line


async def open_subsystem(gate: Gate, door: str, subsystem: str, key: asyncssh.SSHKey) -> Subsystem:
    """`subsystem` at `door` (the SSH user name), shown `key`.

    `GateNotTrusted`, `KeyRefused`, or `Unavailable` where the gate cannot be reached or ended the connection.
    """
    client = _Client(gate.host_cas)
    try:
        connection = await asyncio.wait_for(_connect(gate, door, key, client), CONNECT_TIMEOUT + LOGIN_TIMEOUT)
    except asyncssh.ConnectionLost as error:
        raise _explain(gate, error) if client.asked else _cut_off(gate) from error
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise _explain(gate, error) from error
    try:
        process = await connection.create_process(subsystem=subsystem, encoding=None, stderr=asyncssh.DEVNULL)
    except (OSError, asyncssh.Error) as error:
        connection.abort()
        raise _explain(gate, error) from error
    return Subsystem(connection, process)


async def _socket(gate: Gate) -> socket.socket:
    """A connection to the gate that no exit node takes: one that is away would take the gate with it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(gate.host, gate.port, type=socket.SOCK_STREAM)
    failures: list[OSError] = []
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        with contextlib.suppress(PermissionError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        try:
            await asyncio.wait_for(loop.sock_connect(made, address), CONNECT_TIMEOUT)
        except OSError as error:
            made.close()
            failures.append(error)
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failures[0] if failures else OSError(f"{gate.host} has no address")


async def _connect(gate: Gate, door: str, key: asyncssh.SSHKey, client: _Client) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        gate.host,
        gate.port,
        sock=await _socket(gate),
        username=door,
        client_version=CLIENT_VERSION,
        client_keys=[key],
        client_factory=lambda: client,
        known_hosts=([], [], []),
        server_host_key_algs=HOST_KEY_ALGORITHMS,
        encryption_algs=ENCRYPTION,
        compression_algs=None,
        preferred_auth="publickey",
        agent_path=None,
        config=None,
        connect_timeout=CONNECT_TIMEOUT,
        login_timeout=LOGIN_TIMEOUT,
        keepalive_interval=KEEPALIVE_INTERVAL,
        keepalive_count_max=KEEPALIVE_COUNT,
    )


NOT_A_GATE = "is this the gate's port, and not the machine's own sshd?"


def _cut_off(gate: Gate) -> Unavailable:
    """A host without a certificate gives up as this side does, and may be the quicker one; so does one that stops."""
    return Unavailable(
        f"{gate} ended the connection before it showed a host certificate of its network", hint=NOT_A_GATE
    )


def _explain(gate: Gate, error: Exception) -> WardgateError:
    """What went wrong, in a person's words. Texts of the other side are quoted, so that they stay on one line."""
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return GateNotTrusted(
                f"{gate} is not the gate that this device was told of: {error.reason}",
                hint="use the address that was given to `wardgate init`; never go on with a gate that is not yours",
            )
        case asyncssh.KeyExchangeFailed():
            return GateNotTrusted(
                f"{gate} shows no host certificate of its network: {quoted(error.reason)}",
                hint=NOT_A_GATE,
            )
        case asyncssh.PermissionDenied():
            return KeyRefused(
                f"{gate} does not take this device's key",
                hint="it was removed or never enrolled: `wardgate up` with a new enrollment key",
            )
        case TimeoutError():
            return Unavailable(f"{gate} does not answer")
        case asyncssh.Error():
            return _ended(gate, error)
        case _:
            return Unavailable(f"{gate} cannot be reached: {_why(error)}")


def _why(error: Exception) -> str:
    """The system's word for it: asyncio tells address and number in its own."""
    if not isinstance(error, OSError):
        return str(error)
    if isinstance(error, socket.gaierror) or error.errno is None:
        return str(error.strerror or error)
    return os.strerror(error.errno).lower()


def _ended(gate: Gate, error: asyncssh.Error) -> Unavailable:
    when = _RETRY.search(error.reason)
    if when is not None:
        return GateBusy(f"{gate} turned this device away: {quoted(error.reason)}", int(when[1]))
    return Unavailable(f"{gate} ended the connection: {quoted(error.reason)}")
