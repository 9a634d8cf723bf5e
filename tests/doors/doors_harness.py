"""A gate on a new network behind a real SSH server, and real clients for it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import asyncssh

from gate import network
from gate.actor import GATE, Actor
from gate.doors import Limits, Server, serve
from gate.faces import ConsoleChannel, Listener, Streams, Terminal
from gate.gate import Gate
from gate.services import devices as device_operations
from gate.services import enrollment_keys as enrollment_operations
from gate.services import policies as policy_operations
from gate.services import users as user_operations
from model.ids import DeviceID
from model.keys import SSHKey, ssh_key
from model.records import Device, Role, User
from store.layout import HOST_KEY


class EchoFaces:
    """Faces that say what they were asked, so that a test sees what the door made of it."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.consoles: list[ConsoleChannel] = []
        self.cancelled = 0

    def names_screen(self, gate: Gate, actor: Actor, words: Sequence[str]) -> bool:
        return list(words[:1]) == ["screen"]

    async def command(
        self, gate: Gate, actor: Actor, words: Sequence[str], streams: Streams, terminal: Terminal | None
    ) -> int:
        self.actors.append(actor)
        match list(words):
            case ["cat"]:
                streams.write((await streams.read(1 << 20)).decode())
            case ["small-cat"]:
                streams.write((await streams.read(16)).decode())
            case ["binary"]:
                streams.write_bytes(b"\x00\xff")
            case ["sleep"]:
                streams.write("sleeping\n")
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    self.cancelled += 1
                    raise
            case ["flood", count]:
                for number in range(int(count)):
                    streams.write(f"{number:099d}\n")
                    await streams.drain()
            case ["break"]:
                raise RuntimeError("secret detail")
            case ["exit", status]:
                return int(status)
            case _:
                size = f" {terminal.columns}x{terminal.rows} {terminal.term}" if terminal else ""
                streams.write(f"{actor.name} {actor.role} {list(words)}{size}\nsecond\n")
        return 0

    async def console(self, gate: Gate, actor: Actor, channel: ConsoleChannel, words: Sequence[str]) -> int:
        self.actors.append(actor)
        self.consoles.append(channel)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        size = channel.terminal

        def typed(data: bytes) -> None:
            if b"q" in data:
                done.set_result(0)
            channel.write(b"<" + data + b">")

        channel.listen(
            Listener(
                on_input=typed,
                on_resize=lambda columns, rows: channel.write(f"resized {columns}x{rows}\r\n".encode()),
                on_closed=lambda: done.done() or done.set_result(1),
            )
        )
        channel.write(f"console {list(words)} {size.columns}x{size.rows} {size.term} {actor.name}\r\n".encode())
        try:
            return await done
        except asyncio.CancelledError:
            self.cancelled += 1
            channel.write(b"console closed\r\n")
            raise


class House:
    """A gate, its server, and a folder with keys."""

    def __init__(self, gate: Gate, server: Server, faces: EchoFaces, folder: Path) -> None:
        self.gate, self.server, self.faces, self.folder = gate, server, faces, folder
        (folder / "known_hosts").write_text(
            f"[127.0.0.1]:{server.port} {(folder / 'state' / 'host_key.line').read_text()}\n"
        )

    # Arranging.

    async def a_user(self, name: str, role: Role = Role.MEMBER, key: str | None = None, **more: object) -> User:
        user = await self.gate.perform(user_operations.add, GATE, name=name, role=role, **more)
        if key:
            await self.gate.perform(user_operations.add_key, GATE, name=user.name, key=self.key(key))
        return user

    async def a_device(self, name: str, **more: object) -> Device:
        """Approved, with the SSH key of its name."""
        arguments = {"user": "alice@net.test", "wireguard": a_wireguard_key(), "ssh_key": self.key(name)} | more
        return await self.gate.perform(device_operations.add, GATE, name=name, **arguments)

    async def a_policy(self, text: str) -> None:
        await self.gate.perform(policy_operations.set_policy, GATE, text=text)

    async def an_enrollment_key(self, **more: object) -> str:
        made = await self.gate.perform(enrollment_operations.create, GATE, **({"user": "alice@net.test"} | more))
        return str(made.key)

    def key(self, name: str, kind: str = "ed25519", *options: str) -> SSHKey:
        """The public key called `name`, made when it is first asked for."""
        path = self.folder / name
        if not path.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(path), *options], check=True
            )
        return ssh_key(path.with_name(f"{name}.pub").read_text())

    def key_of_kind(self, name: str, kind: str, *options: str) -> SSHKey:
        return self.key(name, kind, *options)

    # asyncssh, where the real client cannot be made to misbehave.

    async def connect(self, user: str, keys: object = None) -> asyncssh.SSHClientConnection:
        chosen = [str(self.folder / (keys or "alice"))] if keys is None or isinstance(keys, str) else keys
        return await asyncssh.connect(
            "127.0.0.1", self.server.port, username=user, client_keys=chosen, config=None, agent_path=None,
            known_hosts=None, preferred_auth="publickey",
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def client(self, user: str, keys: object = None) -> AsyncIterator[asyncssh.SSHClientConnection]:
        connection = await self.connect(user, keys)
        try:
            yield connection
        finally:
            connection.close()

    # Real OpenSSH.

    def ssh(self, user: str, *words: str, key: str | None = None, options: Sequence[str] = ()) -> list[str]:
        identity = (
            ["-i", str(self.folder / key), "-o", "IdentitiesOnly=yes"] if key else ["-o", "PubkeyAuthentication=no"]
        )
        return [
            "ssh", "-F", "none", "-p", str(self.server.port), *identity,
            "-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}", "-o", "GlobalKnownHostsFile=none",
            "-o", "StrictHostKeyChecking=yes", "-o", "IdentityAgent=none",
            *options, "-l", user, "127.0.0.1", *words,
        ]  # fmt: skip

    async def run(
        self,
        user: str,
        *words: str,
        key: str | None = None,
        options: Sequence[str] = (),
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
    ) -> Ran:
        batch = ("-o", "BatchMode=yes")
        return await run(self.ssh(user, *words, key=key, options=(*batch, *options)), stdin, environment)

    async def start(
        self, user: str, *words: str, key: str | None = None, options: Sequence[str] = ()
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.ssh(user, *words, key=key, options=("-o", "BatchMode=yes", *options)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip


class Ran:
    def __init__(self, status: int, out: bytes, err: bytes) -> None:
        self.status, self.bytes, self.out, self.err = status, out, out.decode("utf-8", "replace"), err.decode()

    def __repr__(self) -> str:
        return f"Ran({self.status}, {self.out!r}, {self.err!r})"


async def run(arguments: Sequence[str], stdin: bytes = b"", environment: dict[str, str] | None = None) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **environment} if environment else None,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin), 30)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return Ran(process.returncode or 0, out, err)


