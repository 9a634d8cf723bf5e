"""What the benches of the console are run on: a hundred thousand devices, and a gate over them in a process of its own.

Run as a program it is that gate. Besides its doors it takes lines on stdin, and answers each with one of JSON:
`changes N` (so many a second from now on), `rename ID NAME`, `alive` (consoles that are), `apps` (the same
after a whole collection).
"""

from __future__ import annotations

import asyncio
import base64
import gc
import itertools
import json
import os
import random
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import asyncssh

from gate.network import NewNetwork, init
from model.keys import ssh_key
from store import Store, Transaction
from store.layout import DATABASE

DEVICES, PEOPLE = 100_000, 2_000
ROLES = ("db", "web", "ci", "router", "backup")
SYSTEMS = ("linux", "macos", "windows", "ios", "android")
PLACES = ("berlin", "lisbon", "osaka", "quito", "tromso")
STATES = ("pending", "approved", "expired", "disabled")
KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
FIRST_IPV4, FIRST_IPV6 = IPv4Address("100.64.0.1"), IPv6Address("fd7a:115c:a1e0::6440:1")


def a_network(state: Path, devices: int = DEVICES) -> Path:
    """A network of alice's, the same each time. Her private key is beside the state."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    path = state.with_name("key")
    key.write_private_key(path)
    path.chmod(0o600)  # ssh takes no other
    init(
        state,
        NewNetwork(
            domain="net.example.com", owner="alice", owner_key=ssh_key(key.export_public_key().decode()),
            addresses=("127.0.0.1",),
        ),
    )  # fmt: skip
    store = Store.open(state / DATABASE)
    store.transact(lambda tx: _fill(tx, devices))
    store.close()
    return path


def _fill(tx: Transaction, count: int) -> None:
    """All rows of a table in one statement, and the text index at once: one by one it takes ten times as long."""
    (trigger,) = tx.sql.execute("SELECT sql FROM sqlite_schema WHERE name = 'devices_text_insert'").fetchone()
    tx.sql.execute("DROP TRIGGER devices_text_insert")
    dice = random.Random(7)
    people = [(f"person{number}@example.com", tx.now) for number in range(PEOPLE)]
    tx.sql.executemany(
        "INSERT INTO users (name, role, state, service, created_at) VALUES (?, 'member', 'active', 0, ?)", people
    )
    tx.sql.executemany(
        'INSERT INTO devices (name, "user", tags, ipv4, ipv6, address, wireguard_key, ssh_key, state, os, created_at,'
        " ephemeral, endpoints, agent_version, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '[]', '', '{}')",
        (_device(number, dice, tx.now) for number in range(count)),
    )
    tx.sql.execute("INSERT INTO device_tags SELECT json_each.value, devices.id FROM devices, json_each(devices.tags)")
    tx.sql.execute("INSERT INTO devices_text (devices_text) VALUES ('rebuild')")
    tx.sql.execute(trigger)


def _device(number: int, dice: random.Random, now: int) -> tuple[object, ...]:
    ipv4 = FIRST_IPV4 + number
    return (
        f"{dice.choice(PLACES)}-{dice.choice(ROLES)}-{number}",
        f"person{dice.randrange(PEOPLE)}@example.com" if number % 3 else None,
        "[]" if number % 3 else f'["tag:{dice.choice(ROLES)}"]',
        str(ipv4), str(FIRST_IPV6 + number), int(ipv4), base64.b64encode(dice.randbytes(32)).decode(),
        KEY + dice.randbytes(32), dice.choices(STATES, (1, 95, 3, 1))[0], dice.choice(SYSTEMS), now,
    )  # fmt: skip


class GateProcess:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line()["port"])

    def _line(self) -> dict[str, float]:
        assert self._process.stdout
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer

    def ask(self, words: str) -> dict[str, float]:
        assert self._process.stdin
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return self._line()

    def cpu_ms(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self) -> float:
        """Its own; pages of the database that it has mapped are the file's."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        return float(rollup.partition("Anonymous:")[2].split()[0])


@contextmanager
def served(state: Path) -> Iterator[GateProcess]:
    words = [sys.executable, "-m", "bench.console_network", str(state)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield GateProcess(process)
    finally:
        process.terminate()
        process.wait()


class _Child:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.apps: weakref.WeakSet[object] = weakref.WeakSet()
        self.changing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        from console.app.app import ConsoleApp
        from console.app.session import warm
        from console.programs.gatehouse import ConsoleFaces
        from gate.gate import Gate
        from gate.serving import Serving

        was, apps = ConsoleApp.__init__, self.apps

        def noted(app: ConsoleApp, *arguments: object) -> None:
            apps.add(app)
            was(app, *arguments)  # type: ignore[arg-type]

        ConsoleApp.__init__ = noted  # type: ignore[method-assign, assignment]
        async with await Gate.open(self.state) as self.gate:
            serving = await Serving.start(self.gate, ConsoleFaces(), "127.0.0.1", 0)
            await asyncio.to_thread(warm)
            print(json.dumps({"port": serving.server.port}), flush=True)
            lines = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer
            )
            while line := await lines.readline():
                print(json.dumps(await self.answer(*line.decode().split())), flush=True)
            await serving.stop()

    async def answer(self, word: str, *more: str) -> dict[str, float]:
        from gate.actor import local_actor
        from gate.services import devices

        match word:
            case "changes":
                if self.changing:
                    self.changing.cancel()
                self.changing = asyncio.create_task(self.change(int(more[0]))) if more[0] != "0" else None
            case "rename":
                await self.gate.perform(devices.rename, local_actor(0), name=more[0], new=more[1])
            case "alive":
                return {"apps": len(self.apps)}
            case "apps":
                gc.unfreeze()
                gc.collect()
                return {"apps": len(self.apps)}
        return {"version": self.gate.snapshot.version}

    async def change(self, a_second: int) -> None:
        """Of three changes, one renames a device, one sets when it expires, and one sets an attribute."""
        from gate.actor import local_actor
        from gate.services import devices

        actor, dice, doing = local_actor(0), random.Random(3), set[asyncio.Task[object]]()
        started = time.monotonic()
        for number in itertools.count():
            id = str(dice.randrange(DEVICES) + 1)
            deed = (
                self.gate.perform(devices.rename, actor, name=id, new=f"renamed-{number}-{time.time_ns()}"),
                self.gate.perform(devices.expire, actor, names=[id], within=86400 + number),
                self.gate.perform(devices.set_attributes, actor, name=id, attributes={"custom:seen": str(number)}),
            )
            for at, each in enumerate(deed):
                if at != number % 3:
                    each.close()
            task: asyncio.Task[object] = asyncio.create_task(deed[number % 3])
            doing.add(task)
            task.add_done_callback(doing.discard)
            await asyncio.sleep(max(0, started + (number + 1) / a_second - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(_Child(Path(sys.argv[1])).run())
