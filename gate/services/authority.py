"""The CA's keys, generation by generation, and what others need in order to trust them."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec

from gate.operation import Call, reads, writes
from gate.presence import Presence
from gate.services import certificates, own, revocations
from gate.signers import Prepared
from gate.snapshot import Snapshot
from model import change as c
from model.errors import Conflict, Denied
from model.ids import GenerationID
from model.records import CertificateKind, DeviceState, Generation, GenerationState
from model.sshd import TRUST_ATTRIBUTE, drop_in, trust_mark, user_ca_file
from sshca import generations as steps
from sshca import trust as text
from store import Query, Reader, Transaction, generations
from store import certificates as rows


class GenerationView(msgspec.Struct, frozen=True, kw_only=True):
    generation: Generation
    signs: bool
    """Its key is loaded and can sign."""
    fault: str | None
    last_end: int | None
    """When the last certificate of it ends; None where it has none, or none of them is trusted any more."""
    living: int
    """Certificates of it that are valid now: what breaks where it is retired early."""
    hosts: int
    """Approved hosts whose agents keep their sshd's trust; for the host CA, devices with a host certificate."""
    taken: int
    """Of those, how many trust it, as their agents report; for the host CA, whose newest certificate is of it."""


@reads("ca show")
def show(r: Reader, call: Call) -> tuple[GenerationView, ...]:
    if not call.watch.on:  # a gate that serves asks its keys each minute; here nobody has yet
        call.signers.check()
    certified = rows.hosts_by_generation(r)
    return tuple(_view(r, call, generation, certified) for generation in generations.all(r))


def _view(r: Reader, call: Call, generation: Generation, certified: Mapping[GenerationID, int]) -> GenerationView:
    host = generation.kind is CertificateKind.HOST
    told = [
        marks
        for device in call.snapshot.devices.values()  # one that is kept out is told nothing, and lets nobody in
        if device.state is DeviceState.APPROVED and (marks := device.attributes.get(TRUST_ATTRIBUTE))
    ]
    trusting = sum(trust_mark(generation.key.line) in marks.split() for marks in told)
    return GenerationView(
        generation=generation,
        signs=generation.id in call.signers.ready,
        fault=call.signers.faults.get(generation.id),
        last_end=rows.longest_end(r, generation.id) if generation.state is not GenerationState.RETIRED else None,
        living=rows.page(r, Query(where={"generation": generation.id, "state": "valid"}, limit=1)).total,
        hosts=sum(certified.values()) if host else len(told),
        taken=certified.get(generation.id, 0) if host else trusting,
    )


def _next_key(
    r: Reader,
    call: Call,
    *,
    kind: CertificateKind,
    algorithm: str = "ed25519",
    emergency: bool = False,
    backend: str = "file",
) -> Prepared:
    if backend != "file" and call.actor.source != "local":
        raise Denied(
            "where a key is held is said on the gate's own host alone: it may name a library that the gate loads",
            hint="there: wardgate ca rotate … --held-by …",
        )
    if not emergency:
        steps.none_pending(call.snapshot.generations, kind)
    return call.signers.prepare(algorithm, backend)


@writes("ca rotate", first=_next_key)
def rotate(
    tx: Transaction,
    call: Call,
    *,
    kind: CertificateKind,
    algorithm: str = "ed25519",
    emergency: bool = False,
    backend: str = "file",
    prepared: Prepared,
) -> tuple[Generation, ...]:
    """A pending generation: everyone comes to trust it before it signs.

    `emergency` answers a stolen key: a new one signs at once, every other of the kind is trusted no more, and what
    they signed is revoked as well, for hosts that take the KRL sooner than the trust. `algorithm` and `backend` say
    what `prepared` is, a key that no generation had.
    """
    known, key = generations.all(tx), prepared.signer.key
    if emergency:
        made, *replaced = steps.replace_at_once(known, kind, key, backend=backend, now=tx.now)
    else:
        made, replaced = steps.rotate(known, kind, key, backend=backend, now=tx.now), []
    changed = [_put(tx, call, steps.by_id(known, gone.id), gone) for gone in replaced]
    generations.add(tx, kind=kind, key=key, state=made.state, backend=backend)
    for gone in changed:
        revocations.revoke_key(tx, call, gone.key, f"{gone.id} was replaced in an emergency")
    call.signers.keep(made.id, prepared)
    return (_changed(tx, call, None, made), *changed)


