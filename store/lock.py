"""One process owns a state: whoever holds the lock in its folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

import msgspec

from model.errors import Conflict, Unavailable

NAME = "lock"


class _Holder(msgspec.Struct):
    pid: int
    started_at: str
    """When it took the lock, RFC 3339 in UTC."""


class StateLock:
    """Holds the state in `folder` for this process until `close`, or until the process ends, however it ends.

    Raises `Conflict` naming the holder where another process has it, `Unavailable` where the folder cannot be
    written. The file stays when the lock is given up: what counts is the kernel's lock on it, not that it is there.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise Unavailable(
                f"{self.path} cannot be opened: {os.strerror(fault.errno or 0).lower()}",
                hint="check that the folder exists, and its owner and mode",
            ) from fault
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sign()
        except BlockingIOError:
            holder = self._holder()
            os.close(self._file)
            raise Conflict(
                f"{folder} is in use by {holder}", hint="stop that one first, or go through it: ssh to the gate"
            ) from None
        except OSError as fault:
            os.close(self._file)
            raise Unavailable(
                f"{self.path} cannot be locked: {os.strerror(fault.errno or 0).lower()}",
                hint="keep the state on a local disk with free space",
            ) from fault

    def close(self) -> None:
        """Lets the next one have it. A second call changes nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> StateLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sign(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, msgspec.json.encode(_Holder(os.getpid(), now)) + b"\n", 0)

    def _holder(self) -> str:
        try:
            holder = msgspec.json.decode(os.pread(self._file, 4096, 0), type=_Holder)
        except msgspec.DecodeError:
            return "another process"
        return f"process {holder.pid} since {holder.started_at}"


def held(folder: Path) -> bool:
    """Whether a process has the state now: a local command then goes through `gate.sock`."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
