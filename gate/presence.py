"""Who is connected, since when, and where others see them. In memory: who is online is no change to the network."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from model.ids import DeviceID, Endpoint

OBSERVED_FOR = 180.0
"""Seconds that an observed endpoint is handed out; its observer repeats it while it lasts."""
MAX_OBSERVED = 4
HISTORY_STEP, HISTORY_LENGTH = 600, 144
"""The chart of Overview: a sample each ten minutes, for a day."""


class Presence:
    """`clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._connections: dict[DeviceID, int] = {}
        self._seen: dict[DeviceID, int] = {}
        self._unsaved: set[DeviceID] = set()
        self._observed: dict[DeviceID, dict[Endpoint, float]] = {}
        self.history: deque[tuple[int, int]] = deque(maxlen=HISTORY_LENGTH)

    def restore(self, seen: Iterable[tuple[DeviceID, int | None]]) -> None:
        self._seen = {id: at for id, at in seen if at is not None}

    def arrived(self, id: DeviceID) -> None:
        self._connections[id] = self._connections.get(id, 0) + 1
        self._touch(id)

    def left(self, id: DeviceID) -> None:
        remaining = self._connections.get(id, 0) - 1
        if remaining > 0:
            self._connections[id] = remaining
        else:
            self._connections.pop(id, None)
        self._touch(id)

    def _touch(self, id: DeviceID) -> None:
        self._seen[id] = int(self._clock())
        self._unsaved.add(id)

    def online(self, id: DeviceID) -> bool:
        return id in self._connections

    @property
    def online_count(self) -> int:
        return len(self._connections)

    @property
    def online_ids(self) -> frozenset[DeviceID]:
        return frozenset(self._connections)

    def last_seen(self, id: DeviceID) -> int | None:
        return int(self._clock()) if self.online(id) else self._seen.get(id)

    def forget(self, id: DeviceID) -> None:
        for kept in (self._connections, self._seen, self._observed):
            kept.pop(id, None)
        self._unsaved.discard(id)

    def observe(self, id: DeviceID, endpoint: Endpoint) -> bool:
        """Another device sees `id` at `endpoint`. True where that is news."""
        kept = self._observed.setdefault(id, {})
        fresh = endpoint not in kept or kept[endpoint] <= self._clock()
        kept[endpoint] = self._clock() + OBSERVED_FOR
        while len(kept) > MAX_OBSERVED:
            del kept[min(kept, key=lambda known: kept[known])]
        return fresh

    def observed(self, id: DeviceID) -> tuple[Endpoint, ...]:
        """Endpoints at which others saw it lately."""
        kept = self._observed.get(id)
        if not kept:
            return ()
        now = self._clock()
        return tuple(endpoint for endpoint, until in kept.items() if until > now)

    def unsaved(self) -> dict[DeviceID, int]:
        """What changed since the last call, to be written in one batch."""
        ids, self._unsaved = self._unsaved | set(self._connections), set()
        return {id: seen for id in ids if (seen := self.last_seen(id)) is not None}

    def sample(self) -> None:
        now = int(self._clock())
        if not self.history or now - self.history[-1][0] >= HISTORY_STEP:
            self.history.append((now, self.online_count))
