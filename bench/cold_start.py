"""How long `wardgate --help` and `wardgate devices list` take from nothing, beside what the interpreter alone takes.

The list is that of a gate that runs, with a hundred devices, asked through its socket; timed to the program's end.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.console_network import a_network, served
from bench.report import Figures, report

ROUNDS = 20
DEVICES = 100
PROGRAM = str(Path(sys.executable).with_name("wardgate"))


def _milliseconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def figures() -> Figures:
    """Rounds of all are mixed, so that a noisy machine disturbs them alike; medians."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "net"
        a_network(state, DEVICES)
        commands = (
            [sys.executable, "-c", "pass"],
            [PROGRAM, "--help"],
            [PROGRAM, "devices", "list", "--state", str(state)],
        )
        with served(state):
            for command in commands:  # files into the page cache, byte code onto the disk
                _milliseconds(command)
            rounds = [[_milliseconds(command) for command in commands] for _ in range(ROUNDS)]
    python, help_page, listed = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "python_ms": round(python, 1),
        "help_ms": round(help_page, 1),
        "devices_list_ms": round(listed, 1),
        "ratio": round(help_page / python, 2),
        "devices_list_ratio": round(listed / python, 2),
    }


if __name__ == "__main__":
    report("cold_start", figures())
