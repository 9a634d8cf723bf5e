"""Counts of strangers: laws of the counting, without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.doors.limits import Admission, Limits
from gate.doors.lines import Splitter
from gate.login.rates import Bucket, origin
from model.errors import Invalid


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="ipv4-counts-alone"),
        pytest.param("2001:db8::7", "2001:db8::/64", id="ipv6-counts-by-its-64"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="scope-is-passed-over"),
    ],
)
def test_an_address_counts_as(address: str, counted_as: str) -> None:
    assert origin(address) == counted_as


def test_strangers_of_one_address_are_limited_and_others_are_not() -> None:
    admission = Admission(Limits(strangers_per_address=2))
    assert admission.enter("192.0.2.1") is None
    assert admission.enter("192.0.2.1") is None
    assert "your address" in (admission.enter("192.0.2.1") or "")
    assert admission.enter("192.0.2.2") is None


def test_who_logged_in_is_no_stranger() -> None:
    admission = Admission(Limits(strangers_per_address=1))
    assert admission.enter("192.0.2.1") is None
    admission.known("192.0.2.1")
    assert admission.enter("192.0.2.1") is None


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), st.booleans())))
def test_all_that_came_in_and_left_leaves_nothing_counted(visits: list[tuple[str, bool]]) -> None:
    admission = Admission(Limits(strangers_per_address=3, connections=5))
    inside = []
    for address, logs_in in visits:
        if admission.enter(address) is None:
            if logs_in:
                admission.known(address)
            inside.append((address, logs_in))
        assert admission.connections <= 5
    for address, logged_in in inside:
        admission.leave(address, known=logged_in)
    assert (admission.connections, admission.strangers, dict(admission._strangers)) == (0, 0, {})


@given(st.lists(st.floats(0, 10), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate_and_burst(pauses: list[float]) -> None:
    bucket, now, given_out = Bucket(rate=2, burst=5), 0.0, 0
    for pause in pauses:
        now += pause
        given_out += bucket.take(now)
        assert given_out <= 5 + 2 * now + 1e-6


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line and line.strip())), st.integers(1, 7))
def test_lines_come_out_as_they_went_in_however_they_are_cut(lines: list[bytes], size: int) -> None:
    splitter, data = Splitter(), b"".join(line + b"\n" for line in lines)
    out = [line for at in range(0, len(data), size) for line in splitter.feed(data[at : at + size])]
    assert out == lines


def test_an_endless_line_is_refused_before_it_ends() -> None:
    splitter = Splitter(limit=10)
    splitter.feed(b"x" * 10)
    with pytest.raises(Invalid, match="at most 10 bytes"):
        splitter.feed(b"x")
