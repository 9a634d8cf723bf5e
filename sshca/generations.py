"""The life of CA keys, as a function of what is there: each step gives the generations that it changed or made.

    rotate       promote            (its last certificate ends)
    ──────▶ pending ──────▶ active ──────▶ trusted ──────▶ retired
               │            (the next is promoted)            ▲
               └──────────────────────────────────────────────┘  retire: abandoned, or early

User and host CA are apart: each kind has at most one active and one pending generation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from model.errors import Conflict, NotFound
from model.ids import GenerationID, quoted
from model.keys import SSHKey
from model.netmap import Trust
from model.records import CertificateKind, Generation, GenerationState


def found(kind: CertificateKind, key: SSHKey, *, backend: str, now: int) -> Generation:
    """The first generation of a new network, active from the start."""
    return Generation(
        id=GenerationID(f"{kind}-1"), kind=kind, key=key, state=GenerationState.ACTIVE, backend=backend,
        created_at=now, activated_at=now,
    )  # fmt: skip


def rotate(
    generations: Collection[Generation], kind: CertificateKind, key: SSHKey, *, backend: str, now: int
) -> Generation:
    """A new pending generation, to be trusted everywhere before it signs."""
    none_pending(generations, kind)
    return _made(generations, kind, key, backend=backend, now=now)


def none_pending(generations: Iterable[Generation], kind: CertificateKind) -> None:
    """Raises `Conflict` where a rotation is under way."""
    waiting = _one(generations, kind, GenerationState.PENDING)
    if waiting is not None:
        raise Conflict(
            f"generation {waiting.id} is pending already",
            hint=f"promote it with `ca promote {kind}`, or drop it with `ca retire {waiting.id}`",
        )


def promote(
    generations: Collection[Generation], kind: CertificateKind, *, last_end: int | None, now: int
) -> tuple[Generation, ...]:
    """The pending generation signs from now on; the active one is trusted until `last_end`.

    `last_end` is when the last certificate of the active generation ends; None where it signed none.
    """
    waiting = _one(generations, kind, GenerationState.PENDING)
    if waiting is None:
        raise Conflict(f"no {kind} generation is pending", hint=f"make one with `ca rotate {kind}`")
    risen = replace(waiting, state=GenerationState.ACTIVE, activated_at=now)
    before = active(generations, kind)
    if before is None:
        return (risen,)
    until = max(now, last_end or 0)
    return risen, replace(before, state=GenerationState.TRUSTED, trusted_until=until)


def retire(generations: Collection[Generation], id: GenerationID, *, now: int) -> Generation:
    """Nobody trusts it any more. Early where `now` is before `trusted_until`: what it signed stops serving at once."""
    generation = by_id(generations, id)
    if generation.state is GenerationState.RETIRED:
        raise Conflict(f"generation {id} is retired already")
    if generation.state is GenerationState.ACTIVE:
        raise Conflict(
            f"generation {id} is the one that signs",
            hint=f"first `ca rotate {generation.kind}` and `ca promote {generation.kind}`",
        )
    return replace(generation, state=GenerationState.RETIRED, retired_at=now)


def replace_at_once(
    generations: Collection[Generation], kind: CertificateKind, key: SSHKey, *, backend: str, now: int
) -> tuple[Generation, ...]:
    """What a stolen key asks for: a new generation signs at once, and no other of its kind is trusted.

    The caller revokes the old keys as well, for hosts that take a KRL sooner than a new trust.
    """
    made = replace(
        _made(generations, kind, key, backend=backend, now=now), state=GenerationState.ACTIVE, activated_at=now
    )
    others = [g for g in generations if g.kind is kind and g.state is not GenerationState.RETIRED]
    return made, *(replace(other, state=GenerationState.RETIRED, retired_at=now) for other in others)


def due(generations: Iterable[Generation], now: int) -> tuple[Generation, ...]:
    """Those whose last certificate is over, retired."""
    return tuple(
        replace(generation, state=GenerationState.RETIRED, retired_at=now)
        for generation in generations
        if generation.state is GenerationState.TRUSTED
        and generation.trusted_until is not None
        and generation.trusted_until <= now
    )


def trust(generations: Iterable[Generation]) -> Trust:
    """The keys that hosts and clients trust, the signing one first: all but the retired."""
    trusted = [g for g in generations if g.state is not GenerationState.RETIRED]
    trusted.sort(key=lambda g: (g.state is not GenerationState.ACTIVE, _number(g.id)))
    return Trust(
        user_ca=tuple(g.key.line for g in trusted if g.kind is CertificateKind.USER),
        host_ca=tuple(g.key.line for g in trusted if g.kind is CertificateKind.HOST),
    )


def active(generations: Iterable[Generation], kind: CertificateKind) -> Generation | None:
    return _one(generations, kind, GenerationState.ACTIVE)


def by_id(generations: Iterable[Generation], id: str) -> Generation:
    for generation in generations:
        if generation.id == id:
            return generation
    raise NotFound(f"there is no generation {quoted(id)}", hint="`ca show` lists them")


def _number(id: GenerationID) -> int:
    return int(id.rpartition("-")[2])


def _made(
    generations: Collection[Generation], kind: CertificateKind, key: SSHKey, *, backend: str, now: int
) -> Generation:
    for generation in generations:
        if generation.key == key:
            raise Conflict(f"the key is that of generation {generation.id}", hint="a rotation needs a new key")
    last = max((_number(g.id) for g in generations if g.kind is kind), default=0)
    return Generation(
        id=GenerationID(f"{kind}-{last + 1}"), kind=kind, key=key, state=GenerationState.PENDING, backend=backend,
        created_at=now,
    )  # fmt: skip


def _one(generations: Iterable[Generation], kind: CertificateKind, state: GenerationState) -> Generation | None:
    return next((g for g in generations if g.kind is kind and g.state is state), None)
