"""How long `wardgate --help` takes from nothing, beside what the interpreter alone takes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.report import Figures, report

ROUNDS = 20


def _milliseconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def figures() -> Figures:
    """Rounds of both are mixed, so that a noisy machine disturbs them alike; medians."""
    bare = [sys.executable, "-c", "pass"]
    program = [str(Path(sys.executable).with_name("wardgate")), "--help"]
    for command in (bare, program):  # files into the page cache, byte code onto the disk
        _milliseconds(command)
    rounds = [(_milliseconds(bare), _milliseconds(program)) for _ in range(ROUNDS)]
    python, help_page = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "python_ms": round(python, 1),
        "help_ms": round(help_page, 1),
        "ratio": round(help_page / python, 2),
    }


if __name__ == "__main__":
    report("cold_start", figures())
