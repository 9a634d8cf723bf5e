"""Passwords: argon2id (RFC 9106), in a small pool of threads that yields to everything else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type

from model.errors import Invalid, Limited
from model.ids import saslprep

MEMORY_KIB, PASSES = 19 * 1024, 2
"""The second of RFC 9106's kind of choices as OWASP gives it for servers: 19 MiB, two passes, one lane."""
MIN_LENGTH, MAX_LENGTH = 10, 256
WAITING = 32
"""Checks that may wait for a thread; more are refused at once."""

_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1, type=Type.ID)
_NOBODY = _hasher.hash(os.urandom(16))
"""What the password of one who has none is compared with, so that it takes as long."""


def prepared(password: str) -> str:
    """The SASLprep form (RFC 4013). Raises `Invalid`, without repeating the text."""
    try:
        return saslprep(password)
    except Invalid:
        raise Invalid("the password holds a character that none may have") from None


def hash_password(password: str) -> str:
    """The hash to keep. Takes tens of milliseconds: call it in a thread. Raises `Invalid`."""
    text = prepared(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise Invalid(
            f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters", hint="a few unrelated words make a good one"
        )
    return _hasher.hash(text)


def matches(kept: str | None, password: str) -> bool:
    """Whether `password` is the one of hash `kept`; takes as long where there is none."""
    try:
        text = prepared(password)
    except Invalid:
        text = ""
    if len(text) > MAX_LENGTH:
        text = ""
    try:
        _hasher.verify(kept or _NOBODY, text)
    except (Argon2Error, InvalidHashError):
        return False
    return kept is not None


class Pool:
    """Two threads at most; `WAITING` checks wait at most."""

    def __init__(self, threads: int = 2) -> None:
        self._executor = ThreadPoolExecutor(threads, "passwords", initializer=_stand_back)
        self._waiting = 0

    async def matches(self, kept: str | None, password: str) -> bool:
        """Raises `Limited` when too many wait."""
        if self._waiting >= WAITING:
            raise Limited("too many logins are being checked at this moment", hint="try again in a few seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, matches, kept, password)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _stand_back() -> None:
    """On Linux priority is a thread's own: hashing takes what the event loop leaves."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
