"""What Overview tells, worked out from the snapshot, presence and the gate's own state."""

from __future__ import annotations

from functools import cache
from heapq import nsmallest
from typing import TYPE_CHECKING

import msgspec

from console.app.backend import Crowd, GateLine, Need, Overview
from console.app.times import DAY, ago, plural, span
from gate.presence import HISTORY_STEP
from gate.services.emergencies import told
from model.records import (
    AuditEntry,
    Certificate,
    CertificateKind,
    DeviceState,
    EnrollmentKey,
    GenerationState,
    RouteState,
)

if TYPE_CHECKING:
    from gate.gate import Gate
    from gate.services.emergencies import BreakGlass
    from gate.services.health import GateStatus
    from gate.snapshot import Snapshot

SOON = 3 * DAY
NOT_RENEWED = DAY
"""Seconds to the end of a host certificate at which an agent that is there has long renewed it."""
LOOKED_AT = 50
"""Of what ends soon, the first so many are looked at."""
NAMED = 20
"""Of the devices that ask to join, the first so many are named; as many may be approved at once."""
LITTLE = 10
"""Percent of a disk."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What ends soon, and when the network was backed up last, as the store has it."""

    hosts: tuple[Certificate, ...] = ()
    """The first host certificates to end."""
    keys: tuple[EnrollmentKey, ...] = ()
    backed_up_at: int | None = None


def overview(
    gate: Gate, status: GateStatus, changes: tuple[AuditEntry, ...], ending: Ending, crowd: Crowd, now: int
) -> Overview:
    online = gate.presence.online_count
    states = dict(status.devices)
    approved = states.pop("approved", 0)
    return Overview(
        devices=len(gate.snapshot.devices),
        online=online,
        people=status.users,
        certificates=status.certificates_valid,
        policy=status.policy_version or 0,
        needs=(*_emergencies(status.break_glass), *_needs(gate, now), *_ending(ending, now)),
        changes=changes,
        history=(*(count for _, count in gate.presence.history), online),
        history_step=HISTORY_STEP,
        states={"online": online, "offline": max(0, approved - online), **states},
        gate=_gate(gate, status, ending, crowd, now),
    )


def _emergencies(found: BreakGlass) -> list[Need]:
    """First of all: whoever is there is to know that someone came in by the key for emergencies."""
    needs = [
        Need(
            state="bad", what=f"{told(entry)[0].upper()}{told(entry)[1:]}", detail="was it to be so?", since=entry.at,
            go=("Activity",),
        )
        for entry in found.rings
    ]  # fmt: skip
    if found.lost:
        needs.append(
            Need(state="bad", what="No break-glass key is left", detail="make one: see docs/login.md", go=("Users",))
        )
    return needs


def _needs(gate: Gate, now: int) -> list[Need]:
    needs = []
    if gate.snapshot.policy_fault:
        needs.append(
            Need(state="bad", what="The policy does not compile", detail=gate.snapshot.policy_fault, go=("Access",))
        )
    waiting = gate.snapshot.policy
    if waiting is not None and waiting.confirm_by is not None:
        left = span(max(0, waiting.confirm_by - now))
        needs.append(
            Need(
                state="ending",
                what=f"Policy version {waiting.number} is unconfirmed",
                detail=f"goes back in {left}",
                since=waiting.created_at,
                go=("Access",),
            )
        )
    needs += _devices(gate.snapshot, now)
    for generation in gate.snapshot.generations:
        if generation.state is GenerationState.PENDING:
            kind = "User" if generation.kind is CertificateKind.USER else "Host"
            needs.append(
                Need(
                    state="waiting",
                    what=f"{kind} CA generation {generation.id.rpartition('-')[2]} is pending",
                    detail="promote it when all trust it",
                    since=generation.created_at,
                    go=("Certificates",),
                )
            )
    for id, fault in gate.signers.faults.items():
        needs.append(Need(state="bad", what=f"{id} cannot sign", detail=fault, go=("Certificates",)))
    return needs


def _devices(snapshot: Snapshot, now: int) -> list[Need]:
    needs = []
    waiting = [snapshot.devices[id] for id in snapshot.waiting]
    pending = [device for device in waiting if device.state is DeviceState.PENDING]
    expired = [device for device in waiting if device.state is DeviceState.EXPIRED]
    if pending:
        first_asked = nsmallest(NAMED, pending, key=lambda device: (device.created_at, device.rank))
        names = [device.name for device in first_asked]
        needs.append(
            Need(
                state="waiting",
                what=f"{plural(len(pending), 'device asks', 'devices ask')} to join",
                detail=", ".join(names),
                since=first_asked[0].created_at,
                go=("Devices", "state:pending") if len(pending) > 1 else ("Devices", names[0]),
                deed=("devices", "approve", *names) if len(pending) <= NAMED else (),
                undo=("devices", "disable", *names),
            )
        )
    if expired:
        last = max(expired, key=lambda device: device.expires_at or 0)
        needs.append(
            Need(
                state="bad",
                what=f"{plural(len(expired), 'device')} expired",
                detail=f"last {last.name}",
                since=last.expires_at,
                go=("Devices", "state:expired"),
            )
        )
    if ending := snapshot.deadlines.between(now, now + SOON):
        at, first = ending[0][0], snapshot.devices[ending[0][1]].name
        needs.append(
            Need(
                state="ending",
                what=f"{plural(len(ending), 'device expires', 'devices expire')} soon",
                detail=f"first {first}, in {span(at - now)}",
                go=("Devices", first),
            )
        )
    routers = sorted((snapshot.devices[id] for id in snapshot.deadlines.routers), key=lambda device: device.rank)
    for device in routers:
        offered = [route.prefix for route in device.routes if route.state is RouteState.ADVERTISED]
        if offered and len(needs) < 8:
            approve = [word for prefix in offered for word in ("--approve", prefix)]
            withdraw = [word for prefix in offered for word in ("--withdraw", prefix)]
            needs.append(
                Need(
                    state="waiting",
                    what=f"{device.name} offers {', '.join(offered)}",
                    detail="route not approved",
                    go=("Devices", device.name),
                    deed=("devices", "routes", device.name, *approve),
                    undo=("devices", "routes", device.name, *withdraw),
                )
            )
    return needs


