"""The policy: every version kept, checked and compiled before it holds."""

from __future__ import annotations

import unicodedata

import msgspec

import policy
from gate import reached
from gate.operation import Call, reads, writes
from gate.presence import Presence
from gate.services.checked import Checked, as_it_is_now, checked, network
from gate.snapshot import Snapshot
from model import change as c
from model.errors import Conflict, Invalid, PolicyRefused
from model.ids import DeviceName
from model.records import PolicyVersion
from policy.described import answer as document_of
from store import Reader, Transaction, policies

_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
MIN_CONFIRM, MAX_CONFIRM = 10, 3600
_WAITS = "waits for confirmation"


@reads("policy show")
def show(r: Reader, call: Call, *, number: int | None = None) -> PolicyVersion:
    return _as_it_came(policies.by_number(r, number) if number is not None else policies.current(r), r)


@reads("policy history")
def history(r: Reader, call: Call, *, limit: int = 50) -> tuple[PolicyVersion, ...]:
    return tuple(_as_it_came(version, r) for version in policies.history(r, limit))


def _as_it_came(version: PolicyVersion, r: Reader) -> PolicyVersion:
    """With what came of waiting in its note, which says as it is kept which connection a confirmation must follow."""
    if not version.note.startswith(_WAITS):
        return version
    in_force = version.number == policies.current(r).number
    came = "confirmed" if version.confirm_by is None else _WAITS if in_force else "was not confirmed"
    return msgspec.structs.replace(version, note=came)


@reads("policy check", heavy=True)
def check(r: Reader, call: Call, *, text: str) -> policy.Compiled:
    """Reads, compiles and runs the policy's own tests against this network. Raises `PolicyRefused`."""
    return policy.check(text, network(call), over=call.snapshot.compiled)


@reads("policy explain")
def explain(
    r: Reader, call: Call, *, src: str, dst: str, port: int | None, proto: str | None = None
) -> policy.Explanation:
    """Whether packets from `src` reach `port` of `dst`, by the policy in force."""
    return policy.explain(call.snapshot.compiled, src, dst, port, proto)


@reads("policy explain")
def explain_ssh(r: Reader, call: Call, *, src: str, login: str, host: str) -> policy.SSHExplanation:
    """Whether `src` may log in as `login` on `host`, by the policy in force."""
    return policy.explain_ssh(call.snapshot.compiled, src, login, host)


@reads("policy reach")
def reach(r: Reader, call: Call, *, name: str) -> policy.Reach:
    """What a device or person reaches, and who reaches it."""
    return policy.reach(call.snapshot.compiled, name)


@reads("policy check", heavy=True)
def answer(r: Reader, call: Call, *, text: str) -> dict[str, object]:
    """What a check against this network comes to: what each approved device is told, or the refusal."""
    here = network(call)
    names = {device.id: device.name for device in here.devices}
    return document_of(text, here, names, over=call.snapshot.compiled)


@reads("policy diff", heavy=True)
def diff(r: Reader, call: Call, *, text: str) -> policy.Diff:
    """What setting `text` would change: who gains and who loses which access. Raises `PolicyRefused`."""
    return policy.diff(call.snapshot.compiled, policy.check(text, network(call), over=call.snapshot.compiled))


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A `Diff` in figures."""

    gained_pairs: int
    lost_pairs: int
    gained_logins: int
    lost_logins: int
    devices: tuple[DeviceName, ...]
    """Those that are touched, by name."""

    @property
    def empty(self) -> bool:
        return not (self.gained_pairs or self.lost_pairs or self.gained_logins or self.lost_logins)


def in_figures(found: policy.Diff, snapshot: Snapshot) -> Effect:
    return Effect(
        gained_pairs=found.gained_pairs, lost_pairs=found.lost_pairs,
        gained_logins=found.gained_logins, lost_logins=found.lost_logins,
        devices=tuple(sorted(snapshot.devices[id].name for id in found.devices if id in snapshot.devices)),
    )  # fmt: skip


@reads("policy show", heavy=True)
def effect(r: Reader, call: Call, *, before: Snapshot, number: int) -> Effect | None:
    """What version `number` changed, of what was compiled anyway; None where it is not the one that followed `before`
    or is no more in force."""
    was, now = before.policy, call.snapshot.policy
    if was is None or now is None or (was.number, now.number) != (number - 1, number):
        return None
    return in_figures(policy.diff(before.compiled, call.snapshot.compiled), call.snapshot)


def _based_on(r: Reader, if_version: int | None) -> PolicyVersion:
    """The version in force. Raises `Conflict` where it waits for confirmation, or is not `if_version`."""
    _settled(r)
    was = policies.current(r)
    if if_version is not None and was.number != if_version:
        raise Conflict(
            f"version {was.number} by {was.created_by} came first; yours is based on {if_version}",
            hint="look at it with `policy show`, and merge",
        )
    return was


def _to_set(r: Reader, call: Call, *, text: str, if_version: int | None = None, **_: object) -> Checked:
    _based_on(r, if_version)
    _shown_as_it_is(text)
    return checked(call, text)


@writes("policy set", first=_to_set)
def set_policy(
    tx: Transaction,
    call: Call,
    *,
    text: str,
    if_version: int | None = None,
    confirm_within: int | None = None,
    allow_all: bool = False,
    prepared: Checked,
) -> PolicyVersion:
    """With `confirm_within`, goes back by itself after so many seconds, unless confirmed from a newer connection."""
    was = _based_on(tx, if_version)
    if as_it_is_now(tx, prepared).allows_all and not allow_all:
        raise Invalid(
            "this policy lets everything pass: it has neither acls nor grants",
            hint='say so with --allow-all, or begin with "acls": []',
        )
    if confirm_within is not None and not MIN_CONFIRM <= confirm_within <= MAX_CONFIRM:
        raise Invalid(f"a confirmation is waited for {MIN_CONFIRM} to {MAX_CONFIRM} s, not {confirm_within}")
    deadline = tx.now + confirm_within if confirm_within else None
    note = f"{_WAITS} from a connection after {call.actor.connection}" if deadline else ""
    return _put(tx, call, was, text, note=note, confirm_by=deadline)


@writes("policy confirm")
def confirm(tx: Transaction, call: Call) -> PolicyVersion:
    """Keeps the version that waits. It must come over a connection made after it was set, which proves a way in."""
    waiting = policies.waiting(tx)
    if waiting is None:
        raise Conflict("no policy waits for confirmation")
    anew = reached.ssh(call.snapshot.settings, call.actor.name)
    if not proves_a_way_in(call.actor.connection, waiting):
        raise Conflict(
            "this connection is older than the policy, so it proves nothing",
            hint=f"confirm from a new connection: {anew} policy confirm",
        )
    policies.confirm(tx, waiting.number)
    tx.record(c.PolicyConfirmed(number=waiting.number))
    call.audit(tx, f"version {waiting.number}")
    return _as_it_came(policies.by_number(tx, waiting.number), tx)


def proves_a_way_in(connection: int, waiting: PolicyVersion) -> bool:
    """Whether `connection` was made after `waiting` was set, or is none (0): on the gate's own host."""
    last = waiting.note.rpartition(" ")[2]
    return not connection or connection > (int(last) if last.isdigit() else 0)


