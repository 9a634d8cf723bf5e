"""The NetMap's filter as nftables reads it, held against nft itself where there is one."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import re
import socket
import subprocess
import threading

import msgspec
import pytest
from agent_world import Host, world
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.nft import Shield, merged, ruleset, spans
from model.ids import Address, Prefix
from model.netmap import FilterDestination, FilterRule

SHIELD = Shield(
    table="wardgate",
    interface="wg-ward0",
    addresses=(Address("100.64.0.1"), Address("fd7a:115c:a1e0::1")),
    network=(Prefix("100.64.0.0/10"), Prefix("fd7a:115c:a1e0::/48")),
)


def a_rule(
    *src: str, to: str = "100.64.0.1", ports: tuple[int, int] = (22, 22), proto: tuple[int, ...] = ()
) -> FilterRule:
    return FilterRule(src, (FilterDestination(to, ports),), proto)


def accepts(*rules: FilterRule) -> list[str]:
    """The lines of the chain `inbound` that let something in by a rule."""
    lines = [line.strip() for line in ruleset(rules, SHIELD).splitlines()]
    inbound = list(itertools.takewhile(lambda line: line != "}", lines[lines.index("chain inbound {") + 1 :]))
    assert inbound[-1] == "drop"
    return inbound[2:-1]


def test_a_rule_names_its_ports_for_tcp_and_udp_and_lets_icmp_in() -> None:
    assert accepts(a_rule("100.64.0.2")) == [
        "meta nfproto ipv4 ip saddr @src0 ip daddr { 100.64.0.1 } meta l4proto { 1, 58 } accept",
        "meta nfproto ipv4 ip saddr @src0 ip daddr { 100.64.0.1 } meta l4proto { 6, 17 } th dport { 22 } accept",
    ]


def test_a_rule_for_tcp_alone_lets_no_icmp_in() -> None:
    assert all("{ 6 }" in line for line in accepts(a_rule("100.64.0.2", proto=(6,))))


def test_a_wide_range_is_compared_with_and_a_narrow_one_is_listed() -> None:
    text = ruleset([a_rule("10.0.0.0/8", "100.64.0.2-100.64.0.4", ports=(8000, 9000), proto=(6,))], SHIELD)
    assert "elements = { 100.64.0.2, 100.64.0.3, 100.64.0.4 }; }" in text
    assert "ip saddr 10.0.0.0-10.255.255.255 ip daddr { 100.64.0.1 } meta l4proto { 6 } th dport 8000-9000" in text


@given(st.lists(st.deferred(lambda: RULES), max_size=6))
def test_no_set_holds_a_range(rules: list[FilterRule]) -> None:
    text = ruleset(rules, SHIELD)
    assert "interval" not in text
    assert not re.search(r"\{[^{}\n]*-[^{}\n]*\}", text)


def test_a_protocol_without_ports_needs_a_rule_for_all_ports() -> None:
    assert accepts(a_rule("100.64.0.2", proto=(47,))) == []
    assert accepts(a_rule("100.64.0.2", proto=(47,), ports=(0, 65535))) == [
        "meta nfproto ipv4 ip saddr @src0 ip daddr { 100.64.0.1 } meta l4proto { 47 } accept"
    ]


def test_a_source_of_one_ip_version_says_nothing_of_the_other() -> None:
    assert accepts(a_rule("100.64.0.2", to="fd7a:115c:a1e0::1")) == []


def test_a_star_stands_for_both_ip_versions() -> None:
    lines = accepts(a_rule("*", to="*", ports=(0, 65535), proto=(6,)))
    assert lines == [
        "meta nfproto ipv4 meta l4proto { 6 } accept",
        "meta nfproto ipv6 meta l4proto { 6 } accept",
    ]


def test_no_rules_let_nothing_in() -> None:
    assert accepts() == []


@pytest.mark.parametrize("text", ["", "x", "100.64.0.2; accept", "1.2.3.4-", "2.0.0.0-1.0.0.0", "1.2.3.4-::1", "{}"])
def test_what_is_no_address_never_gets_into_a_ruleset(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ruleset([a_rule(text)], SHIELD)


ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda p: str(ipaddress.ip_network(p, strict=False))),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(lambda p: str(ipaddress.ip_network(p, strict=False))),
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)).map(lambda p: f"{min(p)}-{max(p)}"),
    st.just("*"),
)
PORTS = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda p: (min(p), max(p)))
RULES = st.builds(
    FilterRule,
    st.lists(ADDRESSES, min_size=1, max_size=6).map(tuple),
    st.lists(st.builds(FilterDestination, ADDRESSES, PORTS), min_size=1, max_size=4).map(tuple),
    st.lists(st.sampled_from([1, 6, 17, 47, 58, 132]), max_size=3, unique=True).map(tuple),
)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)).map(lambda p: (p[0], p[0] + p[1])), max_size=12))
def test_merging_keeps_every_number_and_leaves_no_neighbours(pieces: list[tuple[int, int]]) -> None:
    out = merged(pieces)
    assert {n for low, high in out for n in range(low, high + 1)} == {
        n for low, high in pieces for n in range(low, high + 1)
    }
    assert all(after[0] > before[1] + 1 for before, after in itertools.pairwise(out))


@given(ADDRESSES)
def test_spans_hold_each_address_once(text: str) -> None:
    pieces = spans(text, 4) + spans(text, 6)
    assert all(low <= high for low, high in pieces)
    assert len(pieces) == (2 if text == "*" else 1)


@pytest.mark.root
@pytest.mark.needs("nft")
@settings(max_examples=40, deadline=None)
@given(rules=st.lists(RULES, max_size=8))
def test_nft_takes_every_ruleset(rules: list[FilterRule]) -> None:
    done = subprocess.run(
        ["nft", "--check", "-f", "-"], input=ruleset(rules, SHIELD), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_route_of_its_own_hides_the_network_behind_this_address_and_nothing_else() -> None:
    text = ruleset([], msgspec.structs.replace(SHIELD, routes=(Prefix("10.77.0.0/24"),)))
    assert 'oifname != "wg-ward0" ip saddr 100.64.0.0/10 masquerade' in text
    assert "masquerade" not in ruleset([], SHIELD)


@pytest.mark.root
@pytest.mark.needs("nft", "ip")
def test_no_packet_is_lost_while_one_ruleset_replaces_another() -> None:
    with world() as made:
        a, b = made.host("a"), made.host("b")
        seen = msgspec.structs.replace(
            SHIELD, interface="eth0", addresses=(Address(b.address),), network=(Prefix("192.0.2.0/24"),)
        )
        lets = [
            a_rule(a.address, "10.0.0.0/8", to=b.address, ports=ports) for ports in ((22, 23), (80, 90), (9000, 9100))
        ]
        texts = [ruleset([*lets, a_rule("192.0.2.99", to=b.address, ports=(n, n))], seen) for n in (1000, 1001)]
        server, client = b.listener(socket.SOCK_DGRAM, 9001), a.listener(socket.SOCK_DGRAM, 0)
        client.connect((b.address, 9001))
        load(b, texts[0])
        over, arrived = threading.Event(), set[int]()

        def replace() -> None:
            for number in range(300):
                load(b, texts[number % 2])
            over.set()

        replacing = threading.Thread(target=replace)
        replacing.start()
        server.settimeout(1)
        sent = 0
        while not over.is_set():
            client.send(b"%d" % sent)
            sent += 1
            with contextlib.suppress(TimeoutError):
                arrived.add(int(server.recv(20)))
        replacing.join()
        assert sorted(set(range(sent)) - arrived) == []


def load(host: Host, text: str) -> None:
    words = ["ip", "netns", "exec", host.namespace, "nft", "-f", "-"]
    subprocess.run(words, input=text, text=True, check=True, capture_output=True)
