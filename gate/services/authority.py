"""The CA's keys, generation by generation, and what others need in order to trust them."""

from __future__ import annotations

import msgspec

from gate.operation import Call, reads, writes
from model import change as c
from model.errors import Conflict, NotFound
from model.ids import GenerationID, quoted
from model.records import CertificateKind, Generation, GenerationState
from store import Reader, Transaction, certificates, generations


class GenerationView(msgspec.Struct, frozen=True, kw_only=True):
    generation: Generation
    signs: bool
    """Its key is loaded and can sign."""
    fault: str | None
    last_end: int | None
    """When the last certificate of it ends; None where it has none."""


@reads("ca show")
def show(r: Reader, call: Call) -> tuple[GenerationView, ...]:
    return tuple(
        GenerationView(
            generation=generation,
            signs=generation.id in call.signers.ready,
            fault=call.signers.faults.get(generation.id),
            last_end=certificates.longest_end(r, generation.id),
        )
        for generation in generations.all(r)
    )


@reads("ca trust")
def trust(r: Reader, call: Call) -> tuple[Generation, ...]:
    """The generations that are to be trusted now."""
    return tuple(one for one in generations.all(r) if one.state is not GenerationState.RETIRED)


@writes("ca rotate")
def rotate(tx: Transaction, call: Call, *, kind: CertificateKind, algorithm: str = "ed25519") -> Generation:
    """A pending generation: everyone comes to trust it before it signs."""
    known = [one for one in generations.all(tx) if one.kind is kind]
    if any(one.state is GenerationState.PENDING for one in known):
        raise Conflict(f"a {kind} CA key is pending already", hint=f"wardgate ca promote {kind}")
    id = GenerationID(f"{kind.value}-{len(known) + 1}")
    signer = call.signers.make(id, algorithm)
    made = Generation(id=id, kind=kind, key=signer.key, state=GenerationState.PENDING, created_at=tx.now)
    generations.add(tx, made)
    return _changed(tx, call, None, made)


@writes("ca promote")
def promote(tx: Transaction, call: Call, *, kind: CertificateKind) -> tuple[Generation, ...]:
    """The pending generation signs from now on; the one before stays trusted until its last certificate is over."""
    known = [one for one in generations.all(tx) if one.kind is kind]
    pending = next((one for one in known if one.state is GenerationState.PENDING), None)
    if pending is None:
        raise NotFound(f"no {kind} CA key is pending", hint=f"make one first: wardgate ca rotate {kind}")
    if pending.id not in call.signers.ready:
        raise Conflict(f"{pending.id} cannot sign: {call.signers.faults.get(pending.id, 'its key is not loaded')}")
    out = []
    for one in known:
        if one.state is GenerationState.ACTIVE:
            old = msgspec.structs.replace(
                one,
                state=GenerationState.TRUSTED,
                trusted_until=certificates.longest_end(tx, one.id) or tx.now,
            )
            generations.put(tx, old)
            out.append(_changed(tx, call, one, old))
    active = msgspec.structs.replace(pending, state=GenerationState.ACTIVE, activated_at=tx.now)
    generations.put(tx, active)
    out.append(_changed(tx, call, pending, active))
    return tuple(out)


@writes("ca retire")
def retire(tx: Transaction, call: Call, *, id: str, anyway: bool = False) -> Generation:
    """Nobody trusts it from now on. `anyway` is needed while certificates of it still live."""
    known = {one.id: one for one in generations.all(tx)}
    one = known.get(GenerationID(id))
    if one is None:
        raise NotFound(f"no generation is called {quoted(id)}", hint="`wardgate ca show` lists them")
    if one.state is GenerationState.ACTIVE:
        raise Conflict(f"{id} is the one that signs", hint=f"promote another first: wardgate ca rotate {one.kind}")
    if one.state is GenerationState.RETIRED:
        raise Conflict(f"{id} is retired already")
    living = certificates.living(tx, one.id, tx.now)
    if living and not anyway:
        raise Conflict(
            f"{living} certificates of {id} still live and would be refused everywhere",
            hint="wait until they are over, or say --anyway",
        )
    gone = msgspec.structs.replace(one, state=GenerationState.RETIRED, retired_at=tx.now)
    generations.put(tx, gone)
    return _changed(tx, call, one, gone)


def _changed(tx: Transaction, call: Call, before: Generation | None, after: Generation) -> Generation:
    tx.record(c.GenerationChanged(generation=after))
    call.audit(
        tx, after.id,
        before={"state": before.state.value} if before else None,
        after={"state": after.state.value, "key": after.key.fingerprint},
    )  # fmt: skip
    return after

