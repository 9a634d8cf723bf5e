"""Connections by number, and which of them ended with their person's logins."""

from __future__ import annotations

import itertools

from gate.actor import Actor
from model.ids import UserName


class Connections:
    """`next` gives a number to each as it comes, rising. Safe from any thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._ended: dict[UserName, int] = {}

    def __next__(self) -> int:
        return next(self._numbers)

    def end(self, user: UserName) -> None:
        """All that `user` has now are over. Said inside the transaction that ends the logins: what waits behind it on
        the writer is refused, though the door has not closed yet."""
        self._ended[user] = next(self)

    def over(self, actor: Actor) -> bool:
        return actor.user is not None and 0 < actor.connection < self._ended.get(actor.user, 0)
