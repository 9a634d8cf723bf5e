"""The store as its users hold it: opened by the process that owns the state, written by one thread, read by many."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from model.change import Committed
from model.errors import Conflict, NotFound, Unavailable
from store import files
from store.connections import connect
from store.faults import translated
from store.readers import Loan, Readers
from store.transaction import Reader, Transaction
from store.writer import Writer

T = TypeVar("T")
Clock = Callable[[], float]


class Store:
    """The network's database.

    What `transact` and `write` answered is on disk (WAL, `synchronous=FULL`): a crash of the machine loses nothing
    of it. Either raises what the work raised, and then nothing of that work happened; `Unavailable` where the
    database cannot serve (disk full, read-only, damaged, held by another program).
    """

    def __init__(self, path: Path, clock: Clock = time.time) -> None:
        """Callers use `create` or `open`; `path` must hold a database of this schema."""
        self.path = path
        self._clock = clock
        self._latest = 0
        self._latest_lock = threading.Lock()
        self._writer = Writer(connect(path, writes=True), path, self.now)
        self._readers = Readers(path, self.now, lambda: self._writer.epoch)

    @classmethod
    def create(cls, path: Path, *, clock: Clock = time.time) -> Store:
        """A new, empty database at `path`, mode 0600: there whole or not at all. Raises `Conflict` if one exists."""
        if path.exists():
            raise Conflict(f"{path} exists already", hint="open it with wardgate serve, or name another state folder")
        return cls._opened(path, clock, files.create)

    @classmethod
    def open(cls, path: Path, *, clock: Clock = time.time) -> Store:
        """The database at `path`, brought to this program's schema; a backup is put beside it before that.

        Raises `NotFound` where there is none, `Unavailable` where it is not a Wardgate state, comes from a newer
        program, or cannot be read and written.
        """
        if not path.exists():
            raise NotFound(f"there is no state at {path}", hint="make one with: wardgate init")
        return cls._opened(path, clock, files.prepare)

    @classmethod
    def _opened(cls, path: Path, clock: Clock, prepare: Callable[[Path], None]) -> Store:
        try:
            prepare(path)
            return cls(path, clock)
        except sqlite3.Error as fault:
            told = translated(fault, path)
            raise told if told is not fault else Unavailable(f"{path} cannot be opened: {fault}") from fault
        except OSError as fault:
            raise Unavailable(
                f"{path} cannot be opened: {os.strerror(fault.errno or 0).lower()}",
                hint="check the folder's owner, mode and free space",
            ) from fault

    @property
    def on_commit(self) -> Callable[[Sequence[Committed]], None] | None:
        """Called on the writer's thread after each durable commit that recorded changes, in order, before the
        writers are told. What it raises is logged and changes nothing."""
        return self._writer.on_commit

    @on_commit.setter
    def on_commit(self, follow: Callable[[Sequence[Committed]], None] | None) -> None:
        self._writer.on_commit = follow

    def now(self) -> int:
        """Seconds since 1970. Never less than it was before in this process, whatever happens to the clock."""
        with self._latest_lock:
            self._latest = max(self._latest, int(self._clock()))
            return self._latest

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` on the writer and waits until it is durable. From any thread but an event loop's."""
        return self._writer.transact(work)

    async def write(self, work: Callable[[Transaction], T], *, repeatable: bool = False) -> T:
        """`transact` for coroutines. Cancelled before the writer came to it, the work is not done; later it is.

        `repeatable` work costs less where much of it waits: it may be done twice, the first time undone, and what it
        wrote before it refuses with a `WardgateError` stays.
        """
        return await self._writer.submit(work, repeatable=repeatable)

    def read(self, work: Callable[[Reader], T]) -> T:
        """Runs `work` here and now on one consistent snapshot, which lacks nothing that was answered before."""
        return self._readers.read(work)

    async def fetch(self, work: Callable[[Reader], T]) -> T:
        """`read` in a thread, for what may take more than a millisecond. Cancelled, it is broken off there, too."""
        loan = Loan()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._readers.threads, self._readers.read, work, loan
            )
        except asyncio.CancelledError:
            loan.break_off()
            raise

    def backup(self, path: Path) -> None:
        """Copies the database, as of one moment, to the new file `path`, mode 0600, while it goes on serving.

        Raises `Conflict` if `path` exists, `Unavailable` where it cannot be written; no partial file is left.
        """
        files.backup(self.path, path)

    def close(self) -> None:
        """Finishes what was handed over, then closes. Later calls are refused as `Unavailable`."""
        self._writer.finish()
        self._readers.close()
        self._writer.close()
