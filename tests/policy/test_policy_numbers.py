"""Addresses as numbers and durations as Go's, against what is known to be right."""

from __future__ import annotations

import ipaddress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import durations, nets
from policy.bits import bits_of, members

addresses = st.ip_addresses()
spans = st.builds(
    lambda a, b, six: (min(a, b) + six * nets.SIX, max(a, b) + six * nets.SIX),
    st.integers(0, 60), st.integers(0, 60), st.booleans(),
)  # fmt: skip


def points(found):
    return {number for low, high in found for number in range(low, high + 1)}


@given(addresses)
def test_addresses_are_numbers_and_back(address):
    number = nets.address(str(address))
    assert number is not None
    assert nets.show(number) == str(address)
    assert nets.address(address.exploded) == number


@given(st.ip_addresses(v=6).map(lambda address: address.exploded), st.data())
def test_any_spelling_of_an_address_is_that_address(text, data):
    groups = [data.draw(st.sampled_from([group, group.lstrip("0") or "0", group.upper()])) for group in text.split(":")]
    assert nets.address(":".join(groups)) == nets.SIX + int(ipaddress.IPv6Address(text))


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4\n", "::1::", ":", ":::", "1:2:3:4:5:6:7", "::g",
     "12345::", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "1.2.3.4 ", "::1.2.3", "1:2:3:4:5:6:7::8"],
)  # fmt: skip
def test_other_text_is_no_address(text):
    assert nets.address(text) is None


def test_an_ipv4_tail_is_read():
    assert nets.address("::ffff:1.2.3.4") == nets.SIX + int(ipaddress.IPv6Address("::ffff:1.2.3.4"))


@given(addresses, st.integers(0, 128))
def test_prefixes_lose_their_host_bits(address, length):
    length = min(length, address.max_prefixlen)
    net = ipaddress.ip_network(f"{address}/{length}", strict=False)
    found = nets.prefix(f"{address}/{length}")
    assert found is not None
    assert nets.show_span(found) == (str(net) if length < address.max_prefixlen else str(net[0]))


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "::/129", "10.0.0.0/-1", "x/8", "::/1_0"])
def test_other_text_is_no_prefix(text):
    assert nets.prefix(text) is None


@given(st.lists(spans), st.lists(spans), spans)
def test_sets_of_spans_are_sets_of_addresses(some, others, span):
    merged = nets.merge(some)
    assert points(merged) == points(some)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(merged))
    assert points(nets.subtract(some, others)) == points(some) - points(others)
    assert nets.overlaps(merged, span) is bool(points([span]) & points(some))
    assert nets.contains(merged, span) is (points([span]) <= points(some))


@given(st.sets(st.integers(0, 300)))
def test_bits_give_back_their_members(numbers):
    assert members(bits_of(numbers, 301)) == sorted(numbers)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("0", "0s"), ("0s", "0s"), ("-2h", "-2h0m0s"), ("5m", "5m0s"), ("45s", "45s"), ("1.5s", "1.5s"),
     ("200h", "200h0m0s"), ("168h0m1s", "168h0m1s"), ("1h30m", "1h30m0s"), ("300ms", "300ms"), ("1500us", "1.5ms"),
     ("7ns", "7ns"), ("+1m", "1m0s"), (".5h", "30m0s"), ("1m0.25s", "1m0.25s")],
)  # fmt: skip
def test_durations_are_printed_as_go_prints_them(text, shown):
    assert durations.show(durations.nanoseconds(text)) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [("", 'time: invalid duration ""'), ("abc", 'time: invalid duration "abc"'), ("-", 'time: invalid duration "-"'),
     ("1d", 'time: unknown unit "d" in duration "1d"'), ("5", 'time: missing unit in duration "5"'),
     (".s", 'time: invalid duration ".s"'), ("9999999999999h", 'time: invalid duration "9999999999999h"')],
)  # fmt: skip
def test_other_text_is_no_duration_in_go_s_words(text, message):
    with pytest.raises(ValueError, match="time: ") as refused:
        durations.nanoseconds(text)
    assert str(refused.value) == message


@given(st.sets(st.one_of(st.integers(0, 40), st.integers(nets.SIX - 2, nets.SIX + 40))))
def test_runs_of_addresses_are_what_merging_makes_of_them(numbers):
    assert nets.runs(sorted(numbers)) == list(nets.merge((number, number) for number in numbers))
