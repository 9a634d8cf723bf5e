"""The gate itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from console.commandline import shapes
from console.commandline.command import OutFileParameter, argument, option, verb
from console.commandline.render import Column, ago, facts, plural, span
from console.commandline.run import Run
from gate import backups
from gate.services import health as service
from gate.services import samples
from gate.services.emergencies import told
from model.errors import Invalid


@verb("status", "show how the gate is", operation="gate status", examples=("gate status",))
async def status(run: Run) -> None:
    found = await run.perform(service.status)
    up = int(time.time() - run.gate.started_at) if found.served else 0
    serves = span(up) or "now" if found.served else "no: it is not being served; start it with: wardgate serve"
    run.result(
        {**shapes.builtins(found), "up_s": up},
        facts([
            ("network", found.domain), ("up", serves), ("change", str(found.version)),
            ("devices", f"{sum(found.devices.values())}, {found.online} online"
                        + "".join(f", {n} {state}" for state, n in found.devices.items() if n)),
            ("users", str(found.users)), ("certificates", f"{found.certificates_valid} valid"),
            ("policy", found.policy_fault or f"version {found.policy_version}"),
            *((id, state) for id, state in found.signs.items()),
            ("loop", _loop(found)),
            ("KRL", plural(found.krl_entries, "entry", "entries")), ("disk", f"{found.disk_free_percent} % free"),
            ("break-glass", "; ".join(f"{told(entry)}, {ago(entry.at)}" for entry in found.break_glass.rings)
                            or ("none is left" if found.break_glass.lost else f"{len(found.break_glass.keys)} sealed")),
        ]),
    )  # fmt: skip


def _loop(found: service.GateStatus) -> str:
    """What kept those waiting who were served in the last minute."""
    if not found.served:
        return "not running"
    if not found.long_steps:
        return "no step over 5 ms in the last minute"
    return (
        f"{plural(found.long_steps, 'step')} over 5 ms in the last minute, {found.long_steps_cpu} of CPU; the longest "
        f"{found.longest_step_ms:g} ms ({found.longest_step_cpu_ms:g} of CPU): {found.longest_step}"
    )


@verb("doctor", "check the gate, and say what to do", operation="gate doctor", examples=("gate doctor",))
async def doctor(run: Run) -> None:
    found = await run.perform(service.doctor)
    run.rows(
        [Column(""), Column("WHAT"), Column("HOW IT IS", flexible=True), Column("WHAT TO DO", flexible=True)],
        [["✓" if one.ok else "×", one.subject, one.text, one.hint or ""] for one in found],
        [shapes.builtins(one) for one in found],
    )


@verb("metrics", "print figures in the Prometheus text form", operation="gate metrics", examples=("gate metrics",))
async def metrics(run: Run) -> None:
    found = await run.perform(service.metrics)
    lines = [f"wardgate_{name} {value}" for name, value in found.items()]
    run.result(found, "\n".join(lines))


BACKUP = OutFileParameter("it holds the CA keys, so keep it safe")


@verb(
    "backup", "write the network to FILE while it runs: its database, its CA keys and its host key",
    argument("file", type=BACKUP, metavar="FILE"),
    operation="gate backup",
    examples=("gate backup /var/backups/wardgate.tar", "gate backup - > wardgate.tar"),
)  # fmt: skip
async def backup(run: Run, file: str) -> None:
    with await service.backup(run.gate, run.actor) as archive:
        size = await run.deliver(file, archive)
    if file != "-":
        run.result({"file": file, "bytes": size}, BACKUP.written(file, size))


@verb(
    "restore", "make a state from a backup, where none is", argument("file", metavar="FILE"), local=True,
    examples=("gate restore /var/backups/wardgate.tar --state /var/lib/wardgate",),
)  # fmt: skip
async def restore(state: Path, file: str) -> str:
    number = await asyncio.to_thread(backups.restore, Path(file), state)
    return f"restored {state} as of change {number}\nnext: wardgate serve --state {state}"


@verb(
    "sample-data",
    "fill an empty network with people and devices to look around in, or take them out again",
    option("--remove", help="Take out what of it nobody changed since.", is_flag=True),
    option("--changed", help="With --remove: take out what was changed, too.", is_flag=True),
    operation="gate sample-data",
    examples=("gate sample-data", "gate sample-data --remove"),
)
async def sample_data(run: Run, remove: bool, changed: bool) -> None:
    if not remove:
        if changed:
            raise Invalid("--changed goes with --remove", hint="wardgate gate sample-data --remove --changed")
        made = await run.perform(samples.fill)
        document = {"users": made.users, "devices": made.devices}
        run.result(document, f"made {made.users} people and {made.devices} devices")
        return
    gone = await run.perform(samples.empty, changed=changed)
    said = f"removed {gone.users} people and {gone.devices} devices"
    if gone.kept:
        said += f"; kept what was changed since: {', '.join(gone.kept)}"
    run.result({"users": gone.users, "devices": gone.devices, "kept": gone.kept}, said)


VERBS = (status, doctor, metrics, backup, restore, sample_data)
