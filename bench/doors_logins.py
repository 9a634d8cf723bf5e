"""What logging in costs the gate, by method, and what fifty wrong passwords a second do to an agent's delta.

The gate is a process of its own; its CPU time comes from the kernel. Who guesses is a third process, from as many
addresses of the loopback network as it has guesses, each at another name: no limit of an account or an address helps.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncssh

from bench.report import Figures, report

PROGRAM = Path(sys.executable).with_name("wardgate")
PASSWORD = "correct horse battery"
LOGINS = 60
REPORTS = 24
PAUSE = 0.55
"""Seconds between two reports of an agent, so that its own rate limit stays away."""
GUESSES_PER_SECOND = 50


class Gate:
    def __init__(self, folder: Path, process: subprocess.Popen[str], port: int) -> None:
        self.folder, self._process, self.port = folder, process, port

    def run(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [PROGRAM, *words, "--state", self.folder / "net"], input=stdin, text=True, capture_output=True, check=True
        )
        return done.stdout

    def cpu_ms(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _served(folder: Path) -> Iterator[Gate]:
    for name in ("alice", "one", "two"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
    words = ["init", "--state", folder / "net", "--domain", "net.example.com", "--owner", "alice"]
    subprocess.run([PROGRAM, *words, "--owner-key", folder / "alice.pub"], check=True, stdout=subprocess.DEVNULL)
    serve = [PROGRAM, "serve", "--state", folder / "net", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        gate = Gate(folder, process, int(process.stdout.readline().split()[2].rpartition(":")[2]))
        gate.run("users", "add", "bob")
        gate.run("users", "set-password", "bob", stdin=f"{PASSWORD}\n")
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


async def _cpu_of_logins(gate: Gate, **how: object) -> tuple[float, float]:
    """The gate's CPU a login in milliseconds, and logins a second as this one client makes them."""
    before, began = gate.cpu_ms(), time.perf_counter()
    for _ in range(LOGINS):
        (await _connect(gate, **how)).close()  # type: ignore[arg-type]
    spent = time.perf_counter() - began
    return (gate.cpu_ms() - before) / LOGINS, LOGINS / spent


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
    by_key, key_rate = await _cpu_of_logins(gate, user="alice", client_keys=[str(gate.folder / "alice")])
    by_password, password_rate = await _cpu_of_logins(gate, user="bob", password=PASSWORD, preferred_auth="password")
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
        "key_cpu_ms": by_key, "key_per_second": key_rate,
        "password_cpu_ms": by_password, "password_per_second": password_rate,
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
