"""Writing files so that a reader sees the old content or the new, whole, and nothing between."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Puts `data` at `path` by a temporary file beside it, fsync, rename, and fsync of the folder.

    When it returns, the content survives a power cut. When it raises (`OSError`: no folder, no room), `path` is as
    it was and no temporary file is left. A symbolic link at `path` is replaced, not followed. Nobody but the
    owner can read the data before `mode` is set.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".wardgate.")  # not `path`'s, which may be as long as any
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes what was created, renamed or removed in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
