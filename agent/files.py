"""Files that are whole or absent, and open to nobody else where they hold a secret."""

from __future__ import annotations

import errno
from pathlib import Path

from model import files
from model.errors import Denied

PRIVATE = 0o600
PUBLIC = 0o644


def write_whole(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """As `model.files.write_whole`, through a symbolic link, and in place where `path` is a mount point of its own.

    That is what `/etc/hosts` is in a container, and nothing can be renamed over it.
    """
    real = path.resolve()
    try:
        files.write_whole(real, data, mode=mode)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        real.write_bytes(data)


def read_or_none(path: Path) -> bytes | None:
    """None where there is no such file; `Denied` where it is somebody else's."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Denied(f"{path} is not yours to read", hint="run it with sudo") from None


def mode_of(path: Path, default: int = PUBLIC) -> int:
    """The permission bits of `path`, or `default` where there is none."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return default
