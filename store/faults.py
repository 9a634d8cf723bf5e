"""What SQLite says when it cannot serve, in words that an operator can act on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from model.errors import Unavailable

_FAULTS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: (
        "the disk is full, nothing was written",
        "free space on the file system of {path}; nothing needs a restart",
    ),
    sqlite3.SQLITE_READONLY: (
        "the state cannot be written",
        "check who owns {path} and its folder, and that the file system is mounted read-write",
    ),
    sqlite3.SQLITE_PERM: ("the state cannot be opened", "check who owns {path} and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("the state cannot be opened", "check who owns {path} and its folder"),
    sqlite3.SQLITE_BUSY: ("another program holds the database", "close whatever has {path} open"),
    sqlite3.SQLITE_LOCKED: ("another program holds the database", "close whatever has {path} open"),
    sqlite3.SQLITE_PROTOCOL: (
        "the database's locks do not work here",
        "keep {path} on a local disk: network file systems cannot hold it",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk failed, nothing was written",
        "look for disk errors in the kernel's log; keep {path} on a local disk",
    ),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", "restore a backup: wardgate gate restore FILE"),
    sqlite3.SQLITE_NOTADB: ("{path} is not a Wardgate state", "name the folder that wardgate init made"),
    sqlite3.SQLITE_NOMEM: ("there is no memory left for the database", "give the machine more memory"),
}


def translated(fault: BaseException, path: Path) -> BaseException:
    """`fault` as an `Unavailable` with a hint where the database itself is to blame, else `fault` as it is."""
    code = getattr(fault, "sqlite_errorcode", None)
    if not isinstance(fault, sqlite3.Error) or code is None or isinstance(fault, sqlite3.IntegrityError):
        return fault
    known = _FAULTS.get(code & 0xFF)
    if known is None:
        return fault
    message, hint = known
    told = Unavailable(f"{message.format(path=path)} ({fault.sqlite_errorname})", hint=hint.format(path=path))
    told.__cause__ = fault
    return told


def violated(fault: sqlite3.IntegrityError) -> str:
    """What a constraint failure names: `devices.name`, an index, or `foreign key`; empty where it names nothing."""
    text = str(fault)
    if text.startswith("FOREIGN KEY"):
        return "foreign key"
    return text.partition(": ")[2].partition(",")[0]
