"""A network made by `wardgate init` and served, on a machine of a test's own: one folder is its home and its state."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PROGRAM = [sys.executable, "-W", "ignore", "-m", "console"]
ROOT = Path(__file__).parents[2]


class ThisMachine:
    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.state, self.port = folder, folder / "state", 0
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **environment,
        }  # fmt: skip

    def run(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [*PROGRAM, *words, "--state", str(self.state)], env=self.environment, capture_output=True, text=True,
            input=stdin, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        gate = await asyncio.create_subprocess_exec(
            *PROGRAM, "serve", "--state", str(self.state), "--listen", "127.0.0.1:0", stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=self.environment,
        )  # fmt: skip
        try:
            assert gate.stdout
            self.port = int((await gate.stdout.readline()).split()[2].rpartition(b":")[2])
            yield
        finally:
            gate.terminate()
            await gate.wait()