class Peers:
    """A plain `ssh -s device@GATE peers`, read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdout
        assert process.stdin
        self._out, self._in = process.stdout, process.stdin

    async def next(self) -> dict[str, object]:
        line = await asyncio.wait_for(self._out.readline(), 20)
        if not line:
            assert self.process.stderr
            raise EOFError((await self.process.stderr.read()).decode())
        return json.loads(line)

    async def until(self, right: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        while not right(found := await self.next()):
            pass
        return found

    async def silent(self, seconds: float = 0.4) -> bool:
        try:
            await asyncio.wait_for(self._out.readline(), seconds)
        except TimeoutError:
            return True
        return False

    async def say(self, message: dict[str, object] | bytes) -> None:
        self._in.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
        await self._in.drain()

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class InTerminal:
    """A real ssh on a pseudo-terminal."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process, self._master = process, master
        self.seen = b""
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._master)
        self.seen += data
        self._news.set()

    async def until(self, text: bytes) -> bytes:
        """Waits for `text`, and forgets all up to its end."""
        async with asyncio.timeout(20):
            while text not in self.seen:
                self._news.clear()
                await self._news.wait()
        before, _, self.seen = self.seen.partition(text)
        return before

    async def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self._master, (rows, columns))
        self._process.send_signal(signal.SIGWINCH)

    async def status(self) -> int:
        return await asyncio.wait_for(self._process.wait(), 20)

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._loop.remove_reader(self._master)
        os.close(self._master)


@contextlib.asynccontextmanager
async def a_terminal(
    house: House,
    *words: str,
    user: str = "alice",
    key: str | None = "",
    columns: int = 80,
    rows: int = 24,
    term: str = "xterm-256color",
    options: Sequence[str] = (),
) -> AsyncIterator[InTerminal]:
    """`ssh -t` in a terminal of that size; `key` None has none."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (rows, columns))
    arguments = house.ssh(user, *words, key=user if key == "" else key, options=("-tt", *options))
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": term, "LC_ALL": "C.UTF-8"},
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
    )  # fmt: skip
    os.close(slave)
    terminal = InTerminal(process, master)
    try:
        yield terminal
    finally:
        await terminal.close()


async def eventually(right: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not right():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def peers(house: House, key: str) -> AsyncIterator[Peers]:
    connected = Peers(await house.start("device", "peers", key=key, options=("-s",)))
    try:
        yield connected
    finally:
        await connected.close()


@contextlib.asynccontextmanager
async def a_house(tmp_path: Path, **limits: object) -> AsyncIterator[House]:
    state = tmp_path / "state"
    network.init(state, network.NewNetwork(domain="net.test", owner="alice", addresses=("127.0.0.1",)))
    host_key = state / HOST_KEY
    line = subprocess.run(["ssh-keygen", "-y", "-f", str(host_key)], check=True, capture_output=True, text=True).stdout
    (state / "host_key.line").write_text(line.strip())
    faces = EchoFaces()
    async with await Gate.open(state) as gate:
        server = await serve(
            gate, faces, host="127.0.0.1", port=0, host_key=host_key, host_certificate=None, limits=Limits(**limits)
        )
        house = House(gate, server, faces, tmp_path)
        try:
            await gate.perform(user_operations.add_key, GATE, name="alice", key=house.key("alice"))
            yield house
        finally:
            await server.close()


def a_wireguard_key() -> str:
    private = subprocess.run(["wg", "genkey"], check=True, capture_output=True).stdout
    return subprocess.run(["wg", "pubkey"], check=True, capture_output=True, input=private).stdout.decode().strip()


def id_of(message: dict[str, object]) -> DeviceID:
    return DeviceID(message["device"]["id"])  # type: ignore[index]
