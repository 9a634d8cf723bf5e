"""Files of the person who runs a command, on their own machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from model.errors import Conflict, Invalid

MAX_FILE = 16 * 2**20


def read_file(path: str) -> bytes:
    """A file of the person who runs this. Raises `Invalid`."""
    try:
        data = Path(path).read_bytes()
    except OSError as fault:
        raise Invalid(f"{path} cannot be read: {(fault.strerror or 'it failed').lower()}") from None
    if len(data) > MAX_FILE:
        raise Invalid(f"{path} is larger than {MAX_FILE} bytes")
    return data


def keep(source: Path, path: str) -> None:
    """Copies `source` to the new file `path`, mode 0600. Raises `Conflict` where it exists."""
    try:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Conflict(f"{path} exists", hint="name a new file: a backup is never written over") from None
    except OSError as fault:
        raise Invalid(f"{path} cannot be written: {(fault.strerror or '').lower()}") from None
    try:
        with open(source, "rb") as content, os.fdopen(target, "wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
    except OSError as fault:
        os.unlink(path)
        raise Invalid(f"{path} cannot be written: {(fault.strerror or '').lower()}") from None
