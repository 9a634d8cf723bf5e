"""`make run`: a network of one's own, served until it is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopping_what_serves_is_no_failure(tmp_path: Path, stop: signal.Signals) -> None:
    shutil.copytree(TOP / "bin", tmp_path / "bin")
    (tmp_path / ".venv").symlink_to(TOP / ".venv")
    running = subprocess.Popen(
        ["sh", "bin/run"], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "LISTEN": "127.0.0.1:0"}, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert running.stdout is not None
        assert any(line.startswith("listening on ") for line in running.stdout)
        os.killpg(running.pid, stop)
        assert running.wait(30) == 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
