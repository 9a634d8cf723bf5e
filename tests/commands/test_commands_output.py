"""Output that cannot be written: told in one line, by whichever way the command came."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-W", "ignore", "-m", "console"]


def a_state(folder: Path) -> Path:
    words = ["init", "--domain", "net.test", "--owner", "alice", "--no-break-glass", "--state", str(folder / "state")]
    subprocess.run([*PROGRAM, *words], check=True, capture_output=True)
    return folder / "state"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("served", [True, False], ids=["served", "alone"])
def test_a_full_disk_behind_standard_output_is_told(tmp_path: Path, served: bool) -> None:
    state = a_state(tmp_path)
    gate = subprocess.Popen(
        [*PROGRAM, "serve", "--state", str(state), "--listen", "127.0.0.1:0"] if served else ["cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert gate.stdout is not None
    try:
        if served:
            assert gate.stdout.readline()
        for words in (["audit", "list"], ["users", "list", "--json"], ["gate", "backup", "-"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [*PROGRAM, *words, "--state", str(state)], stdout=full, stderr=subprocess.PIPE, text=True,
                    check=False, timeout=60,
                )  # fmt: skip
            assert done.returncode == 1
            assert "standard output cannot be written: no space left on device" in done.stderr
            assert len(done.stderr.splitlines()) == 1
    finally:
        gate.terminate()
        gate.wait(20)