def _target(r: Reader, number: int | None) -> tuple[PolicyVersion, PolicyVersion]:
    """The version in force, and the one to go back to."""
    was = policies.current(r)
    target = policies.by_number(r, number if number is not None else was.number - 1)
    if target.number == was.number:
        raise Conflict(f"version {was.number} is the one in force")
    return was, target


def _to_go_back_to(r: Reader, call: Call, *, number: int | None = None) -> Checked:
    return checked(call, _target(r, number)[1].text)


@writes("policy rollback", first=_to_go_back_to)
def rollback(tx: Transaction, call: Call, *, number: int | None = None, prepared: Checked) -> PolicyVersion:
    """Sets the text of an older version anew, as a version of its own; without a number, of the one before."""
    was, target = _target(tx, number)
    if target.text != prepared.text:
        raise Conflict(f"version {was.number} by {was.created_by} came first", hint="look at it with `policy show`")
    as_it_is_now(tx, prepared)
    return revert(tx, call, was, target)


def revert(tx: Transaction, call: Call, was: PolicyVersion, target: PolicyVersion) -> PolicyVersion:
    return _put(tx, call, was, target.text, note=f"back to version {target.number}", confirm_by=None)


def anything_due(snapshot: Snapshot, presence: Presence, now: int) -> bool:
    version = snapshot.policy
    return version is not None and version.confirm_by is not None and version.confirm_by <= now


@writes("agent policy-lapse")
def lapse(tx: Transaction, call: Call) -> PolicyVersion | None:
    """Goes back where a version's time for confirmation is over."""
    waiting = policies.waiting(tx)
    if waiting is None or waiting.confirm_by is None or waiting.confirm_by > tx.now:
        return None
    return revert(tx, call, waiting, policies.by_number(tx, waiting.number - 1))


def _shown_as_it_is(text: str) -> None:
    """Refuses what would make a terminal show something else than what the policy says, in comments too."""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        for char in line:
            if char != "\t" and (unicodedata.category(char) == "Cc" or unicodedata.bidirectional(char) in _DIRECTIONS):
                raise PolicyRefused(
                    f"the policy holds the control character U+{ord(char):04X}",
                    line=number,
                    hint="take it out: it hides what the policy says",
                )


def _settled(r: Reader) -> None:
    waiting = policies.waiting(r)
    if waiting is not None and waiting.confirm_by is not None:
        raise Conflict(
            f"version {waiting.number} waits for confirmation for {max(0, waiting.confirm_by - r.now)} s more",
            hint="keep it with `policy confirm`, or go back with `policy rollback`",
        )


def _put(
    tx: Transaction, call: Call, was: PolicyVersion, text: str, *, note: str, confirm_by: int | None
) -> PolicyVersion:
    version = policies.add(tx, text, call.actor.name, note, confirm_by)
    tx.record(c.PolicySet(policy=version))
    call.audit(
        tx, f"version {version.number}",
        before={"version": was.number}, after={"version": version.number, "note": note, "confirm_by": confirm_by},
    )  # fmt: skip
    return version
