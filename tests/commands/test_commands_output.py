"""What a command on the gate's host says of the gate, and where its output cannot be written."""

from __future__ import annotations

import json
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


def test_a_gate_that_is_not_served_says_so(tmp_path: Path) -> None:
    def said(*words: str) -> str:
        done = subprocess.run(
            [*PROGRAM, "gate", *words, "--state", str(state)], capture_output=True, text=True, check=True
        )  # fmt: skip
        return done.stdout

    state = a_state(tmp_path)
    assert "not being served; start it with: wardgate serve" in said("status")
    assert json.loads(said("status", "--json"))["served"] is False
    assert [one["ok"] for one in json.loads(said("doctor", "--json")) if one["subject"] == "serving"] == [False]
    gate = subprocess.Popen(
        [*PROGRAM, "serve", "--state", str(state), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert gate.stdout is not None
        assert gate.stdout.readline()
        assert json.loads(said("status", "--json"))["served"] is True
        assert [one["ok"] for one in json.loads(said("doctor", "--json")) if one["subject"] == "serving"] == [True]
    finally:
        gate.terminate()
        gate.wait(20)
