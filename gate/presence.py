"""Who is connected, since when, and where others see them. In memory: who is online is no change to the network."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from model.errors import WardgateError
from model.ids import DeviceID, Endpoint

DAY = 86400
OBSERVED_FOR = 180.0
"""Seconds that an observed endpoint is handed out; its observer repeats it while it lasts."""
AT_A_TIME, MANY = 4, 200
"""Observers whose reports lapse in one step, and devices of which they told, after which there is no further one in it:
of each, many more may have to be told."""
MAX_OBSERVED = 4
"""Observed endpoints of a device that are handed out: the newest."""
HISTORY_STEP, HISTORY_LENGTH = 600, 144
"""The chart of Overview: a sample each ten minutes, for a day."""


class Sight(NamedTuple):
    """At which endpoint a device sees another, and when their latest handshake was."""

    endpoint: Endpoint
    handshake_at: int | None = None


class Presence:
    """`clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._connections: dict[DeviceID, int] = {}
        self._since: dict[DeviceID, int] = {}
        self.behind: Callable[[DeviceID], bool] = lambda _: False
        """Whether a connected device is still to be told a change, as the agents' door says."""
        self._seen: dict[DeviceID, int] = {}
        self._unsaved: set[DeviceID] = set()
        self._claims: dict[DeviceID, dict[DeviceID, Sight]] = {}
        """Device -> who sees it -> where."""
        self._seeing: dict[DeviceID, tuple[frozenset[DeviceID], float]] = {}
        """Observer -> whom it sees, and until when that counts; the one that lapses next comes first."""
        self._handed: dict[DeviceID, tuple[Endpoint, ...]] = {}
        self._hosts_refused: dict[DeviceID, WardgateError] = {}
        self.history: deque[tuple[int, int]] = deque(maxlen=HISTORY_LENGTH)

    def restore(self, seen: Iterable[tuple[DeviceID, int | None]]) -> None:
        self._seen = {id: at for id, at in seen if at is not None}

    def arrived(self, id: DeviceID) -> None:
        self._connections[id] = self._connections.get(id, 0) + 1
        self._since.setdefault(id, int(self._clock()))
        self._touch(id)

    def left(self, id: DeviceID) -> None:
        if id not in self._connections:
            return  # it was removed meanwhile
        remaining = self._connections[id] - 1
        if remaining > 0:
            self._connections[id] = remaining
        else:
            self._connections.pop(id, None)
            self._since.pop(id, None)
        self._touch(id)

    def _touch(self, id: DeviceID) -> None:
        self._seen[id] = int(self._clock())
        self._unsaved.add(id)

    def online(self, id: DeviceID) -> bool:
        return id in self._connections

    def since(self, id: DeviceID) -> int | None:
        """When it connected; None for one that is away."""
        return self._since.get(id)

    @property
    def online_count(self) -> int:
        return len(self._connections)

    @property
    def online_ids(self) -> frozenset[DeviceID]:
        return frozenset(self._connections)

    def last_seen(self, id: DeviceID) -> int | None:
        return int(self._clock()) if self.online(id) else self._seen.get(id)

    def refuse_host(self, id: DeviceID, why: WardgateError | None) -> None:
        """The device asked for a host certificate: it got one, or `why` not."""
        if why is None:
            self._hosts_refused.pop(id, None)
        else:
            self._hosts_refused[id] = why

    def host_refusal(self, id: DeviceID) -> WardgateError | None:
        """Why it got none when it asked last, as far as this gate knows since it started."""
        return self._hosts_refused.get(id)

    def forget(self, id: DeviceID) -> None:
        """The device is no more; what it saw lapses by itself."""
        for kept in (self._connections, self._since, self._seen, self._claims, self._handed, self._hosts_refused):
            kept.pop(id, None)
        self._unsaved.discard(id)

    def observe(
        self, observer: DeviceID, peers: Mapping[DeviceID, Endpoint], ages: Mapping[DeviceID, int] | None = None
    ) -> tuple[DeviceID, ...]:
        """Where `observer` sees others, instead of what it said before. Returns those who are handed out anew.

        An observer has one claim for each device, so that it cannot push out what others see. `ages` are seconds
        since its handshakes with them, for people to look at.
        """
        now = self._clock()
        before, _ = self._seeing.pop(observer, (frozenset[DeviceID](), 0.0))
        for gone in before - peers.keys():
            self._claims.get(gone, {}).pop(observer, None)
        for id, endpoint in peers.items():
            kept = self._claims.setdefault(id, {})
            kept.pop(observer, None)
            age = (ages or {}).get(id)
            kept[observer] = Sight(endpoint, None if age is None else int(now) - min(max(0, age), DAY))
        if peers:
            self._seeing[observer] = frozenset(peers), now + OBSERVED_FOR
        return self._settle(before | peers.keys())

    def lapse(self) -> tuple[DeviceID, ...]:
        """Lets go of what some observers did not repeat in time; returns those who are handed out anew."""
        stale: set[DeviceID] = set()
        for _ in range(AT_A_TIME):
            if not self.lapses:
                break
            observer = next(iter(self._seeing))
            peers, _ = self._seeing.pop(observer)
            for id in peers:
                self._claims.get(id, {}).pop(observer, None)
            stale |= peers
            if len(stale) > MANY:
                break
        return self._settle(stale)

    @property
    def lapses(self) -> bool:
        """Whether `lapse` has something to do."""
        return any(until <= self._clock() for _, until in islice(self._seeing.values(), 1))

    def _settle(self, ids: Iterable[DeviceID]) -> tuple[DeviceID, ...]:
        changed = []
        for id in ids:
            kept = self._claims.get(id, {})
            newest = tuple(
                sorted(set(list(dict.fromkeys(sight.endpoint for sight in reversed(kept.values())))[:MAX_OBSERVED]))
            )
            if newest != self._handed.get(id, ()):
                changed.append(id)
                self._handed[id] = newest
            if not kept:
                self._claims.pop(id, None)
                self._handed.pop(id, None)
        return tuple(changed)

    def observed(self, id: DeviceID) -> tuple[Endpoint, ...]:
        """Endpoints at which others saw it lately, in no order of worth. It differs only after `observe` or `lapse`."""
        return self._handed.get(id, ())

    def sights_of(self, id: DeviceID) -> Mapping[DeviceID, Sight]:
        """Who saw it lately, and where. Read-only; it changes with the next report."""
        return self._claims.get(id, {})

    def seen_by(self, observer: DeviceID) -> dict[DeviceID, Sight]:
        """Whom it saw lately, and where."""
        peers, _ = self._seeing.get(observer, (frozenset[DeviceID](), 0.0))
        return {id: self._claims[id][observer] for id in peers if observer in self._claims.get(id, {})}

    def unsaved(self) -> dict[DeviceID, int]:
        """What changed since the last call, to be written in one batch."""
        ids, self._unsaved = self._unsaved, set()
        seen = {id: self._seen[id] for id in ids if id in self._seen}
        return seen | dict.fromkeys(self._connections, int(self._clock()))

    def sample(self) -> None:
        now = int(self._clock())
        if not self.history or now - self.history[-1][0] >= HISTORY_STEP:
            self.history.append((now, self.online_count))