def _ending(ending: Ending, now: int) -> list[Need]:
    """Host certificates that no agent renewed, and keys that were made to last."""
    needs = []
    hosts = [certificate for certificate in ending.hosts if certificate.valid_before - now < NOT_RENEWED]
    if hosts:
        first = hosts[0]
        number = f"{LOOKED_AT} or more" if len(hosts) >= LOOKED_AT else str(len(hosts))
        needs.append(
            Need(
                state="ending",
                what=f"{number} host {'certificate ends' if number == '1' else 'certificates end'} soon",
                detail=f"first {first.device or first.key_id}, in {span(first.valid_before - now)}: its agent is away?",
                go=("Certificates", "kind:host"),
            )
        )
    keys = [
        key
        for key in ending.keys
        if 0 < key.expires_at - now < SOON and key.revoked_at is None and key.uses_left != 0
        and key.expires_at - key.created_at > 2 * SOON
    ]  # fmt: skip
    if keys:
        first_key = min(keys, key=lambda key: key.expires_at)
        needs.append(
            Need(
                state="ending",
                what=f"{plural(len(keys), 'enrollment key expires', 'enrollment keys expire')} soon",
                detail=f"first {first_key.id}, in {span(first_key.expires_at - now)}",
                go=("Keys", first_key.id),
            )
        )
    return needs


def _gate(gate: Gate, status: GateStatus, ending: Ending, crowd: Crowd, now: int) -> tuple[GateLine, ...]:
    def authority(kind: CertificateKind) -> str:
        found = [g for g in gate.snapshot.generations if g.kind is kind and g.state is not GenerationState.RETIRED]
        return ", ".join(f"{g.id.rpartition('-')[2]} {g.state.value}" for g in found) or "none"

    policy = "nothing passes" if status.policy_version is None else f"version {status.policy_version}"
    settings, certificates = ("Settings",), ("Certificates",)
    return (
        GateLine(label="version", value=f"{_version()}, up {span(int(now - gate.started_at))}"),
        _agents(gate, crowd),
        _promptness(crowd),
        GateLine(label="change", value=f"number {status.version}", go=("Activity",)),
        _backup(ending.backed_up_at, now),
        GateLine(label="user CA", value=authority(CertificateKind.USER), go=certificates),
        GateLine(label="host CA", value=authority(CertificateKind.HOST), go=certificates),
        GateLine(label="KRL", value=plural(status.krl_entries, "entry", "entries"), go=certificates),
        GateLine(
            label="policy",
            value=f"{policy}, an older one in force" if status.policy_fault else policy,
            role="bad" if status.policy_fault else "text",
            go=("Access",),
        ),
        GateLine(
            label="disk",
            value=f"{status.disk_free_percent} % free",
            role="text" if status.disk_free_percent >= LITTLE else "bad",
            go=settings,
        ),
    )


def _agents(gate: Gate, crowd: Crowd) -> GateLine:
    connected = f"{gate.presence.online_count:,} connected"
    if crowd.waiting:
        value = f"{connected}, {crowd.waiting:,} reconnecting, {crowd.per_second:,} a second"
    elif crowd.untold:
        value = f"{connected}, {crowd.untold:,} still to be told"
    else:
        value = connected
    return GateLine(label="agents", value=value, role="warn" if crowd.waiting else "text", go=("Devices",))


def _promptness(crowd: Crowd) -> GateLine:
    if not crowd.late_ms:
        return GateLine(label="promptness", value="at once")
    return GateLine(label="promptness", value=f"{crowd.late_ms:,} ms late: {crowd.cause}", role="warn")


def _backup(at: int | None, now: int) -> GateLine:
    """One that was made through the gate; copies of the disk are none of its business."""
    if at is None:
        return GateLine(label="backup", value="none yet", role="warn")
    return GateLine(label="backup", value=ago(at, now), role="text" if now - at < 7 * DAY else "warn",
                    go=("Activity", "gate"))  # fmt: skip


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("wardgate")
    except PackageNotFoundError:
        return "from source"