@writes("ca promote")
def promote(tx: Transaction, call: Call, *, kind: CertificateKind) -> tuple[Generation, ...]:
    """The pending generation signs from now on; the one before stays trusted until its last certificate is over."""
    known = generations.all(tx)
    before = steps.active(known, kind)
    changed = steps.promote(known, kind, last_end=rows.longest_end(tx, before.id) if before else None, now=tx.now)
    risen = changed[0]
    if risen.id not in call.signers.ready:
        raise Conflict(f"{risen.id} cannot sign: {call.signers.faults.get(risen.id, 'its key is not loaded')}")
    by_id = {one.id: one for one in known}
    # The old one first: no moment of the database has two that sign.
    return tuple(_put(tx, call, by_id[one.id], one) for one in reversed(changed))


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    generation: Generation
    revoked: int
    """Certificates that it ended before their time."""


@writes("ca retire")
def retire(tx: Transaction, call: Call, *, id: str, anyway: bool = False) -> Retired:
    """Nobody trusts it from now on. `anyway` is needed while certificates of it still live: its key is revoked then,
    and they with it."""
    known = generations.all(tx)
    gone = steps.retire(known, GenerationID(id), now=tx.now)
    living = rows.page(tx, Query(where={"generation": id, "state": "valid"}, limit=1)).total
    if living and not anyway:
        raise Conflict(
            f"{living} living certificate{'' if living == 1 else 's'} of {id} would be refused everywhere",
            hint="wait until `wardgate ca show` says that none lives, or say --anyway, which revokes them",
        )
    ended = _put(tx, call, generations.by_id(tx, GenerationID(id)), gone)
    if living:
        revocations.revoke_key(tx, call, ended.key, f"{id} was retired early")
    return Retired(generation=ended, revoked=living)


def _put(tx: Transaction, call: Call, before: Generation, after: Generation) -> Generation:
    generations.put(tx, after)
    if after.state is GenerationState.RETIRED:
        rows.end_generation(tx, after.id)
    return _changed(tx, call, before, after)


def _changed(tx: Transaction, call: Call, before: Generation | None, after: Generation) -> Generation:
    tx.record(c.GenerationChanged(generation=after))
    call.audit(
        tx, after.id,
        before={"state": before.state.value} if before else None,
        after={"state": after.state.value, "key": after.key.fingerprint},
    )  # fmt: skip
    return after


class TrustText(msgspec.Struct, frozen=True, kw_only=True):
    """What others need in order to trust this network, a file or a block each."""

    known_hosts: str
    client_config: str
    user_ca: str
    """For sshd's TrustedUserCAKeys."""
    sshd_config: str
    """The drop-in for sshd_config.d."""


@reads("ca trust")
def trust(r: Reader, call: Call) -> TrustText:
    found = call.snapshot
    ranges = (found.ipv4, found.ipv6)
    return TrustText(
        known_hosts=text.known_hosts(found.trust, found.domain, addresses_of(found), prefixes=ranges),
        client_config=text.client_config(found.domain),
        user_ca=user_ca_file(found.trust),
        sshd_config=drop_in(with_host_certificate=False),
    )


@reads("devices netmap")
def trust_script(r: Reader, call: Call, *, device: str) -> str:
    """The same for the sshd of `device`, as one script for a host without an agent. It names who may log in there."""
    found = call.snapshot
    host = own.device(r, call, device)
    issued = certificates.newest_host(r, host.id)
    return text.host_script(
        found.trust, base64.b64decode(found.krl), domain=found.domain, ranges=(found.ipv4, found.ipv6),
        logins=found.compiled.logins(host.id), host_certificate=issued.line if issued else None,
    )  # fmt: skip


def addresses_of(snapshot: Snapshot) -> tuple[str, ...]:
    """Where the gate is reached, as `init` and the settings say."""
    return tuple(msgspec.convert(snapshot.settings["gate.addresses"], list[str]))


def anything_due(snapshot: Snapshot, presence: Presence, now: int) -> bool:
    return bool(steps.due(snapshot.generations, now))


@writes("agent ca-lapse")
def lapse(tx: Transaction, call: Call) -> None:
    """Retires generations whose last certificate is over. One that was signed while another was being promoted, and
    lives longer than was known then, is waited for."""
    known = generations.all(tx)
    for gone in steps.due(known, tx.now):
        before, last = steps.by_id(known, gone.id), rows.longest_end(tx, gone.id) or 0
        after = msgspec.structs.replace(before, trusted_until=last) if last > tx.now else gone
        _put(tx, call, before, after)
