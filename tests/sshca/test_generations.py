"""The life of CA keys, step by step."""

from __future__ import annotations

import pytest
from certificate_builders import HOST, NOW, USER, a_key
from hypothesis import given
from hypothesis import strategies as st

from model.errors import Conflict, NotFound, WardgateError
from model.ids import GenerationID
from model.records import CertificateKind, Generation, GenerationState
from sshca import generations as steps

PENDING, ACTIVE, TRUSTED, RETIRED = GenerationState
LATER = NOW + 3600


def a_network(*more: Generation) -> list[Generation]:
    return [
        steps.found(USER, a_key(), backend="file", now=NOW),
        steps.found(HOST, a_key(), backend="file", now=NOW),
        *more,
    ]


def after(known: list[Generation], *changed: Generation) -> list[Generation]:
    rows = {generation.id: generation for generation in known} | {generation.id: generation for generation in changed}
    return list(rows.values())


def states(known: list[Generation], kind: CertificateKind) -> dict[str, GenerationState]:
    return {generation.id: generation.state for generation in known if generation.kind is kind}


def rotated(known: list[Generation]) -> list[Generation]:
    return after(known, steps.rotate(known, USER, a_key(), backend="file", now=NOW))


def promoted(known: list[Generation], last_end: int | None = LATER) -> list[Generation]:
    return after(known, *steps.promote(known, USER, last_end=last_end, now=NOW))


def test_a_new_network_has_one_active_generation_of_each_kind() -> None:
    assert states(a_network(), USER) == {"user-1": ACTIVE}
    assert states(a_network(), HOST) == {"host-1": ACTIVE}


def test_a_rotated_key_is_trusted_before_it_signs() -> None:
    known = rotated(a_network())
    assert states(known, USER) == {"user-1": ACTIVE, "user-2": PENDING}
    assert steps.active(known, USER).id == "user-1"
    assert len(steps.trust(known).user_ca) == 2
    assert len(steps.trust(known).host_ca) == 1


def test_a_promoted_key_signs_and_the_old_one_stays_trusted() -> None:
    known = promoted(rotated(a_network()))
    assert states(known, USER) == {"user-1": TRUSTED, "user-2": ACTIVE}
    assert steps.by_id(known, "user-1").trusted_until == LATER
    assert steps.trust(known).user_ca[0] == steps.by_id(known, "user-2").key.line
    assert len(steps.trust(known).user_ca) == 2


def test_the_old_key_retires_when_its_last_certificate_is_over() -> None:
    known = promoted(rotated(a_network()))
    assert steps.due(known, LATER - 1) == ()
    (gone,) = steps.due(known, LATER)
    assert (gone.id, gone.state, gone.retired_at) == ("user-1", RETIRED, LATER)
    assert len(steps.trust(after(known, gone)).user_ca) == 1


def test_a_key_that_signed_nothing_may_retire_at_once() -> None:
    known = promoted(rotated(a_network()), last_end=None)
    assert [gone.id for gone in steps.due(known, NOW)] == ["user-1"]


def test_a_trusted_key_can_retire_early() -> None:
    known = promoted(rotated(a_network()))
    assert steps.retire(known, GenerationID("user-1"), now=NOW).state is RETIRED


def test_a_pending_key_can_be_dropped() -> None:
    known = rotated(a_network())
    dropped = steps.retire(known, GenerationID("user-2"), now=NOW)
    assert states(after(known, dropped), USER) == {"user-1": ACTIVE, "user-2": RETIRED}
    assert states(rotated(after(known, dropped)), USER)["user-3"] is PENDING


def test_one_kind_does_not_move_the_other() -> None:
    known = promoted(rotated(a_network()))
    assert states(known, HOST) == {"host-1": ACTIVE}


def test_the_signing_key_cannot_retire() -> None:
    with pytest.raises(Conflict, match="the one that signs"):
        steps.retire(a_network(), GenerationID("user-1"), now=NOW)


def test_a_second_pending_key_is_refused() -> None:
    with pytest.raises(Conflict, match="user-2 is pending already"):
        rotated(rotated(a_network()))


def test_promoting_nothing_is_refused() -> None:
    with pytest.raises(Conflict, match="no user generation is pending"):
        promoted(a_network())


def test_a_key_that_has_been_a_ca_is_no_new_one() -> None:
    known = a_network()
    with pytest.raises(Conflict, match="that of generation host-1"):
        steps.rotate(known, USER, known[1].key, backend="file", now=NOW)


def test_a_generation_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound, match="user-9"):
        steps.retire(a_network(), GenerationID("user-9"), now=NOW)


def test_retiring_twice_is_refused() -> None:
    known = rotated(a_network())
    known = after(known, steps.retire(known, GenerationID("user-2"), now=NOW))
    with pytest.raises(Conflict, match="retired already"):
        steps.retire(known, GenerationID("user-2"), now=NOW)


def test_a_stolen_key_is_replaced_at_once() -> None:
    known = rotated(promoted(rotated(a_network())))
    known = after(known, *steps.replace_at_once(known, USER, a_key(), backend="file", now=NOW))
    assert states(known, USER) == {"user-1": RETIRED, "user-2": RETIRED, "user-3": RETIRED, "user-4": ACTIVE}
    assert states(known, HOST) == {"host-1": ACTIVE}
    assert steps.trust(known).user_ca == (steps.by_id(known, "user-4").key.line,)


STEPS = {
    "rotate": lambda known, now: [steps.rotate(known, USER, a_key(), backend="file", now=now)],
    "promote": lambda known, now: steps.promote(known, USER, last_end=now + 5, now=now),
    "retire": lambda known, now: [steps.retire(known, known[now % len(known)].id, now=now)],
    "due": steps.due,
    "stolen": lambda known, now: steps.replace_at_once(known, HOST, a_key(), backend="file", now=now),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=25))
def test_whatever_is_done_one_key_of_each_kind_signs_and_is_trusted(taken: list[str]) -> None:
    known = a_network()
    for now, step in enumerate(taken, NOW):
        before = {generation.id: generation.state for generation in known}
        try:
            known = after(known, *STEPS[step](known, now))
        except WardgateError:
            continue
        assert all(
            before[id] is not RETIRED or generation.state is RETIRED
            for generation in known
            if (id := generation.id) in before
        )
        for kind, trusted in ((USER, steps.trust(known).user_ca), (HOST, steps.trust(known).host_ca)):
            signing = [generation for generation in known if generation.kind is kind and generation.state is ACTIVE]
            waiting = [generation for generation in known if generation.kind is kind and generation.state is PENDING]
            assert len(signing) == 1
            assert len(waiting) <= 1
            assert trusted[0] == signing[0].key.line
