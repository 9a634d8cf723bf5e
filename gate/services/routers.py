"""Which of several routers serves a prefix: one that went away gives way, and does not take it back."""

from __future__ import annotations

from collections.abc import Mapping

from gate.operation import Call, writes
from gate.presence import Presence
from gate.snapshot import STANDBY, Snapshot
from model import change as c
from model.ids import DeviceID, Prefix
from model.records import Device, RouteState
from store import Transaction, settings

AWAY = 15
"""Seconds without a connection after which a router counts as away: an agent that only reconnects moves nothing."""


def _served(snapshot: Snapshot) -> Mapping[DeviceID, frozenset[Prefix]]:
    """The subnet routes that count, by router."""
    routers = (snapshot.devices[id] for id in snapshot.deadlines.routers)
    return {
        device.id: frozenset(route.prefix for route in device.routes if _counts(route.state) and not route.exit)
        for device in routers
    }


def _counts(state: RouteState) -> bool:
    return state is RouteState.APPROVED


def standby(snapshot: Snapshot, presence: Presence, now: int) -> frozenset[DeviceID]:
    """Who is to stand by: routers that are away while another is there, and those that came back to find one."""
    served = {id: prefixes for id, prefixes in _served(snapshot).items() if prefixes}
    away = {id for id in served if _away(snapshot.devices[id], presence, now)}
    there = {id for id in served if id not in away and id not in snapshot.standby}

    def replaced(id: DeviceID, by: set[DeviceID]) -> bool:
        return any(served[id] & served[other] for other in by if other != id)

    back = {id for id in served if id in snapshot.standby and id not in away}
    gone = {id for id in away if replaced(id, there | back)}
    return frozenset(gone | {id for id in back if replaced(id, there)})


def _away(device: Device, presence: Presence, now: int) -> bool:
    return not presence.online(device.id) and now - (presence.last_seen(device.id) or 0) > AWAY


def anything_due(snapshot: Snapshot, presence: Presence, now: int) -> bool:
    return standby(snapshot, presence, now) != snapshot.standby


@writes("agent standby")
def settle(tx: Transaction, call: Call) -> None:
    ids = tuple(sorted(standby(call.snapshot, call.presence, tx.now), key=int))
    settings.put(tx, STANDBY, list(ids))
    tx.record(c.StandbySet(devices=ids))
    names = [call.snapshot.devices[id].name for id in ids]
    call.audit(tx, "routers on standby", after={"devices": names})
