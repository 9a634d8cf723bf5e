"""The draft of one session: fetched once, kept as it is typed, and dropped when it is set."""

from __future__ import annotations

import asyncio
import contextlib

from console.app.backend import Backend
from model.errors import WardgateError
from model.records import PolicyDraft

_LAST: set[asyncio.Task[None]] = set()
"""What ended sessions still keep; the loop alone would let go of it."""


class Draft:
    def __init__(self) -> None:
        self.fetched = False
        self._kept: tuple[str | None, int] = (None, 0)

    async def fetch(self, backend: Backend) -> PolicyDraft | None:
        kept = await backend.draft()
        self.fetched = True
        self._kept = (kept.text, kept.based_on) if kept else (None, 0)
        return kept

    async def keep(self, backend: Backend, text: str | None, based_on: int) -> None:
        """`text` None drops it. What is kept already is not kept again."""
        wanted = (text, based_on if text is not None else 0)
        if backend.me().member or wanted == self._kept:
            return
        self._kept = wanted
        if text is None:
            await backend.drop_draft()
        else:
            await backend.keep_draft(text, based_on)

    def keep_at_last(self, backend: Backend, text: str, based_on: int) -> None:
        """The same when the session is over already."""

        async def keep() -> None:
            with contextlib.suppress(WardgateError):
                await self.keep(backend, text, based_on)

        task = asyncio.get_running_loop().create_task(keep())
        _LAST.add(task)
        task.add_done_callback(_LAST.discard)
