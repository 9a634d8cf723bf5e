"""A `Layered` is a dict to all who read it, and stays what it was when others are made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.layered import Layered

KEYS = st.integers(0, 40)
STEPS = st.lists(st.tuples(st.dictionaries(KEYS, st.integers() | st.none(), max_size=4), st.lists(KEYS, max_size=3)))


def read(mapping: Layered[int, int | None]) -> dict[int, int | None]:
    """All that there is, each way of asking held against the others."""
    whole = dict(mapping.items())
    assert list(mapping) == list(mapping.keys()) == list(whole)
    assert list(mapping.values()) == list(whole.values())
    assert len(mapping) == len(whole) == len(mapping.items()) == len(mapping.values())
    for key in range(-1, 42):
        assert (key in mapping) == (key in whole) == (key in mapping.keys())  # noqa: SIM118 - the view is asked
        assert mapping.get(key, "none") == whole.get(key, "none")
    assert all(mapping[key] == value for key, value in whole.items())
    return whole


@given(st.dictionaries(KEYS, st.integers()), STEPS)
def test_it_is_what_a_dict_would_be_after_the_same_steps(
    start: dict[int, int | None], steps: list[tuple[dict[int, int | None], list[int]]]
) -> None:
    mapping, told = Layered(dict(start)), dict(start)
    for put, removed in steps:
        before, was = mapping, dict(told)
        mapping = mapping.after(put, removed)
        for key in removed:
            told.pop(key, None)
        told.update(put)
        assert read(mapping) == told
        assert read(before) == was


def test_it_is_a_dict_still_when_what_differs_was_folded_in() -> None:
    mapping, told = Layered(dict.fromkeys(range(30), 0)), dict.fromkeys(range(30), 0)
    for number in range(1000):
        gone = (number * 7) % 300
        mapping = mapping.after({number % 300: number}, [gone])
        told.pop(gone, None)
        told[number % 300] = number
        assert len(mapping) == len(told)
    assert mapping == told


def test_devices_stand_in_the_order_in_which_they_came() -> None:
    mapping = Layered({"1": "a", "2": "b", "3": "c"})
    for number in range(4, 400):
        mapping = mapping.after({str(number): "new", "2": f"changed {number}"})
    assert list(mapping) == [str(number) for number in range(1, 400)]
    assert mapping["2"] == "changed 399"


def test_what_was_removed_is_not_there_to_be_read() -> None:
    mapping = Layered({"a": 1}).after({}, ["a", "b"])
    with pytest.raises(KeyError, match="a"):
        mapping["a"]
    assert mapping.get("a") is None
    assert not mapping
