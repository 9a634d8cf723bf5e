"""A person at the console, for benches: the real `ssh` on a terminal of its own, and what stands on that terminal."""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

COLUMNS, ROWS = 120, 36
PATIENCE = 20.0
"""Seconds after which what is waited for counts as missing."""
_TOKEN = re.compile(r"\x1b\[([?>=<]?[0-9;]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^\[\]]|([^\x1b]+)")


class Screen:
    """Text at its place. Knows what the console uses: moves of the cursor, and cells of one column."""

    def __init__(self) -> None:
        self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self._x = self._y = 0
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decoder.decode(data)
        at = 0
        while match := _TOKEN.match(text, at):
            at = match.end()
            if match[3]:
                self._put(match[3])
            elif match[2] == "H":
                y, _, x = match[1].partition(";")
                self._y, self._x = int(y or 1) - 1, int(x or 1) - 1
        self._rest = text[at:]

    def _put(self, text: str) -> None:
        for char in text:
            if char == "\r":
                self._x = 0
            elif char == "\n":
                self._y += 1
            elif self._y < ROWS and self._x < COLUMNS:
                self.cells[self._y][self._x] = char
                self._x += 1

    def row(self, y: int) -> str:
        return "".join(self.cells[y])

    def __str__(self) -> str:
        return "\n".join(map("".join, self.cells))


class Terminal:
    """`ssh` to a gate, from its start. `connected_at` is when its TCP connection stood."""

    def __init__(self, port: int, key: Path, *words: str, user: str = "alice") -> None:
        self.screen = Screen()
        self.received = 0
        self.connected_at = 0.0
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes")
        self.started_at = time.monotonic()
        self.ssh = subprocess.Popen(
            ["ssh", "-v", "-t", "-F", "/dev/null", *(part for option in options for part in ("-o", option)), "-i", key,
             "-p", str(port), f"{user}@127.0.0.1", *words],
            stdin=slave, stdout=slave, stderr=subprocess.PIPE, start_new_session=True,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        self._told = threading.Thread(target=self._listen, daemon=True)
        self._told.start()

    def _listen(self) -> None:
        assert self.ssh.stderr
        for line in self.ssh.stderr:
            if b"Connection established" in line:
                self.connected_at = time.monotonic()

    def type(self, keys: str) -> float:
        """When they were typed."""
        typed = time.monotonic()
        os.write(self.master, keys.encode())
        return typed

    def read(self, seconds: float) -> bool:
        """What is there, or comes within `seconds`; False where nothing does."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError as gone:
            raise EOFError("ssh ended") from gone
        self.received += len(data)
        self.screen.feed(data)
        return True

    def until(self, stands: Callable[[], object]) -> float:
        """When it came that made `stands()` true."""
        end = time.monotonic() + PATIENCE
        while True:
            if self.read(max(0, end - time.monotonic())):
                came = time.monotonic()
                if stands():
                    return came
            elif time.monotonic() >= end:
                raise TimeoutError(f"it did not come; there stands:\n{self.screen}")

    def shows(self, text: str) -> float:
        return time.monotonic() if text in str(self.screen) else self.until(lambda: text in str(self.screen))

    def quiet(self, seconds: float = 0.15) -> None:
        """Until nothing has come for so long; changes and the clock may keep it from that."""
        end = time.monotonic() + 2
        while time.monotonic() < end and self.read(seconds):
            pass

    def drain(self, seconds: float) -> int:
        """Bytes that come in so many seconds."""
        before, end = self.received, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)
        return self.received - before

    def leave(self) -> None:
        """By ctrl+q; ended by its id where that does not do."""
        try:
            self.type("\x11")
            while self.ssh.poll() is None and self.read(3):
                pass
        except (EOFError, OSError):
            pass
        try:
            self.ssh.wait(3)
        except subprocess.TimeoutExpired:
            self.ssh.kill()
            self.ssh.wait()
        os.close(self.master)


class Parked:
    """Terminals that stay open while others are measured: what comes on them is read and forgotten."""

    def __init__(self, terminals: list[Terminal]) -> None:
        self._terminals = terminals
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        masters = {terminal.master: terminal for terminal in self._terminals}
        while not self._over.is_set():
            for master in select.select(list(masters), [], [], 0.2)[0]:
                masters[master].received += len(os.read(master, 1 << 16))

    def leave(self) -> None:
        self._over.set()
        self._thread.join()
        for terminal in self._terminals:
            terminal.leave()
