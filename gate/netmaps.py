"""What one device is told, decided from a snapshot alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from gate.snapshot import Snapshot
from model.ids import DeviceID, DNSName, Endpoint
from model.netmap import Delta, Names, NetMap, NetMapDevice, Peer, delta
from model.records import Device, DeviceState, Name

Observed = Callable[[DeviceID], tuple[Endpoint, ...]]
"""Endpoints at which others see a device, which it need not know itself."""


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
        device=_itself(device),
        peers=tuple(_peer(peer, peers[peer.id], observed) for peer in seen),
        filter=snapshot.compiled.filter(id) if approved else (),
        names=names_of((device, *seen), snapshot.names if approved else (), snapshot.domain),
        ssh=snapshot.compiled.logins(id) if approved else {},
        network=snapshot.network,
        trust=snapshot.trust,
        krl=snapshot.krl,
    )


def _itself(device: Device) -> NetMapDevice:
    return NetMapDevice(
        id=device.id, name=device.name, user=device.user, tags=device.tags, ipv4=device.ipv4, ipv6=device.ipv6,
        wireguard_key=device.wireguard_key, state=device.state, expires_at=device.expires_at, routes=device.routes,
    )  # fmt: skip


def _peer(device: Device, allowed: tuple[str, ...], observed: Observed) -> Peer:
    own = device.endpoints
    return Peer(
        id=device.id, name=device.name, user=device.user, tags=device.tags, wireguard_key=device.wireguard_key,
        allowed_ips=allowed,  # type: ignore[arg-type]
        endpoints=(*own, *(e for e in observed(device.id) if e not in own)),
    )  # fmt: skip


def names_of(devices: Iterable[Device], records: Iterable[Name], domain: str) -> Names:
    """Names of devices under the domain, and what operators set. An operator's record never covers a device's own."""
    out: dict[DNSName, dict[str, tuple[str, ...]]] = {}
    for device in devices:
        out[DNSName(f"{device.name}.{domain}")] = {"A": (device.ipv4,), "AAAA": (device.ipv6,)}
    taken = frozenset(out)
    for record in records:
        if record.name in taken and record.type in {"A", "AAAA", "CNAME"}:
            continue
        values = out.setdefault(record.name, {})
        values[record.type] = (*values.get(record.type, ()), record.value)
    return out


def advance(told: NetMap, snapshot: Snapshot, observed: Observed = _nothing) -> tuple[NetMap, Delta | None]:
    """The device's map of now, and what turns `told` into it; None where nothing differs, and then `told` stays."""
    new = netmap(snapshot, told.device.id, observed)
    change = delta(told, new)
    return (new, change) if change else (told, None)


def affected(snapshot: Snapshot, connected: Mapping[DeviceID, object]) -> Iterable[DeviceID]:
    """Of `connected`, those whose map may differ from the one before this snapshot."""
    return tuple(connected) if snapshot.everyone else tuple(id for id in snapshot.touched if id in connected)


def encode(message: NetMap | Delta) -> bytes:
    """One line of the wire, with its end."""
    return msgspec.json.encode(message) + b"\n"
