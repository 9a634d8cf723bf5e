"""What one device is told, decided from a snapshot alone. `gate.telling` says the same in lines, quicker."""

from __future__ import annotations

from gate.pieces import Observed, as_peer, itself, names_of
from gate.snapshot import Snapshot
from model.ids import DeviceID, Endpoint
from model.netmap import NetMap
from model.records import DeviceState


def _nothing(_: DeviceID) -> tuple[Endpoint, ...]:
    return ()


def netmap(snapshot: Snapshot, id: DeviceID, observed: Observed = _nothing) -> NetMap:
    """The whole map of device `id`. One that is not approved learns of itself and whom to trust, nothing else.

    Raises KeyError where there is no such device.
    """
    device = snapshot.devices[id]
    approved = device.state is DeviceState.APPROVED
    peers = snapshot.compiled.peers(id) if approved else {}
    seen = [snapshot.devices[peer] for peer in peers]
    return NetMap(
        version=snapshot.version,
        device=itself(device),
        peers=tuple(as_peer(peer, peers[peer.id], observed) for peer in seen),
        filter=snapshot.compiled.filter(id) if approved else (),
        names=names_of((device, *seen), snapshot.names if approved else (), snapshot.domain),
        ssh=snapshot.compiled.logins(id) if approved else {},
        network=snapshot.network,
        trust=snapshot.trust,
        krl=snapshot.krl,
    )


__all__ = ["Observed", "names_of", "netmap"]
