"""Agents by the thousand: back after a restart, idle, told of one endpoint, told of a policy that touches them all.

Clients are real SSH clients in other processes. On a machine of few cores they take more of it than the gate does, so
seconds are printed with the gate's own CPU seconds beside them. `WARDGATE_BENCH_AGENTS=100,1000` runs smaller ones.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import asyncssh

from bench.peers_network import a_network, cells_of, cells_policy, private_text
from bench.peers_parts import (
    Crowds,
    a_gate,
    cpu_seconds,
    crowds,
    kernel_bytes,
    limit_files,
    raw_send_us,
    resident_bytes,
)
from bench.report import Figures, report

SIZES = tuple(int(size) for size in os.environ.get("WARDGATE_BENCH_AGENTS", "100,1000,10000").split(","))
POLICY_SIZE = 5000
IDLE = 61.0
"""Seconds: in them each agent is asked once whether it is still there."""
ENDPOINT_ROUNDS = 9
FEWEST_KEYS = 5
"""That are typed while a policy is told, and right after where few have to be told."""


class Person:
    """alice, at the console and with commands, in a thread of her own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._connection = self._do(self._connect())
        self.keys: list[float] = []
        self._pressing: asyncio.Task[None] | None = None

    def _do(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    async def _connect(self) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            "127.0.0.1", self._port, username="alice", client_keys=[asyncssh.import_private_key(private_text(-1))],
            config=None, agent_path=None, known_hosts=None, preferred_auth="publickey",
        )  # fmt: skip

    def set_policy(self, text: str) -> float:
        """When it was sent."""
        began = time.monotonic()
        self._do(self._connection.run("policy set - --allow-all", input=text, check=True))
        return began

    def press_keys(self) -> None:
        """Opens the console's command line, and types into it; `keys` are the seconds until each key is painted."""
        self._do(self._open())

    async def _open(self) -> None:
        process = await self._connection.create_process(term_type="xterm-256color", term_size=(120, 40), encoding=None)
        await self._painted(process, 20)
        while await self._painted(process, 0.5):  # it repaints itself each second
            pass
        process.stdin.write(b":")
        while await self._painted(process, 0.5):
            pass
        self._pressing = self._loop.create_task(self._press(process))

    async def _painted(self, process: asyncssh.SSHClientProcess[bytes], seconds: float) -> bool:
        try:
            return bool(await asyncio.wait_for(process.stdout.read(1 << 16), seconds))
        except TimeoutError:
            return False

    async def _press(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        for key in itertools.cycle((b"a", b"\x7f")):
            while await self._painted(process, 0.04):
                pass
            process.stdin.write(key)
            began = time.monotonic()
            if await self._painted(process, 2.0):
                self.keys.append(time.monotonic() - began)

    def close(self) -> None:
        if self._pressing:
            self._loop.call_soon_threadsafe(self._pressing.cancel)
        self._loop.call_soon_threadsafe(self._connection.abort)
        time.sleep(0.05)
        self._loop.call_soon_threadsafe(self._loop.stop)


def _endpoints(clients: Crowds, gate: int, count: int) -> dict[str, float]:
    """From the hub's saying its endpoint to the last of all others: the median of some rounds, and the best."""
    took, cpu, readers = [], [], []
    for turn in range(ENDPOINT_ROUNDS):
        clients.ask("mark later")
        theirs = clients.cpu()
        began = cpu_seconds(gate)
        said = clients.tell(0, f'say 0 {{"type":"endpoints","endpoints":["198.51.100.{turn + 1}:51820"]}}')["said"]
        share = -(-count // len(clients.processes))
        answers = clients.ask(*(f"await {min(share, count - place * share) - (place == 0)} 1"
                                for place in range(len(clients.processes))))  # fmt: skip
        readers.append((clients.cpu() - theirs) * 1000)
        took.append((max(answer["last"] for answer in answers) - said) * 1000)
        cpu.append((cpu_seconds(gate) - began) * 1000)
        time.sleep(0.3)
    return {
        "endpoint_last_ms": round(statistics.median(took), 1), "endpoint_last_best_ms": round(min(took), 1),
        "endpoint_gate_cpu_ms": round(statistics.median(cpu), 1), "endpoint_gate_cpu_best_ms": round(min(cpu), 1),
        "endpoint_clients_cpu_ms": round(statistics.median(readers), 1),
        "endpoint_raw_sends_ms": round(raw_send_us() * count / 1000, 1),
    }  # fmt: skip


def _policy(clients: Crowds, port: int, count: int) -> dict[str, float]:
    person = Person(port)
    try:
        person.press_keys()
        time.sleep(3)
        quiet, person.keys = person.keys, []
        clients.ask("mark")
        said = person.set_policy(cells_policy(cells_of(count), "22"))
        share = -(-count // len(clients.processes))
        answers = clients.ask(*(f"await {min(share, count - place * share)} 1"
                                for place in range(len(clients.processes))))  # fmt: skip
        while len(person.keys) < FEWEST_KEYS:
            time.sleep(0.05)
        return {
            "policy_last_s": round(max(answer["last"] for answer in answers) - said, 2),
            "key_quiet_ms": round(statistics.median(quiet) * 1000, 1),
            "key_meanwhile_ms": round(statistics.median(person.keys) * 1000, 1),
            "key_meanwhile_worst_ms": round(max(person.keys) * 1000, 1),
        }
    finally:
        person.close()


def _with(count: int, *, idle: bool, policy: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        a_network(state, count, hub=True)
        with a_gate(state) as (gate, port), crowds(port) as clients:
            time.sleep(1)
            before, kernel, began = resident_bytes(gate.pid), kernel_bytes(), cpu_seconds(gate.pid)
            theirs = clients.cpu()
            back = clients.connect(0, count, 1000)
            found: dict[str, float] = {
                "back_s": round(back["seconds"], 2), "back_gate_cpu_s": round(cpu_seconds(gate.pid) - began, 2),
                "back_clients_cpu_s": round(clients.cpu() - theirs, 2), "load": os.getloadavg()[0],
                "told_to_come_later": back["turned_away"],
            }  # fmt: skip
            time.sleep(2)
            found["agent_kib"] = round((resident_bytes(gate.pid) - before) / count / 1024, 1)
            if kernel is not None:
                found["agent_kernel_kib"] = round(((kernel_bytes() or 0) - kernel) / count / 2 / 1024, 1)
            if idle:
                began = cpu_seconds(gate.pid)
                time.sleep(IDLE)
                found["idle_cpu_percent"] = round((cpu_seconds(gate.pid) - began) / IDLE * 100, 2)
            found |= _endpoints(clients, gate.pid, count)
            if policy:
                began = cpu_seconds(gate.pid)
                found |= _policy(clients, port, count)
                found["policy_gate_cpu_s"] = round(cpu_seconds(gate.pid) - began, 2)
    return found


def figures() -> Figures:
    """Each with the number of agents: how it grows is what matters."""
    limit_files()
    found = {
        f"{name}_at_{size}": figure
        for size in SIZES for name, figure in _with(size, idle=size == max(SIZES), policy=size < max(SIZES)).items()
    }  # fmt: skip
    at = min(POLICY_SIZE, max(SIZES))
    return found | {f"{name}_at_{at}": figure for name, figure in _with(at, idle=False, policy=True).items()}


if __name__ == "__main__":
    report("peers_many", figures())
