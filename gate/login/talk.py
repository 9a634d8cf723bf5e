"""A conversation at the keyboard: a script that asks, and a door that carries questions and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

from gate.login.records import Proof

T = TypeVar("T")
Answers = tuple[str, ...]
Prompt = tuple[str, bool]
"""What is asked, and whether what is typed shows."""


class Challenge(msgspec.Struct, frozen=True):
    """No prompts at all only keep the client waiting. `patience` is how many seconds it may take to be logged in."""

    prompts: tuple[Prompt, ...] = ()
    patience: float | None = None


class Talk(Generic[T]):
    """Runs `script`, which returns at its end what the conversation came to.

    A second answer while the first is looked at ends it: each challenge is answered once.
    """

    def __init__(self, script: Callable[[Talk[T]], Awaitable[T]]) -> None:
        self._script = script
        self._task: asyncio.Future[T] | None = None
        self._said: asyncio.Future[Challenge] | None = None
        self._heard: asyncio.Future[Answers] | None = None
        self._asked = 0

    # The script's side.

    async def ask(self, *prompts: Prompt, patience: float | None = None) -> Answers:
        assert self._said is not None
        self._heard = asyncio.get_running_loop().create_future()
        self._asked = len(prompts)
        self._said.set_result(Challenge(prompts, patience))
        return await self._heard

    async def ask_one(self, prompt: str, *, shows: bool = False, patience: float | None = None) -> str:
        (answer,) = await self.ask((prompt, shows), patience=patience)
        return answer

    # The door's side.

    async def begin(self) -> Challenge | T:
        self._said = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._script(self))
        return await self._next()

    async def answer(self, answers: Answers) -> Challenge | T | None:
        """The next challenge, or the end; None where nothing was asked. Raises what the script raises."""
        heard, self._heard = self._heard, None
        if heard is None or heard.done() or len(answers) != self._asked:
            self.close()
            return None
        self._said = asyncio.get_running_loop().create_future()
        heard.set_result(answers)
        return await self._next()

    async def _next(self) -> Challenge | T:
        assert self._task is not None
        assert self._said is not None
        try:
            waiting: tuple[asyncio.Future[Any], ...] = (self._task, self._said)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.close()
            raise
        return self._said.result() if self._said.done() else self._task.result()

    def close(self) -> None:
        self._heard = None
        if self._task and not self._task.done():
            self._task.cancel()


Conversation = Talk[Proof | None]
"""That of a login: it ends in a proof, or lets nobody in."""
