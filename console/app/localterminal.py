"""This process's own terminal as a channel: raw while a console is on it, and given back as it was."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import tty
from types import TracebackType
from typing import Self

from console.app.sequences import STOP
from gate.faces import NOBODY, Listener, Terminal, terminal_size
from model.errors import Unavailable

HIGH_WATER = 256 * 1024
PATIENCE = 2.0
"""Seconds that a terminal has to take the next of what is left to say when the console ends."""
_CHUNK = 4096
_BEGUN, _OVER = b"\x1b[?1049h", b"\x1b[?1049l"
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_KEPT = ("COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE")


class LocalTerminal:
    """`gate.faces.ConsoleChannel`. Enter it inside a running loop. Raises `Unavailable` where there is no terminal."""

    def __init__(self, input: int | None = None, output: int | None = None) -> None:
        self._input = sys.stdin.fileno() if input is None else input
        self._output = sys.stdout.fileno() if output is None else output
        if not (os.isatty(self._input) and os.isatty(self._output)):
            raise Unavailable("there is no terminal here", hint="the same commands work without one: wardgate --help")
        columns, rows = self._size()
        self.terminal = Terminal(
            term=os.environ.get("TERM", ""),
            columns=columns,
            rows=rows,
            environment={key: os.environ[key] for key in _KEPT if key in os.environ},
        )
        self._waiting = bytearray()
        self._writing = self._slow = self._begun = False
        self._listener = NOBODY

    def _size(self) -> tuple[int, int]:
        try:
            rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(self._output, termios.TIOCGWINSZ, bytes(8)))
        except OSError:
            rows = columns = 0
        return terminal_size(columns, rows)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._unwaiting = _unwaiting(self._output)
        self._task = asyncio.current_task()
        self._before = termios.tcgetattr(self._input)
        tty.setraw(self._input, termios.TCSANOW)
        self._loop.add_reader(self._input, self._readable)
        with contextlib.suppress(ValueError, RuntimeError):  # only the main thread hears signals
            self._loop.add_signal_handler(signal.SIGWINCH, self._resized)
            for ending in _ENDING:
                self._loop.add_signal_handler(ending, self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ValueError, RuntimeError):
            for heard in (signal.SIGWINCH, *_ENDING):
                self._loop.remove_signal_handler(heard)
        self._loop.remove_reader(self._input)
        self._loop.remove_writer(self._unwaiting)
        if self._begun:  # whoever painted could not end it, such as a gate that was killed
            self._waiting += STOP.encode()
        with contextlib.suppress(OSError):
            while self._waiting and select.select([], [self._unwaiting], [], PATIENCE)[1]:
                self._write()
        os.close(self._unwaiting)
        with contextlib.suppress(termios.error):  # it may be gone
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def write(self, data: bytes) -> None:
        self._waiting += data
        if _BEGUN in data or _OVER in data:
            self._begun = data.rfind(_BEGUN) > data.rfind(_OVER)
        if not self._writing:
            self._writing = True
            self._loop.add_writer(self._unwaiting, self._writable)
        if not self._slow and len(self._waiting) > HIGH_WATER:
            self._slow = True
            self._listener.on_flow(False)

    def _writable(self) -> None:
        try:
            self._write()
        except OSError:
            self._gone()
            return
        if not self._waiting:
            self._writing = False
            self._loop.remove_writer(self._unwaiting)
            if self._slow:
                self._slow = False
                self._listener.on_flow(True)

    def _write(self) -> None:
        """As much as the terminal takes at once."""
        with contextlib.suppress(BlockingIOError):
            del self._waiting[: os.write(self._unwaiting, self._waiting[:_CHUNK])]

    def _readable(self) -> None:
        try:
            data = os.read(self._input, 65536)
        except OSError:
            data = b""
        if not data:
            self._gone()
        else:
            self._listener.on_input(data)

    def _resized(self) -> None:
        self._listener.on_resize(*self._size())

    def _end(self) -> None:
        """Whoever uses the terminal is cancelled, and so ends in its own way."""
        if self._task:
            self._task.cancel()

    def _gone(self) -> None:
        self._waiting.clear()
        self._loop.remove_reader(self._input)
        self._loop.remove_writer(self._unwaiting)
        self._listener.on_closed()


def _unwaiting(terminal: int) -> int:
    """The same terminal for writes that never wait for it.

    A terminal counts as writable while it takes one byte more, and a write of many would wait until it took them all.
    It is opened anew, since not to wait is a setting that every holder of a descriptor shares, the shell among them.
    """
    try:
        return os.open(os.ttyname(terminal), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # another person's terminal, as after `su`
        return os.dup(terminal)
