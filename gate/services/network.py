"""Settings, the audit trail, and the state of the gate itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec

from gate import settings as table
from gate.operation import Call, reads, writes
from model import change as c
from model.errors import NotFound
from model.ids import quoted
from model.records import AuditEntry, DeviceState, Page, UserState
from store import Query, Reader, Transaction, audit, certificates, settings


class SettingView(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: object
    default: object
    about: str


@reads("settings list")
def list_settings(r: Reader, call: Call) -> tuple[SettingView, ...]:
    return tuple(_view(call, key) for key in table.SETTINGS)


@reads("settings show")
def show_setting(r: Reader, call: Call, *, key: str) -> SettingView:
    table.find(key)
    return _view(call, key)


def _view(call: Call, key: str) -> SettingView:
    setting = table.SETTINGS[key]
    value = call.snapshot.settings.get(key, setting.default)
    return SettingView(
        key=key, value="set" if setting.secret and value else value, default=setting.default, about=setting.about
    )


@writes("settings set")
def set_setting(tx: Transaction, call: Call, *, key: str, value: object) -> SettingView:
    checked = table.parse(key, value)
    before = settings.get(tx, key, None)
    settings.put(tx, key, checked)
    tx.record(c.SettingSet(key=key, value=checked))
    hidden = table.find(key).secret
    call.audit(tx, key, before=None if hidden else {"value": before}, after=None if hidden else {"value": checked})
    setting = table.find(key)
    return SettingView(key=key, value="set" if hidden else checked, default=setting.default, about=setting.about)


@reads("audit list")
def list_audit(r: Reader, call: Call, *, query: Query) -> Page:
    return audit.page(r, query)


@reads("audit show")
def show_audit(r: Reader, call: Call, *, number: int) -> AuditEntry:
    found = audit.by_number(r, number)
    if found is None:
        raise NotFound(f"no entry has the number {quoted(str(number))}", hint="`audit list` shows them")
    return found


@reads("audit verify")
def verify_audit(r: Reader, call: Call) -> int | None:
    """The first entry whose hash does not follow from what it says and the one before; None where all do."""
    return audit.verify(r)


class GateStatus(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    version: int
    """Of the snapshot: the number of the last change."""
    devices: dict[str, int]
    online: int
    users: int
    certificates_valid: int
    policy_version: int | None
    policy_fault: str | None
    signs: dict[str, str]
    """By generation: `ready`, or why it cannot sign."""
    krl_entries: int
    disk_free_percent: int
    at: int


@reads("gate status")
def status(r: Reader, call: Call) -> GateStatus:
    found = call.snapshot
    states = dict.fromkeys((state.value for state in DeviceState), 0)
    for device in found.devices.values():
        states[device.state.value] += 1
    disk = shutil.disk_usage(call.state)
    now = int(time.time())
    return GateStatus(
        domain=found.domain, version=found.version, devices=states, online=call.presence.online_count,
        users=sum(user.state is UserState.ACTIVE for user in found.users.values()),
        certificates_valid=certificates.count_valid(r, now),
        policy_version=found.policy.number if found.policy else None, policy_fault=found.policy_fault,
        signs={one: "ready" for one in sorted(call.signers.ready)} | dict(sorted(call.signers.faults.items())),
        krl_entries=len(found.revocations), disk_free_percent=round(100 * disk.free / disk.total), at=now,
    )  # fmt: skip


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    subject: str
    text: str
    hint: str | None = None


@reads("gate doctor")
def doctor(r: Reader, call: Call) -> tuple[Finding, ...]:
    """What is checked about the gate, each with what to do where it is not well."""
    broken = audit.verify(r)
    free = shutil.disk_usage(call.state)
    loose = _loose_files(call.state)
    policy_text = call.snapshot.policy_fault or "the policy in force is the newest"
    findings = [
        Finding(ok=broken is None, subject="audit",
                text="every entry follows from the one before" if broken is None else f"entry {broken} was changed",
                hint=None if broken is None else "compare with a backup from before"),
        Finding(ok=call.snapshot.policy_fault is None, subject="policy", text=policy_text,
                hint="set one that compiles: wardgate policy set FILE" if call.snapshot.policy_fault else None),
        Finding(ok=free.free > 512 * 2**20, subject="disk", text=f"{free.free // 2**20} MiB are free",
                hint=None if free.free > 512 * 2**20 else "make room: a full disk refuses every change"),
        Finding(ok=not loose, subject="files",
                text="secrets are readable by their owner alone" if not loose else f"others may read {', '.join(loose)}",
                hint=f"chmod go= {' '.join(loose)}" if loose else None),
    ]  # fmt: skip
    for id, fault in call.signers.faults.items():
        findings.append(
            Finding(ok=False, subject=id, text=fault, hint="give the passphrase: --ca-passphrase-file, and start again")
        )
    return tuple(findings)


def _loose_files(state: Path) -> list[str]:
    secret = [path for path in (state / "host_key", state / "wardgate.db", *state.glob("ca/*")) if path.exists()]
    return [str(path) for path in secret if path.suffix != ".pub" and path.stat().st_mode & 0o077]
