"""Agents that come back at once under a policy whose filters differ by device (autogroup:self): the slowest first map.

Clients take more of a machine of few cores than the gate does: its own CPU seconds stand beside the clients'.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench.peers_network import a_network
from bench.peers_parts import a_gate, cpu_seconds, crowds, limit_files
from bench.report import Figures, report

SIZES = tuple(int(size) for size in os.environ.get("WARDGATE_BENCH_AGENTS", "100,300,1000").split(","))
ROUNDS = 3


def _round(state: Path, count: int) -> tuple[float, float, float]:
    with a_gate(state) as (gate, port), crowds(port) as clients:
        time.sleep(1)
        began, theirs = cpu_seconds(gate.pid), clients.cpu()
        back = clients.connect(0, count, count)
        return back["slowest"], cpu_seconds(gate.pid) - began, clients.cpu() - theirs


def _with(count: int) -> Figures:
    """The best of some rounds: whatever else the machine does only adds to it."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        a_network(state, count, owned=True)
        slowest, gate, clients = min(_round(state, count) for _ in range(ROUNDS))
    return {
        "slowest_first_map_s": round(slowest, 2), "gate_cpu_s": round(gate, 2), "clients_cpu_s": round(clients, 2),
    }  # fmt: skip


def figures() -> Figures:
    limit_files()
    return {f"{name}_at_{size}": figure for size in SIZES for name, figure in _with(size).items()}


if __name__ == "__main__":
    report("peers_self", figures())
