"""What devices come to by time alone, kept in the order in which it is due: a look each second costs nothing, however
many devices there are."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

import msgspec

from model.ids import DeviceID
from model.records import Device, DeviceState


class Deadlines(msgspec.Struct, frozen=True):
    expiring: list[tuple[int, DeviceID]] = []
    """When approved devices expire, the next first. Shared by snapshots, and never changed in place."""
    ephemeral: frozenset[DeviceID] = frozenset()
    """Devices that go when they have been away for long. A device is born so, and stays it."""
    routers: frozenset[DeviceID] = frozenset()
    """Approved devices with routes."""

    def expired(self, now: int) -> bool:
        """Whether some device is to expire by `now`."""
        return bool(self.expiring) and self.expiring[0][0] <= now

    def between(self, begin: int, end: int) -> list[tuple[int, DeviceID]]:
        """What is to expire after `begin` and before `end`."""
        first = bisect_left(self.expiring, (begin + 1, DeviceID("")))
        return self.expiring[first : bisect_left(self.expiring, (end, DeviceID("")))]

    def after(
        self, old: Mapping[DeviceID, Device], new: Mapping[DeviceID, Device], ids: Iterable[DeviceID]
    ) -> Deadlines:
        """The same where devices `ids` went from `old` to `new`."""
        pairs = [(id, old.get(id), new.get(id)) for id in ids]
        expiring = self.expiring
        for id, before, now in pairs:
            was, will = _expiry(before), _expiry(now)
            if was == will:
                continue
            if expiring is self.expiring:
                expiring = expiring.copy()
            if was is not None:
                del expiring[bisect_left(expiring, (was, id))]
            if will is not None:
                insort(expiring, (will, id))
        return Deadlines(
            expiring,
            _after(self.ephemeral, {id for id, _, now in pairs if now is not None and now.ephemeral}, pairs),
            _after(self.routers, {id for id, _, now in pairs if now is not None and _routes(now)}, pairs),
        )


def deadlines(devices: Iterable[Device]) -> Deadlines:
    found = tuple(devices)
    return Deadlines(
        sorted((at, device.id) for device in found if (at := _expiry(device)) is not None),
        frozenset(device.id for device in found if device.ephemeral),
        frozenset(device.id for device in found if _routes(device)),
    )


def _after(
    before: frozenset[DeviceID], added: set[DeviceID], pairs: Iterable[tuple[DeviceID, Device | None, Device | None]]
) -> frozenset[DeviceID]:
    removed = {id for id, _, _ in pairs if id in before} - added
    return before if added <= before and not removed else before - removed | added


def _expiry(device: Device | None) -> int | None:
    return device.expires_at if device is not None and device.state is DeviceState.APPROVED else None


def _routes(device: Device) -> bool:
    return bool(device.routes) and device.state is DeviceState.APPROVED
