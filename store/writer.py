"""The one writer: takes all work that waits, runs it in one transaction, commits once, then answers everyone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from sqlite_utils import Database

from model.change import Committed
from model.errors import Unavailable, WardgateError
from store import changes
from store.faults import translated
from store.later import Later
from store.parts import Parts
from store.transaction import Newest, Reader, Transaction

T = TypeVar("T")
Work = Callable[[Transaction], T]

_log = logging.getLogger("wardgate.store")
_MOST = 1024
"""Pieces of work in one commit: bounds how long the first of them waits."""


class _Job:
    """A piece of work and who waits for it: a thread (`done`) or a coroutine (`future` on `loop`)."""

    __slots__ = ("done", "fault", "future", "loop", "repeatable", "result", "work")

    def __init__(self, work: Work[Any], repeatable: bool = False) -> None:
        self.work = work
        self.repeatable = repeatable
        self.result: Any = None
        self.fault: BaseException | None = None
        self.done: threading.Lock | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | None = None


class Writer:
    """A thread that owns the writing connection. Work is done in the order in which it was handed over."""

    def __init__(self, db: Database, path: Path, now: Callable[[], int]) -> None:
        self.epoch = 0
        """Even between commits, odd during one."""
        self.on_commit: Callable[[Sequence[Committed]], None] | None = None
        self._db = db
        self._sql: sqlite3.Connection = db.conn
        self._newest = Newest(changes.last(Reader(db, now=0)))
        self._path = path
        self._now = now
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def transact(self, work: Work[T]) -> T:
        if threading.current_thread() is self._thread:
            raise RuntimeError("work on the writer asked the writer for more: it would wait for itself")
        job = _Job(work)
        job.done = threading.Lock()
        job.done.acquire()
        self._hand_over(job)
        job.done.acquire()
        if job.fault is not None:
            raise job.fault
        return cast(T, job.result)

    def submit(self, work: Work[T], *, repeatable: bool = False) -> asyncio.Future[T]:
        """On an event loop: hands the work over at once, and gives what becomes of it.

        Work that is `repeatable` may be done twice, the first time undone, and writes nothing that counts before it
        refuses with a `WardgateError`. Pieces of it are undone together, which costs less than one by one.
        """
        job = _Job(work, repeatable)
        job.loop = asyncio.get_running_loop()
        job.future = future = job.loop.create_future()
        self._hand_over(job)
        return future

    def finish(self) -> None:
        """Does what was handed over, and takes no more. A second call changes nothing."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def close(self) -> None:
        """Once finished: the last connection to close takes the write-ahead log back into the database."""
        self._sql.close()

    def _hand_over(self, job: _Job) -> None:
        with self._closing:
            if self._closed:
                raise Unavailable("the store is closed", hint="the gate is stopping; try again when it is back")
            self._queue.put(job)

    def _run(self) -> None:
        last = False
        while not last:
            jobs = [self._queue.get()]
            jobs += [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), _MOST))]
            if jobs[-1] is None:
                last = True
                jobs.pop()
            batch = [job for job in jobs if job is not None and not (job.future and job.future.cancelled())]
            if batch:
                self._commit(batch)

    def _commit(self, batch: Sequence[_Job]) -> None:
        try:
            committed = self._attempt(batch)
            self.epoch += 1
            try:
                self._sql.execute("COMMIT")
            finally:
                self.epoch += 1
        except BaseException as fault:
            self._give_up(batch, fault)
        else:
            self._publish(committed)
        _answer(batch)

    def _attempt(self, batch: Sequence[_Job]) -> list[Committed]:
        """Runs each piece of work; a fault undoes that piece alone. Raises where the whole transaction is lost."""
        now, committed, parts = self._now(), list[Committed](), Parts(self._sql)
        for repeatable, group in groupby(batch, lambda job: job.repeatable):
            jobs = list(group)
            if not (repeatable and len(jobs) > 1 and self._together(jobs, parts, now, committed)):
                for job in jobs:
                    self._alone(job, parts, now, committed)
        return committed

    def _alone(self, job: _Job, parts: Parts, now: int, committed: list[Committed]) -> None:
        later = Later(self._sql)
        tx = Transaction(self._db, now, later, self._newest)
        parts.begin()
        try:
            job.result = job.work(tx)
            later.write()
        except BaseException as fault:
            if not self._sql.in_transaction:
                raise
            job.fault = translated(fault, self._path)
            parts.undo()
        else:
            parts.keep()
            committed += tx.changes

    def _together(self, jobs: Sequence[_Job], parts: Parts, now: int, committed: list[Committed]) -> bool:
        """As one part; False, and all of it undone, where one failed otherwise than by refusing."""
        recorded, later = list[Committed](), Later(self._sql)
        parts.begin()
        try:
            for job in jobs:
                tx = Transaction(self._db, now, later, self._newest)
                try:
                    job.result = job.work(tx)
                    recorded += tx.changes
                except WardgateError as refused:
                    job.fault = refused
            later.write()
        except BaseException:
            if not self._sql.in_transaction:
                raise
            parts.undo()
            for again in jobs:
                again.result = again.fault = None
            return False
        parts.keep()
        committed += recorded
        return True

    def _give_up(self, batch: Sequence[_Job], fault: BaseException) -> None:
        if self._sql.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # tried again by the next commit, which cannot begin before
                self._sql.execute("ROLLBACK")
        told = translated(fault, self._path)
        _log.error("a commit of %d failed: %s", len(batch), told)
        for job in batch:
            job.result = None
            job.fault = job.fault or told

    def _publish(self, committed: Sequence[Committed]) -> None:
        if committed and self.on_commit is not None:
            try:
                self.on_commit(committed)
            except Exception:
                _log.exception("what follows commits failed on %d changes; they are durable", len(committed))


def _answer(batch: Sequence[_Job]) -> None:
    waiting: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        if job.done is not None:
            job.done.release()
        elif job.loop is not None:
            waiting.setdefault(job.loop, []).append(job)
    for loop, jobs in waiting.items():
        try:
            loop.call_soon_threadsafe(_settle, jobs)
        except RuntimeError:
            _log.warning("%d writers were gone before they could be told", len(jobs))


def _settle(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        future = job.future
        if future is None or future.done():
            continue
        if job.fault is not None:
            future.set_exception(job.fault)
        else:
            future.set_result(job.result)
