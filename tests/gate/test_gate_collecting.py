"""When the collector of garbage runs in a gate."""

import gc

import pytest

from gate.collecting import OLD, OVERDUE, old_are_due, seldom, uncollected


def test_the_collector_runs_again_after_something_was_read_or_failed() -> None:
    try:
        with uncollected():
            assert not gc.isenabled()
            raise ValueError
    except ValueError:
        pass
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_all_objects_are_looked_through_when_little_is_to_do_and_in_the_end_at_any_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = 0
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, passes))
    found = []
    for passes in (0, OLD, OVERDUE):  # noqa: B007 - the lambda reads it
        found.append((old_are_due(quiet=True), old_are_due(quiet=False)))
    assert found == [(False, False), (True, False), (True, True)]


def test_no_pass_over_all_objects_comes_by_itself() -> None:
    before = gc.get_threshold()
    try:
        seldom()
        passes = gc.get_stats()[2]["collections"]
        kept = [[number] for number in range(400_000)]
        assert gc.get_stats()[2]["collections"] == passes
        assert len(kept) == 400_000
    finally:
        gc.set_threshold(*before)
