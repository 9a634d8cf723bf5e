"""Files that are whole or absent, and open to nobody else where they hold a secret."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


def write_whole(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Replaces `path` in one step: a reader sees the old file or the new one, also after a power loss.

    A file that is a mount point of its own (`/etc/hosts` in a container) cannot be replaced and is written in place.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.replace(temporary, path)
        except OSError as error:
            if error.errno not in {errno.EBUSY, errno.EXDEV}:
                raise
            path.write_bytes(data)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def mode_of(path: Path, default: int = PUBLIC) -> int:
    """The permission bits of `path`, or `default` where there is none."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return default
