"""What a piece of work gets to see the network with: a snapshot to read, or the transaction that it writes in."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database

from model.change import Change, Committed
from model.ids import Version
from store import audit, changes
from store.later import Later
from store.totals import Totals


class Reader:
    """One consistent snapshot of the network, for as long as the work runs. Not to be kept."""

    __slots__ = ("_began", "_db", "_totals", "beside", "now")

    def __init__(self, db: Database, now: int, totals: Totals | None = None) -> None:
        self._totals = totals
        self._began = totals.epoch() if totals else 0
        self._db = db
        self.beside: sqlite3.Connection = db.conn
        """For what is hottest: queries for nothing that `Transaction.later` may hold."""
        self.now = now
        """Seconds since 1970, the same for the whole work."""

    @property
    def db(self) -> Database:
        """For what people do one at a time."""
        return self._db

    @property
    def sql(self) -> sqlite3.Connection:
        """For what is hot."""
        return self.beside

    def count(self, query: str, parameters: tuple[object, ...] = ()) -> int:
        """The one number that `query` yields, remembered until the next commit."""
        if self._totals is not None:
            return self._totals.count(self.sql, self._began, query, parameters)
        total: int = self.sql.execute(query, parameters).fetchone()[0]
        return total

    def holds(self, version: Version) -> bool:
        """Whether a snapshot as of change `version` is known to show the network as this work sees it."""
        return False


class Newest:
    """How far the change log is, with what the commit under way has recorded. Kept by the writer."""

    __slots__ = ("shown",)

    def __init__(self, shown: int) -> None:
        self.shown = shown
        """No change above this number shows in a snapshot. What was undone may have raised it."""


class Transaction(Reader):
    """A piece of work on the one writer. It is durable as a whole, or nothing of it happened."""

    __slots__ = ("changes", "later", "newest")

    def __init__(self, db: Database, now: int, later: Later, newest: Newest) -> None:
        self._totals = None
        self._db = db
        self.beside = db.conn
        self.now = now
        self.later = later
        """Changes, audit entries and users' certificates that wait to be written, with others of the same part."""
        self.newest = newest
        self.changes: list[Committed] = []
        """What this work recorded, in order."""

    @property
    def db(self) -> Database:
        if self.later.waits:
            self.later.write()
        return self._db

    @property
    def sql(self) -> sqlite3.Connection:
        if self.later.waits:
            self.later.write()
        return self.beside

    def holds(self, version: Version) -> bool:
        return version >= self.newest.shown

    def record(self, change: Change) -> Version:
        """Adds `change` to the log under the next number: no number is ever left out."""
        committed = changes.append(self, change)
        self.changes.append(committed)
        return committed.number

    def audit(
        self, actor: str, action: str, subject: str, *, before: object = None, after: object = None, source: str
    ) -> int:
        """Adds an entry to the audit trail and gives its number. `before` and `after` are dicts or records."""
        return audit.append(self, actor, action, subject, before=before, after=after, source=source)
