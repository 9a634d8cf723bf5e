"""Connections to the state's database, set up the one way that it is used."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

BUSY_MS = 5000
"""How long a statement waits for a program outside that holds the database (a backup tool, a person's sqlite3)."""

_COMMON = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -65536",
    "PRAGMA mmap_size = 268435456",
)
_READER = ("PRAGMA temp_store = MEMORY", "PRAGMA query_only = ON")
"""A writer keeps its temporary files: in memory, the journal of a savepoint slows each statement that follows."""
_WRITER = (
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


def connect(path: Path, *, writes: bool) -> Database:
    """A connection to the existing database at `path`. Transactions are begun and ended by hand.

    Raises `sqlite3.Error`. A reader's connection can change nothing, whatever it is asked.
    """
    mode = "rw" if writes else "ro"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        for pragma in _COMMON + (_WRITER if writes else _READER):
            connection.execute(pragma)
        return Database(connection, execute_plugins=False)
    except BaseException:
        connection.close()
        raise


def scalar(connection: sqlite3.Connection, sql: str, *parameters: object) -> int:
    """The one integer that `sql` yields; 0 where it yields none."""
    row = connection.execute(sql, parameters).fetchone()
    return int(row[0]) if row is not None and row[0] is not None else 0
