"""Read-only connections, lent out one at a time; each loan is one consistent snapshot."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from model.errors import Unavailable
from store.connections import connect
from store.faults import translated
from store.totals import Totals
from store.transaction import Reader

T = TypeVar("T")
_KEEP = 8
"""Idle connections that are kept; more are opened while more threads read at once."""


class Loan:
    """A piece of work that another thread may break off, whether it has begun or not."""

    def __init__(self) -> None:
        self._sql: sqlite3.Connection | None = None
        self._over = False
        self._lock = threading.Lock()

    def begin(self, sql: sqlite3.Connection) -> None:
        with self._lock:
            self._sql = sql
            if self._over:
                raise sqlite3.OperationalError("interrupted")

    def end(self) -> None:
        with self._lock:
            self._sql = None

    def break_off(self) -> None:
        """The statement that runs ends at once with `sqlite3.OperationalError`; between two, nothing happens."""
        with self._lock:
            self._over = True
            if self._sql is not None:
                self._sql.interrupt()


class Readers:
    def __init__(self, path: Path, now: Callable[[], int], epoch: Callable[[], int]) -> None:
        self._path = path
        self._now = now
        self._totals = Totals(epoch)
        self._idle: list[Database] = []
        self._lock = threading.Lock()
        self._closed = False
        self.threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="store-reader")

    def read(self, work: Callable[[Reader], T], loan: Loan | None = None) -> T:
        loan = loan or Loan()
        try:
            db = self._borrow()
            try:
                loan.begin(db.conn)
                reader = Reader(db, self._now(), self._totals)
                db.conn.execute("BEGIN")
                return work(reader)
            finally:
                loan.end()
                self._return(db)
        except BaseException as fault:
            told = translated(fault, self._path)
            if told is fault:
                raise
            raise told from fault

    def close(self) -> None:
        self.threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.conn.close()

    def _borrow(self) -> Database:
        with self._lock:
            if self._closed:
                raise Unavailable("the store is closed", hint="the gate is stopping; try again when it is back")
            if self._idle:
                return self._idle.pop()
        return connect(self._path, writes=False)

    def _return(self, db: Database) -> None:
        if db.conn.in_transaction:
            db.conn.execute("ROLLBACK")
        with self._lock:
            if not self._closed and len(self._idle) < _KEEP:
                self._idle.append(db)
                return
        db.conn.close()
