"""Consoles opened with the real `ssh` over 100,000 devices: how soon they stand, and what idle ones cost.

A first frame has the screens' names and its page's content. Of the way to it, `ssh`'s and the gate's handshake are the
way to the answer of a command that does nothing, too: the console's own share is what is more than that. The gate is a
process of its own; its CPU time comes from the kernel. What consoles keep is `console_memory`'s.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.console_network import DEVICES, GateProcess, a_network, served
from bench.console_terminal import Parked, Terminal
from bench.report import Figures, report

OPEN, ROUNDS = 10, 20
IDLE = 20.0
"""Seconds."""
CONTENT = f"{DEVICES:,}"
Opens = Callable[[], Terminal]


def _frames(opens: Opens) -> list[float]:
    """Milliseconds from TCP connect to the first frame with content, sorted."""
    took = []
    for _ in range(ROUNDS):
        terminal = opens()
        terminal.shows("Activity")
        took.append((terminal.shows(CONTENT) - terminal.connected_at) * 1000)
        terminal.leave()
    return sorted(took)


def _at_once(opens: Opens, count: int) -> tuple[float, list[Terminal]]:
    """Milliseconds until the last of `count` stands, all started together."""
    started = time.monotonic()
    terminals = [opens() for _ in range(count)]
    return max(terminal.shows(CONTENT) - started for terminal in terminals) * 1000, terminals


def _no_op(port: int, key: Path) -> tuple[float, float]:
    """Milliseconds of the same way in and out without a console: `ssh gate help` from its TCP connect to its answer,
    on a terminal; the median. And how long `ssh` takes before it connects."""
    took, before = [], []
    for _ in range(ROUNDS):
        terminal = Terminal(port, key, "help")
        answered = terminal.until(lambda terminal=terminal: "Usage" in terminal.screen.row(0))  # type: ignore[misc]
        took.append((answered - terminal.connected_at) * 1000)
        before.append((terminal.connected_at - terminal.started_at) * 1000)
        terminal.leave()
    return statistics.median(took), statistics.median(before)


def _idle(gate: GateProcess, opens: Opens) -> Figures:
    """CPU time and bytes of a session that nobody touches, on Overview, a minute."""

    def cpu() -> float:
        before = gate.cpu_ms()
        time.sleep(IDLE)
        return (gate.cpu_ms() - before) * 60 / IDLE

    alone = cpu()
    terminals = _at_once(opens, OPEN)[1]
    parked = Parked(terminals)
    time.sleep(2)
    before = sum(terminal.received for terminal in terminals)
    each = (cpu() - alone) / OPEN
    sent = (sum(terminal.received for terminal in terminals) - before) / OPEN * 60 / IDLE
    parked.leave()
    return {"idle_cpu_ms_a_minute": round(each, 1), "idle_bytes_a_minute": round(sent)}


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        key = a_network(Path(folder) / "net")
        with served(Path(folder) / "net") as gate:

            def opens() -> Terminal:
                return Terminal(gate.port, key)

            parked = Parked(_at_once(opens, OPEN)[1])
            before = gate.cpu_ms()
            frames = _frames(opens)
            cpu = (gate.cpu_ms() - before) / ROUNDS
            before = gate.cpu_ms()
            no_op, client = _no_op(gate.port, key)
            no_op_cpu = (gate.cpu_ms() - before) / ROUNDS
            parked.leave()
            burst = []
            for _ in range(5):
                took, terminals = _at_once(opens, OPEN)
                burst.append(took)
                for terminal in terminals:
                    terminal.leave()
            return {
                "first_frame_ms": round(statistics.median(frames), 1),
                "first_frame_p95_ms": round(frames[int(ROUNDS * 0.95)], 1),
                "a_command_that_does_nothing_ms": round(no_op, 1),
                "console_share_ms": round(statistics.median(frames) - no_op, 1),
                "ssh_before_it_connects_ms": round(client, 1),
                "gate_cpu_a_visit_ms": round(cpu, 1),
                "gate_cpu_a_command_ms": round(no_op_cpu, 1),
                "ten_at_once_ms": round(statistics.median(burst)),
                **_idle(gate, opens),
            }


if __name__ == "__main__":
    report("console_frame", figures())
