"""What a device keeps on disk: its keys, where its gate is, its last NetMap, and what was done to the machine.

    STATE/device_key      its SSH key, for the agents' door        STATE/netmap.json    the last map that was followed
    STATE/wireguard.key   its WireGuard key, as `wg` reads it      STATE/applied.json   what `down` has to undo
    STATE/membership.json the gate and what is known of it         STATE/agent.lock     held by the running agent
    STATE/link.json       how the running agent stands with it
    STATE/host.json       why this host's sshd has no certificate

Each is written whole, mode 0600 in a folder of mode 0700, so that a device comes up again without the gate.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import asyncssh
import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from agent.files import read_or_none, write_whole
from model.errors import Conflict, Unavailable
from model.ids import DeviceID
from model.keys import Secret, SSHKey, WireGuardKey
from model.netmap import NetMap


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Which network this device is in. `device` is None until the gate has taken it in."""

    host: str
    port: int
    host_ca_fingerprint: str
    """Of the CA that the enrollment key named. CAs that later maps name are trusted as well, and only those."""
    listen_port: int
    device: DeviceID | None = None


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or was about to be, changed on this machine, with what was there before."""

    interface: str | None = None
    nft_table: str | None = None
    hosts_file: str | None = None
    hosts_made: bool = False
    """There was no hosts file."""
    exit: bool = False
    """Rules for an exit node."""
    sysctls: dict[str, str] = {}
    """A path under /proc/sys and its value before."""
    sshd_folder: str | None = None
    """Of the configuration that a drop-in was put into."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """How the running agent stands with the gate, for `status`."""

    connected: bool = False
    since: int = 0
    problem: str = ""


class HostStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How this host's sshd stands with the network, for `status`."""

    host: bool = True
    """There is an sshd."""
    problem: str = ""
    """Why there is no certificate, or no newer one where it is due; empty where all is well."""
    hint: str = ""


R = TypeVar("R", bound=msgspec.Struct)


class AgentState:
    """The folder, as values. Reading a damaged file raises `Unavailable` with what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)

    @property
    def wireguard_key_file(self) -> Path:
        return self.path / "wireguard.key"

    def wireguard_key(self) -> X25519PrivateKey:
        """The device's WireGuard key, made at the first call."""
        data = read_or_none(self.wireguard_key_file)
        if data is None:
            key = X25519PrivateKey.generate()
            self.put_wireguard_key(key)
            return key
        try:
            return X25519PrivateKey.from_private_bytes(base64.b64decode(data, validate=False))
        except ValueError:
            raise _damaged(self.wireguard_key_file) from None

    def put_wireguard_key(self, key: X25519PrivateKey) -> None:
        write_whole(self.wireguard_key_file, f"{private_text(key)}\n".encode())

    def next_wireguard_key(self) -> X25519PrivateKey | None:
        """The key that was offered to the gate, as long as the gate has not said that it is the device's."""
        data = read_or_none(self._next_key_file)
        return None if data is None else X25519PrivateKey.from_private_bytes(base64.b64decode(data))

    def put_next_wireguard_key(self, key: X25519PrivateKey) -> None:
        write_whole(self._next_key_file, f"{private_text(key)}\n".encode())

    def promote_wireguard_key(self) -> None:
        """The next key is the current one from now on, in one step."""
        self._next_key_file.replace(self.wireguard_key_file)

    @property
    def _next_key_file(self) -> Path:
        return self.path / "wireguard.key.next"

    def device_key(self) -> asyncssh.SSHKey:
        """The device's SSH key, made at the first call."""
        path = self.path / "device_key"
        data = read_or_none(path)
        if data is None:
            key = asyncssh.generate_private_key("ssh-ed25519", comment="wardgate device")
            write_whole(path, key.export_private_key())
            return key
        try:
            return asyncssh.import_private_key(data)
        except asyncssh.KeyImportError:
            raise _damaged(path) from None

    def membership(self) -> Membership | None:
        return self._read("membership.json", Membership)

    def put_membership(self, membership: Membership) -> None:
        self._write("membership.json", membership)

    def netmap(self) -> NetMap | None:
        """The last map; None too where it cannot be read, since the gate gives another."""
        with contextlib.suppress(Unavailable):
            return self._read("netmap.json", NetMap)
        return None

    def put_netmap(self, netmap: NetMap) -> None:
        self._write("netmap.json", netmap)

    def forget_netmap(self) -> None:
        (self.path / "netmap.json").unlink(missing_ok=True)

    def applied(self) -> Applied:
        return self._read("applied.json", Applied) or Applied()

    def put_applied(self, applied: Applied) -> None:
        self._write("applied.json", applied)

    def link(self) -> Link:
        return self._read("link.json", Link) or Link()

    def put_link(self, link: Link) -> None:
        self._tell("link.json", link)

    def host_standing(self) -> HostStanding | None:
        """None where the agent keeps no sshd in step."""
        return self._read("host.json", HostStanding)

    def put_host_standing(self, standing: HostStanding) -> None:
        self._tell("host.json", standing)

    def forget_host_standing(self) -> None:
        (self.path / "host.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """One agent at a time; `Conflict` where another runs. A lock dies with its process."""
        handle = os.open(self.path / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"an agent is running on this state (process {self.holder() or 'unknown'})",
                    hint="`wardgate status` shows it, `wardgate down` ends it",
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(handle)

    def holder(self) -> int | None:
        """The process that holds the state now; None where nobody does."""
        try:
            with (self.path / "agent.lock").open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read() or 0) or None
        except (FileNotFoundError, PermissionError, ValueError):
            pass
        return None

    def _read(self, name: str, kind: type[R]) -> R | None:
        data = read_or_none(self.path / name)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError:
            raise _damaged(self.path / name) from None

    def _tell(self, name: str, value: msgspec.Struct) -> None:
        """For `wardgate status` alone: a full disk is no reason to leave the network."""
        with contextlib.suppress(OSError):
            self._write(name, value)

    def _write(self, name: str, value: msgspec.Struct) -> None:
        write_whole(self.path / name, msgspec.json.encode(value))


def public_key(key: X25519PrivateKey) -> WireGuardKey:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return WireGuardKey(base64.b64encode(raw).decode())


def private_text(key: X25519PrivateKey) -> Secret:
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return Secret(base64.b64encode(raw).decode())


def ssh_public(key: asyncssh.SSHKey) -> SSHKey:
    return SSHKey(key.public_data)


def _damaged(path: Path) -> Unavailable:
    return Unavailable(f"{path} is damaged", hint="move it away; `wardgate up` with an enrollment key makes it anew")
