"""From starting `wardgate serve` to its first answered login, with 10,000 and with 100,000 devices."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.console_network import a_network
from bench.report import Figures, report

SIZES = (10_000, 100_000)
ROUNDS = 3
PROGRAM = Path(sys.executable).with_name("wardgate")
OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes")


def _started(state: Path, key: Path) -> tuple[float, float, float]:
    """Seconds until it listens, until a login was answered, and of CPU time until then."""
    began = time.monotonic()
    words = [PROGRAM, "serve", "--state", state, "--listen", "127.0.0.1:0"]
    gate = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert gate.stdout
        port = gate.stdout.readline().split()[2].rpartition(":")[2]
        listens = time.monotonic() - began
        options = [part for option in OPTIONS for part in ("-o", option)]
        login = ["ssh", "-F", "/dev/null", *options, "-i", key, "-p", port, "alice@127.0.0.1", "me"]
        subprocess.run(login, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        answered = time.monotonic() - began
        fields = Path(f"/proc/{gate.pid}/stat").read_text().rpartition(")")[2].split()
        return listens, answered, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    finally:
        gate.terminate()
        gate.wait()


def figures() -> Figures:
    found: dict[str, float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "net"
            key = a_network(state, size)
            rounds = [_started(state, key) for _ in range(ROUNDS)]
        for name, column in zip(("listens", "answers", "cpu"), zip(*rounds, strict=True), strict=True):
            found[f"{name}_{size // 1000}k_s"] = round(statistics.median(column), 2)
    return found


if __name__ == "__main__":
    report("gate_start", figures())
