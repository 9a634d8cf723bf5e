"""A real gate, a real `ssh`, a real terminal: tmux sends the keys and tells what stands on the screen."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-m", "console"]


class Tmux:
    """One window of a tmux server of its own."""

    def __init__(self, command: Sequence[str], columns: int = 120, rows: int = 36, **environment: str) -> None:
        self._name = f"wardgate-test-{secrets.token_hex(4)}"
        known = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **environment}
        known.pop("TMUX", None)
        size = ["-x", str(columns), "-y", str(rows)]
        shell = " ".join(f"'{word}'" for word in command) + "; echo ended with $?; sleep 600"
        self._run("-f", "/dev/null", "new-session", "-d", *size, shell, environment=known)

    def _run(self, *words: str, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *words], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout

    def keys(self, *keys: str) -> None:
        """Names of keys as tmux has them (`Enter`, `Down`, `C-s`), or text."""
        for key in keys:
            self._run("send-keys", key)

    def text(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def shows(self, *texts: str, seconds: float = 20) -> str:
        """Waits until every text stands on the screen; what stands there."""
        end = time.monotonic() + seconds
        while not all(text in (screen := self.screen()) for text in texts):
            assert time.monotonic() < end, f"{texts} do not stand on the screen:\n{screen}"
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("kill-server")


class ServedGate:
    """A new network in `folder`, served by a process of its own, with alice as owner."""

    def __init__(self, folder: Path, program: Sequence[str] = PROGRAM) -> None:
        """`program` serves it."""
        self.folder = folder
        self.key = folder / "alice"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        words = ["init", "--state", str(folder / "net"), "--domain", "example.com", "--owner", "alice"]
        subprocess.run([*PROGRAM, *words, "--owner-key", f"{self.key}.pub"], check=True, capture_output=True)
        self.log = (folder / "log").open("w")
        serve = [*program, "serve", "--state", str(folder / "net"), "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.process.stdout
        self.port = self.process.stdout.readline().split()[2].rpartition(":")[2]

    def ssh(self, *words: str) -> list[str]:
        options = ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "IdentitiesOnly=yes", "LogLevel=ERROR"]
        flags = [flag for option in options for flag in ("-o", option)]
        return ["ssh", "-F", "none", "-p", self.port, "-i", str(self.key), *flags, *words]

    def run(self, *words: str, stdin: str = "") -> str:
        command = [*self.ssh("alice@127.0.0.1"), " ".join(words)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@contextlib.contextmanager
def a_served_gate(folder: Path, program: Sequence[str] = PROGRAM) -> Iterator[ServedGate]:
    gate = ServedGate(folder, program)
    try:
        yield gate
    finally:
        gate.stop()


@contextlib.contextmanager
def a_terminal_at(gate: ServedGate, *words: str, columns: int = 120, rows: int = 36) -> Iterator[Tmux]:
    terminal = Tmux(gate.ssh("-t", "alice@127.0.0.1", *words), columns, rows)
    try:
        yield terminal
    finally:
        terminal.close()
