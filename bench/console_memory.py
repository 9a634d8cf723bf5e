"""What consoles keep of a gate's memory: one, ten and twenty that visited every screen, and after hundreds were left.

The gate is fresh for it: in one that had consoles before, new ones live in pages that it has already. Counted is what
is the process's own (`Anonymous` in smaps_rollup); pages of the database that it has mapped are the file's. A session
is the step from ten to twenty: what the first ones bring are imports and caches, which are for all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.console_network import DEVICES, GateProcess, a_network, served
from bench.console_terminal import Terminal
from bench.report import Figures, report

SCREENS = "23567894"
STEPS, AT_ONCE, SESSIONS = (1, 10, 20), 10, 200
SWEPT = 4.0
"""Seconds after which what was left is given back."""
CONTENT = f"{DEVICES:,}"
Opens = Callable[[], Terminal]


def _everywhere(opens: Opens) -> Terminal:
    terminal = opens()
    terminal.shows(CONTENT)
    for digit in SCREENS:
        terminal.type(digit)
        terminal.quiet(0.4)
    terminal.type("\x1b1")
    terminal.quiet()
    return terminal


def _hundreds(opens: Opens) -> None:
    for _ in range(SESSIONS // AT_ONCE):
        terminals = [opens() for _ in range(AT_ONCE)]
        for terminal in terminals:
            terminal.shows(CONTENT)
        for terminal in terminals:
            terminal.type("3j/9\x1b")
            terminal.leave()


def _measured(gate: GateProcess, opens: Opens) -> dict[str, int]:
    before = gate.memory_kib()
    found: dict[str, int] = {"gate_kib": round(before)}
    terminals: list[Terminal] = []
    for count in STEPS:
        while len(terminals) < count:
            terminals.append(_everywhere(opens))
        found[f"grew_with_{count}_open_kib"] = round(gate.memory_kib() - before)
    found["session_kib"] = round((gate.memory_kib() - before - found["grew_with_10_open_kib"]) / 10)
    for terminal in terminals:
        terminal.leave()
    time.sleep(SWEPT)
    found["grew_when_they_left_kib"] = round(gate.memory_kib() - before)
    for times in (1, 2, 3):
        _hundreds(opens)
        time.sleep(SWEPT)
        found[f"grew_by_{times * SESSIONS}_sessions_kib"] = round(gate.memory_kib() - before)
    found["apps_alive_after"] = int(gate.ask("alive")["apps"])
    found["apps_alive_after_a_whole_collection"] = int(gate.ask("apps")["apps"])
    return found


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        key = a_network(Path(folder) / "net")
        with served(Path(folder) / "net") as gate:
            time.sleep(1)
            return _measured(gate, lambda: Terminal(gate.port, key))


if __name__ == "__main__":
    report("console_memory", figures())
