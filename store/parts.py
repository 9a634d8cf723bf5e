"""A transaction in parts, of which each can be undone without those before it."""

from __future__ import annotations

import sqlite3


class Parts:
    """Begins the transaction; whoever made it commits.

    What nothing comes before is undone with the whole transaction, which then begins anew. Other parts have savepoints,
    and these make writing dearer by half: SQLite keeps a copy of each page that is written, as it was before.
    """

    __slots__ = ("_kept", "_run")

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._run = sql.execute
        self._kept = False
        """Whether there is a part that must not be undone."""
        self._run("BEGIN IMMEDIATE")

    def begin(self) -> None:
        if self._kept:
            self._run("SAVEPOINT part")

    def keep(self) -> None:
        if self._kept:
            self._run("RELEASE part")
        self._kept = True

    def undo(self) -> None:
        """Back to where the part began. For a transaction that still is one."""
        if self._kept:
            self._run("ROLLBACK TO part")
            self._run("RELEASE part")
        else:
            self._run("ROLLBACK")
            self._run("BEGIN IMMEDIATE")
