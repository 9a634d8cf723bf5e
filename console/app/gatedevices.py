"""What the gate knows of one device: whom it sees and where, by which rules, what it was issued, what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from console.app.backend import PeerFacts, RuleFacts, Ways
from gate.presence import Sight
from model.ids import DeviceID
from model.records import Device

if TYPE_CHECKING:
    from gate.gate import Gate

MOST_PEERS = 100
"""Peers that are listed: those that it talks to first."""
MOST_NAMES = 12


def peers(gate: Gate, device: Device) -> tuple[PeerFacts, ...]:
    """Those with a handshake of late first, the newest before; then the others as they registered."""
    snapshot = gate.snapshot
    place = snapshot.compiled.world.device(device.id)
    if place is None:
        return ()
    visible = snapshot.compiled.visible(place)
    seen, seen_from = gate.presence.seen_by(device.id), gate.presence.sights_of(device.id)
    talking = sorted(
        {*seen, *seen_from} & snapshot.devices.keys(),
        key=lambda id: (
            -max((sight.handshake_at or 0 for sight in (seen.get(id), seen_from.get(id)) if sight), default=0)
        ),
    )
    others = (other.id for other in snapshot.compiled.in_order(visible, MOST_PEERS) if other.id != device.id)
    listed = list(dict.fromkeys([*talking, *others]))[:MOST_PEERS]
    return tuple(_peer(snapshot.devices[id], seen.get(id), seen_from.get(id)) for id in listed)


def _peer(other: Device, there: Sight | None, back: Sight | None) -> PeerFacts:
    """What either end said of the two: both shook the same hands."""
    at = max((sight.handshake_at for sight in (there, back) if sight and sight.handshake_at is not None), default=None)
    return PeerFacts(
        id=other.id,
        name=other.name,
        endpoint=there.endpoint if there else "",
        seen=there is not None or back is not None,
        handshake_at=at,
    )


def observed(gate: Gate, id: DeviceID) -> tuple[tuple[str, int], ...]:
    """Endpoints at which others see it, and how many do."""
    found: dict[str, int] = {}
    for sight in gate.presence.sights_of(id).values():
        found[sight.endpoint] = found.get(sight.endpoint, 0) + 1
    return tuple(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def ways(found: Any, listed: Iterable[str]) -> Ways:
    """By which rules it reaches and is reached, and for each of `listed` by which of them.

    `found` is what `policies.reach` answers.
    """
    rules = [_rule(part, outgoing=True) for part in found.outgoing] + [
        _rule(part, outgoing=False) for part in found.incoming
    ]
    wanted = set(listed)
    by_peer: dict[str, list[tuple[bool, str, str]]] = {}
    for outgoing, parts in ((True, found.outgoing), (False, found.incoming)):
        for part in parts:
            for name in wanted.intersection(part.devices):
                by_peer.setdefault(name, []).append((outgoing, _ports(part.ways), str(part.rule)))
    return Ways(rules=tuple(rules), by_peer={name: tuple(each) for name, each in by_peer.items()})


def _rule(part: Any, *, outgoing: bool) -> RuleFacts:
    return RuleFacts(
        outgoing=outgoing,
        rule=str(part.rule),
        line=part.rule.line,
        ports=_ports(part.ways),
        devices=len(part.devices),
        names=part.devices[:MOST_NAMES],
        nets=part.nets[:MOST_NAMES],
    )


def _ports(ways: tuple[Any, ...]) -> str:
    return ", ".join(map(str, ways)) or "nothing"
