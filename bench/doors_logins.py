"""What logging in costs the gate, by method, and what fifty wrong passwords a second do to an agent's delta.

The gate is a process of its own; its CPU time comes from the kernel. Logins are one client's, one after the other. Who
guesses is a third process, from as many addresses of the loopback network as it has guesses, each at another name: no
limit of an account or an address helps. The provider is the one of the tests, if installed; what a person does at its
pages is left out of the rates, and its part of a login's CPU is told beside the gate's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncssh
import pyotp

from bench.doors_clients import (
    PASSWORD,
    PROVIDER,
    Answering,
    AtPages,
    Authenticator,
    ByBrowser,
    ByCode,
    cpu_ms,
    people,
)
from bench.report import Figures, report

PROGRAM = Path(sys.executable).with_name("wardgate")
LOGINS = 60
TWO_FACTORS = 30
AT_PROVIDER = 12
REPORTS = 24
PAUSE = 0.55
"""Seconds between two reports of an agent, so that its own rate limit stays away."""
GUESSES_PER_SECOND = 50


class Gate:
    def __init__(self, folder: Path, process: subprocess.Popen[str], port: int, generators: list[pyotp.TOTP]) -> None:
        self.folder, self._process, self.port, self.generators = folder, process, port, generators

    def run(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [PROGRAM, *words, "--state", self.folder / "net"], input=stdin, text=True, capture_output=True, check=True
        )
        return done.stdout

    def cpu_ms(self) -> float:
        return cpu_ms(self._process.pid)


@contextmanager
def _served(folder: Path) -> Iterator[Gate]:
    for name in ("alice", "one", "two"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
    words = ["init", "--state", folder / "net", "--domain", "net.example.com", "--owner", "alice"]
    subprocess.run([PROGRAM, *words, "--owner-key", folder / "alice.pub"], check=True, stdout=subprocess.DEVNULL)
    generators = asyncio.run(people(folder / "net", TWO_FACTORS))
    serve = [PROGRAM, "serve", "--state", folder / "net", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        gate = Gate(folder, process, int(process.stdout.readline().split()[2].rpartition(":")[2]), generators)
        for name in ("one", "two"):
            private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
            public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout
            key_text = (folder / f"{name}.pub").read_text()
            gate.run(
                "devices", "add", name, "--user", "alice", "--wireguard-key", public.strip(), "--ssh-key", "-",
                stdin=key_text,
            )  # fmt: skip
        yield gate
    finally:
        process.terminate()
        process.wait()


async def _connect(gate: Gate, user: str, **more: object) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1", gate.port, username=user, known_hosts=None, config=None, agent_path=None, compression_algs=None,
        **({"client_keys": None} | more),
    )  # fmt: skip


async def _logins(gate: Gate, name: str, number: int, once: Callable[[int], Awaitable[float]]) -> dict[str, float]:
    """The gate's CPU a login in milliseconds, and logins a second without what `once` says was spent elsewhere."""
    before, began, away = gate.cpu_ms(), time.perf_counter(), 0.0
    for at in range(number):
        away += await once(at)
    spent = time.perf_counter() - began - away
    return {f"{name}_cpu_ms": (gate.cpu_ms() - before) / number, f"{name}_per_second": number / spent}


async def _by_each_method(gate: Gate) -> dict[str, float]:
    touched = Authenticator()
    gate.run("users", "keys", "add", "bob", "-", stdin=touched.line())
    keys = {"key": ("alice", str(gate.folder / "alice")), "touched_key": ("bob", touched)}
    found = {}

    async def by_key(name: str, key: object) -> float:
        (await _connect(gate, name, client_keys=[key])).close()
        return 0.0

    async def by_password(_: int) -> float:
        (await _connect(gate, "bob", password=PASSWORD, preferred_auth="password")).close()
        return 0.0

    async def by_code_too(at: int) -> float:
        client = Answering(PASSWORD, gate.generators[at].now())
        how = {"client_factory": lambda: client, "preferred_auth": "keyboard-interactive"}
        (await _connect(gate, f"two-{at}", **how)).close()
        return 0.0

    for name, (user, key) in keys.items():
        found |= await _logins(gate, name, LOGINS, lambda _, user=user, key=key: by_key(user, key))  # type: ignore[misc]
    found |= await _logins(gate, "password", LOGINS, by_password)
    return found | await _logins(gate, "password_and_code", TWO_FACTORS, by_code_too)


