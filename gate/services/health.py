"""How the gate is: its figures, what is checked about it, and a backup while it serves."""

from __future__ import annotations

import shutil
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gate.actor import Actor
from gate.backups import archived
from gate.network import hosts_of
from gate.operation import Call, reads
from gate.services import hosting
from gate.services.authority import addresses_of
from gate.services.emergencies import BreakGlass, break_glass, told
from gate.signers import how_to_mend
from gate.steps import Step
from model.ids import GenerationID
from model.records import Certificate, DeviceState, UserState
from store import Query, Reader, audit, certificates
from store.layout import DATABASE, HOST_KEY, LOGIN_KEY

if TYPE_CHECKING:
    from gate.gate import Gate


class GateStatus(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    served: bool
    """Somebody runs `wardgate serve`; else this is the state as it lies there, and nobody gets in."""
    version: int
    """Of the snapshot: the number of the last change."""
    devices: dict[str, int]
    online: int
    users: int
    certificates_valid: int
    policy_version: int | None
    policy_fault: str | None
    signs: dict[GenerationID, str]
    """By generation: `ready`, or why it cannot sign."""
    krl_entries: int
    disk_free_percent: int
    lag_ms: float
    """The most by which the event loop was late in the last minute."""
    lag_cause: str
    """What it was at then; empty where it was fair."""
    long_steps: int
    """Steps of the event loop over 5 ms in the last minute, by the clock."""
    long_steps_cpu: int
    """Of them, those that took as long of the CPU; the others were kept by other processes or threads."""
    longest_step_ms: float
    longest_step_cpu_ms: float
    longest_step: str
    """What it was at; empty where no step was long."""
    queue: int
    """Connections that wait to be spoken to: a storm, as after a restart."""
    logins_per_second: int
    """That were got through while some waited."""
    turned_away: int
    """Connections that were told to come back later, since the gate started."""
    untold: int
    """Agents that are still to be told of the last changes."""
    break_glass: BreakGlass
    at: int


@reads("gate status")
def status(r: Reader, call: Call) -> GateStatus:
    found = call.snapshot
    disk = shutil.disk_usage(call.state)
    now = int(time.time())
    (late, cause), crowd = call.watch.worst, call.watch.crowd()
    long = call.watch.steps.long
    longest = long.longest or Step(0.0, 0.0, "")
    return GateStatus(
        domain=found.domain, served=call.watch.on, version=found.version,
        devices={state.value: found.states[state] for state in DeviceState}, online=call.presence.online_count,
        users=sum(user.state is UserState.ACTIVE for user in found.users.values()),
        certificates_valid=certificates.page(r, Query(where={"state": "valid"}, limit=1)).total,
        policy_version=found.policy.number if found.policy else None, policy_fault=found.policy_fault,
        signs=dict.fromkeys(sorted(call.signers.ready), "ready") | dict(sorted(call.signers.faults.items())),
        krl_entries=len(found.revocations), disk_free_percent=round(100 * disk.free / disk.total),
        lag_ms=round(late * 1000, 1), lag_cause=cause,
        long_steps=long.number, long_steps_cpu=long.of_cpu, longest_step_ms=round(longest.seconds * 1000, 1),
        longest_step_cpu_ms=round(longest.cpu * 1000, 1), longest_step=longest.what, queue=crowd.waiting,
        logins_per_second=round(crowd.per_second), turned_away=crowd.turned_away, untold=crowd.untold,
        break_glass=break_glass(r, found), at=now,
    )  # fmt: skip


@reads("gate metrics")
def metrics(r: Reader, call: Call) -> dict[str, int]:
    """Figures by name, as Prometheus would call them."""
    found = call.snapshot
    now = int(time.time())
    valid = certificates.page(r, Query(where={"state": "valid"}, limit=1)).total
    emergency = break_glass(r, found)
    return {
        **{f'devices{{state="{state}"}}': found.states[state] for state in DeviceState},
        "devices_online": call.presence.online_count,
        "users": len(found.users),
        "certificates_valid": valid,
        "revocations": len(found.revocations),
        "change_number": found.version,
        "policy_version": found.policy.number if found.policy else 0,
        "signers_ready": len(call.signers.ready),
        "loop_lag_microseconds": round(call.watch.worst[0] * 1_000_000),
        "loop_long_steps": call.watch.steps.long.number,
        "connections_waiting": call.watch.crowd().waiting,
        "connections_turned_away": call.watch.crowd().turned_away,
        "agents_untold": call.watch.crowd().untold,
        "break_glass_keys": len(emergency.keys),
        "break_glass_used_seconds": emergency.used.at if emergency.used else 0,
        "time_seconds": now,
    }


@reads("gate backup")
def may_back_up(r: Reader, call: Call) -> None:
    """Nothing but the permission: a backup is not made inside a transaction."""


async def backup(gate: Gate, actor: Actor) -> AbstractContextManager[Path]:
    """A block with the archive of the network in it, made while the gate serves."""
    await gate.perform(may_back_up, actor)
    block = archived(gate.store, gate.state)
    await gate.audit(actor, "gate backup", gate.snapshot.domain)
    return block


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    subject: str
    text: str
    hint: str | None = None


@reads("gate doctor", heavy=True)
def doctor(r: Reader, call: Call) -> tuple[Finding, ...]:
    """What is checked about the gate, each with what to do where it is not well."""
    broken = audit.verify(r)
    free = shutil.disk_usage(call.state)
    loose = _loose_files(call.state)
    policy_text = call.snapshot.policy_fault or "the policy in force is the newest"
    findings = [
        Finding(ok=call.watch.on, subject="serving",
                text="people and devices are let in" if call.watch.on else "the network is not being served",
                hint=None if call.watch.on else "wardgate serve"),
        Finding(ok=broken is None, subject="audit",
                text="every entry follows from the one before" if broken is None else f"entry {broken} was changed",
                hint=None if broken is None else "compare with a backup from before"),
        Finding(ok=call.snapshot.policy_fault is None, subject="policy", text=policy_text,
                hint="set one that compiles: wardgate policy set FILE" if call.snapshot.policy_fault else None),
        Finding(ok=free.free > 512 * 2**20, subject="disk", text=f"{free.free // 2**20} MiB are free",
                hint=None if free.free > 512 * 2**20 else "make room: a full disk refuses every change"),
        Finding(ok=not loose, subject="files",
                text=f"others may read {', '.join(loose)}" if loose else "secrets are readable by their owner alone",
                hint=f"chmod go= {' '.join(loose)}" if loose else None),
        _emergencies(break_glass(r, call.snapshot), r.now),
        _reached(r, call),
        _hosts(r, call),
    ]  # fmt: skip
    call.signers.check()
    held_by = {generation.id: generation.backend for generation in call.snapshot.generations}
    for id, fault in call.signers.faults.items():
        findings.append(
            Finding(ok=False, subject=id, text=f"cannot sign: {fault}", hint=how_to_mend(held_by.get(id, "file")))
        )
    return tuple(findings)


def _emergencies(found: BreakGlass, now: int) -> Finding:
    if found.rings:
        last = found.rings[0]
        hours = (now - last.at) // 3600
        when = f"{hours} h ago" if hours else "within the last hour"
        return Finding(
            ok=False, subject="break-glass", text=f"{told(last)}, {when}",
            hint="ask whether it was to be so; else replace it (docs/login.md)",
        )  # fmt: skip
    if found.keys:
        return Finding(ok=True, subject="break-glass", text="an owner has a key for emergencies, unused lately")
    return Finding(
        ok=not found.lost, subject="break-glass",
        text="none is left of the keys for emergencies" if found.lost else "no owner has a key for emergencies",
        hint="make one: ssh-keygen -t ed25519 -f break-glass; users keys add NAME break-glass.pub --break-glass",
    )  # fmt: skip


def _reached(r: Reader, call: Call) -> Finding:
    """Names that the gate's certificates had and have no more, for as long as those would have lived."""
    addresses = addresses_of(call.snapshot)
    named = hosts_of(addresses)
    query = Query(filter="host/gate/", where={"kind": "host", "state": "valid"}, limit=100)
    own = [one for one in certificates.page(r, query).rows if isinstance(one, Certificate) and one.device_id is None]
    gone = list(dict.fromkeys(host for one in own for host in one.principals if host not in named))
    if not named:
        return Finding(
            ok=not gone, subject="addresses", text="the gate shows its bare host key: no address of it is known",
            hint="say where it is reached: wardgate settings set gate.addresses HOST:PORT",
        )  # fmt: skip
    return Finding(
        ok=not gone, subject="addresses",
        text=f"whoever reaches the gate as {', '.join(gone)} refuses it" if gone
        else f"the gate's certificate names {', '.join(named)}",
        hint=f"add what is still in use: wardgate settings set gate.addresses {','.join([*addresses, *gone])}"
        if gone else None,
    )  # fmt: skip


def _hosts(r: Reader, call: Call) -> Finding:
    told, hint = hosting.without(r, call)
    return Finding(
        ok=told is None, subject="hosts", hint=hint,
        text="every host that had a certificate, or whose agent wants one, has one" if told is None
        else f"no host certificate for {told}",
    )  # fmt: skip


def _loose_files(state: Path) -> list[str]:
    named = (state / name for name in (HOST_KEY, LOGIN_KEY, DATABASE))
    secret = [path for path in (*named, *state.glob("ca/*")) if path.exists()]
    return [str(path) for path in secret if path.suffix != ".pub" and path.stat().st_mode & 0o077]
