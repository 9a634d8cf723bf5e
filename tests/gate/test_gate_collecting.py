"""When the collector of garbage runs in a gate."""

import gc

from gate.collecting import uncollected


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