async def _at_provider(gate: Gate) -> dict[str, float]:
    """By each of the two flows; the provider's CPU a login beside the gate's, pages included."""
    from login_harness import a_provider  # type: ignore[import-not-found]

    found: dict[str, float] = {}
    async with a_provider(gate.folder) as provider:
        settings = {"id": {"issuer": provider.issuer, "client_id": "wardgate", "name_claim": "preferred_username"}}
        await provider.tell("bob", claims={"preferred_username": "bob"})
        gate.run("settings", "apply", "-", stdin=json.dumps({"login.issuers": settings}))

        async def by(kind: type[AtPages]) -> float:
            client = kind()
            how = {"client_factory": lambda: client, "preferred_auth": "keyboard-interactive"}
            (await _connect(gate, "bob", **how)).close()
            await client.close()
            return client.away

        for name, kind in (("device_code", ByCode), ("browser", ByBrowser)):
            await by(kind)  # its configuration and keys are fetched once an hour
            before = cpu_ms(provider.process_id)
            found |= await _logins(gate, name, AT_PROVIDER, lambda _, kind=kind: by(kind))  # type: ignore[misc]
            found[f"{name}_provider_cpu_ms"] = (cpu_ms(provider.process_id) - before) / AT_PROVIDER
    return found


@asynccontextmanager
async def _agent(gate: Gate, name: str) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
    connection = await _connect(gate, "device", client_keys=[str(gate.folder / name)])
    process = await connection.create_process(subsystem="peers", encoding=None)
    await process.stdout.readline()
    try:
        yield process
    finally:
        connection.close()


async def _deltas(gate: Gate) -> list[float]:
    """Milliseconds from one device's report of an endpoint to the line that tells another of it."""
    took = []
    async with _agent(gate, "one") as one, _agent(gate, "two") as two:
        for number in range(REPORTS):
            endpoint = f"192.0.2.{number + 1}:51820"
            began = time.perf_counter()
            one.stdin.write(json.dumps({"type": "endpoints", "endpoints": [endpoint]}).encode() + b"\n")
            while endpoint.encode() not in await asyncio.wait_for(two.stdout.readline(), 10):
                pass
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PAUSE)
    return took


async def _guess(port: int, seconds: float) -> int:
    """Wrong passwords at a steady rate for a time; how many were answered."""
    answered = 0
    running: set[asyncio.Task[None]] = set()

    async def once(number: int) -> None:
        nonlocal answered
        with contextlib.suppress(asyncssh.Error, OSError):
            await asyncssh.connect(
                "127.0.0.1", port, username=f"user-{number}", password="wrong wrong wrong", known_hosts=None,
                client_keys=None, config=None, agent_path=None, preferred_auth="password", compression_algs=None,
                local_addr=(f"127.0.{1 + number // 250}.{1 + number % 250}", 0),
            )  # fmt: skip
        answered += 1

    began = time.perf_counter()
    for number in range(int(seconds * GUESSES_PER_SECOND)):
        task = asyncio.ensure_future(once(number))
        running.add(task)
        task.add_done_callback(running.discard)
        await asyncio.sleep(max(0.0, began + number / GUESSES_PER_SECOND - time.perf_counter()))
    if running:
        await asyncio.wait(running, timeout=10)
    return answered


async def _measure(gate: Gate) -> Figures:
    by_method = await _by_each_method(gate)
    if PROVIDER:
        by_method |= await _at_provider(gate)
    quiet = await _deltas(gate)
    seconds = REPORTS * (PAUSE + 0.1) + 3
    guessing = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.doors_logins", "guess", str(gate.port), str(seconds), stdout=subprocess.PIPE
    )
    await asyncio.sleep(2)
    busy = await _deltas(gate)
    assert guessing.stdout
    answered = int(await guessing.stdout.read())
    await guessing.wait()
    return {
        **by_method,
        "delta_quiet_median_ms": statistics.median(quiet), "delta_quiet_worst_ms": max(quiet),
        "delta_guessed_at_median_ms": statistics.median(busy), "delta_guessed_at_worst_ms": max(busy),
        "guesses_answered_per_second": answered / seconds,
    }  # fmt: skip


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as name, _served(Path(name)) as gate:
        return asyncio.run(_measure(gate))


if __name__ == "__main__":
    if sys.argv[1:2] == ["guess"]:
        print(asyncio.run(_guess(int(sys.argv[2]), float(sys.argv[3]))))
    else:
        report("doors_logins", figures())
