"""Sessions of JSON lines: what the agents' and the enrollment door have in common."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque

import asyncssh
import msgspec

from gate.login.rates import Bucket
from model.errors import Invalid, Limited, WardgateError
from model.wire import MAX_CLIENT_LINE, Refused, write_line

log = logging.getLogger("wardgate.doors")

WAITING = 32
"""Lines that wait to be dealt with; more stay with the client."""


class Splitter:
    """Bytes as they come, into lines of at most `limit` bytes."""

    def __init__(self, limit: int = MAX_CLIENT_LINE) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, without their ends; empty ones are passed over. Raises `Invalid`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self._limit or any(len(line) > self._limit for line in lines):
            raise Invalid(f"a line has at most {self._limit} bytes")
        return [line for line in lines if line.strip()]


class LineSession(asyncssh.SSHServerSession[bytes], ABC):
    """One subsystem, and nothing else. Lines are dealt with one after the other; a task lives only while some wait."""

    subsystem: str

    def __init__(self, rate: float, burst: float) -> None:
        self._splitter = Splitter()
        self._bucket = Bucket(rate, burst)
        self._lines: deque[bytes] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self.paused = self.over = False

    @abstractmethod
    def started(self) -> None: ...

    @abstractmethod
    async def line(self, line: bytes) -> None:
        """Deals with one line. What it raises is told to the client as `refused`."""

    def ended(self) -> None:
        """The client will say no more."""

    def lost(self) -> None:
        """The session is over."""

    # asyncssh's side.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:
        return False

    def shell_requested(self) -> bool:
        return False

    def exec_requested(self, command: str) -> bool:
        return False

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == self.subsystem

    def session_started(self) -> None:
        self.started()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self.over:
            return
        try:
            lines = self._splitter.feed(data)
        except Invalid as error:
            self.refuse(error)
            self.finish(1)
            return
        now = asyncio.get_running_loop().time()
        for line in lines:
            if not self._bucket.take(now):
                self.refuse(Limited("too many lines in a short time", hint="wait and connect again"), 60)
                self.finish(1)
                return
            self._lines.append(line)
        if len(self._lines) > WAITING and self._channel:
            self._channel.pause_reading()
        self._start_work()

    def _start_work(self) -> None:
        """A client that takes no answers asks in vain: none pile up here."""
        if self._lines and self._worker is None and not self.paused:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._lines and not self.over and not self.paused:
                try:
                    await self.line(self._lines.popleft())
                except WardgateError as error:
                    self.refuse(error)
                except Exception:
                    log.exception("a line of the %s subsystem failed", self.subsystem)
                    self.refuse(WardgateError("the gate failed at this; its log says why"))
                if len(self._lines) <= WAITING // 2 and self._channel:
                    self._channel.resume_reading()
        finally:
            self._worker = None

    def eof_received(self) -> bool:
        """True keeps the channel: a client whose stdin is at its end still wants its lines."""
        self.ended()
        return True

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._start_work()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        if self._worker:
            self._worker.cancel()
        self._channel = None
        self.lost()

    # What the session says.

    def send(self, message: msgspec.Struct) -> None:
        self.send_bytes(write_line(message))

    def send_bytes(self, data: bytes) -> None:
        if self._channel and not self.over:
            try:
                self._channel.write(data)
            except OSError:
                self.over = True

    def refuse(self, error: WardgateError, retry_after: int | None = None) -> None:
        self.send(Refused.because(error, retry_after))

    def finish(self, status: int) -> None:
        """Closes the channel once what was written is out."""
        if self._channel and not self.over:
            self.over = True
            self._channel.exit(status)
