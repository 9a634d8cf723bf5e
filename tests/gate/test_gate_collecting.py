"""When the collector of garbage runs in a gate."""

import gc

import pytest

from gate.collecting import ALL, MIDDLE, OLD, OVERDUE, SURVIVORS, due, seldom, uncollected


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


@pytest.mark.parametrize(
    ("passes", "quiet", "busy"),
    [
        pytest.param((0, 0, 0), None, None, id="nothing-to-look-through"),
        pytest.param((0, MIDDLE, 0), SURVIVORS, None, id="survivors-in-a-quiet-moment"),
        pytest.param((0, 0, OLD), ALL, None, id="all-in-a-quiet-moment"),
        pytest.param((0, OVERDUE, 0), ALL, ALL, id="all-at-any-time-in-the-end"),
    ],
)
def test_old_objects_are_looked_through_when_little_is_to_do_and_in_the_end_at_any_time(
    monkeypatch: pytest.MonkeyPatch, passes: tuple[int, int, int], quiet: int | None, busy: int | None
) -> None:
    monkeypatch.setattr(gc, "get_count", lambda: passes)
    assert (due(quiet=True), due(quiet=False)) == (quiet, busy)


def test_no_pass_over_old_objects_comes_by_itself() -> None:
    before = gc.get_threshold()
    try:
        seldom()
        passes = [each["collections"] for each in gc.get_stats()[1:]]
        kept = [[number] for number in range(400_000)]
        assert [each["collections"] for each in gc.get_stats()[1:]] == passes
        assert len(kept) == 400_000
    finally:
        gc.set_threshold(*before)
