"""The database as a file: made whole or not at all, migrated with a backup beside it, copied while in use."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from model.errors import Conflict, Unavailable
from model.files import sync_folder
from store.connections import connect, scalar
from store.faults import translated
from store.schema import APPLICATION_ID, migrations


def create(path: Path) -> None:
    """An empty database of the newest schema at `path`. Raises `Conflict` if it exists, `OSError`, `sqlite3.Error`."""

    def fill(part: Path) -> None:
        db = connect(part, writes=True)
        with closing(db.conn):
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("PRAGMA journal_mode = WAL").fetchall()
            migrations.apply(db)

    _appear(path, fill)


def prepare(path: Path) -> None:
    """Checks that the database is ours and not newer than this program, and migrates it where it is older."""
    db = connect(path, writes=True)
    with closing(db.conn):
        _recognize(db, path)
        pending = migrations.pending(db)
        if pending:
            backup(path, _backup_path(path, pending[0].name))
            migrations.apply(db)
        db.execute("PRAGMA journal_mode = WAL").fetchall()


def _backup_path(path: Path, migration: str) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    wanted = path.with_name(f"{path.name}.before-{migration}-{stamp}")
    others = (wanted.with_name(f"{wanted.name}-{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([wanted], others) if not name.exists())


def backup(path: Path, target: Path) -> None:
    """Copies the database at `path` to the new file `target` by SQLite's online backup.

    Raises `Conflict` if `target` exists, `Unavailable` where it cannot be written.
    """

    def fill(part: Path) -> None:
        with closing(connect(path, writes=False).conn) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise Unavailable(f"the copy is damaged: {found}", hint="look for disk errors in the kernel's log")

    try:
        _appear(target, fill)
    except (sqlite3.Error, OSError) as fault:
        told = translated(fault, target)
        if told is not fault:
            raise told from fault
        raise Unavailable(f"{target} cannot be written: {fault}", hint="check its folder and free space") from fault


def _recognize(db: Database, path: Path) -> None:
    if scalar(db.conn, "PRAGMA application_id") != APPLICATION_ID:
        raise Unavailable(f"{path} is not a Wardgate state", hint="name the folder that wardgate init made")
    newer = sorted({migration.name for migration in migrations.applied(db)} - _known())
    if newer:
        raise Unavailable(
            f"{path} comes from a newer Wardgate: this one does not know {', '.join(newer)}",
            hint="run the newer version, or restore the backup that it made before it migrated",
        )


def _known() -> set[str]:
    with closing(sqlite3.connect(":memory:")) as empty:
        return {migration.name for migration in migrations.pending(Database(empty, execute_plugins=False))}


def _appear(path: Path, fill: Callable[[Path], None]) -> None:
    """Lets `path` appear complete, mode 0600 and on disk, or not at all. Raises `Conflict` if it exists."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        fill(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            raise Conflict(f"{path} exists already", hint="name a file that does not exist") from None
        sync_folder(path.parent)
    finally:
        for leftover in (part, *(part.with_name(part.name + suffix) for suffix in ("-wal", "-shm", "-journal"))):
            leftover.unlink(missing_ok=True)
