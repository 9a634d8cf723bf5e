"""The compiler says what a slow reading of the language says: filters, peers, routes, logins."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from policy_made_up import networks, policies
from policy_reference import EVERYTHING, Reference, piece

from model.netmap import FilterRule
from policy import compile, read

PORTS = (22, 53, 79, 80, 90, 91, 443, 8000, 9001)
PROTOCOLS = (6, 17, 1, 58, 47)
settled = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Verdicts = dict[tuple[tuple[int, int], int, int], frozenset[tuple[int, int]]]
"""Who passes, by destination, port and protocol."""


def spans(text):
    return EVERYTHING if text == "*" else [piece(text)]


def places(network):
    """Addresses at which some rule or route may begin, end or hold."""
    edges = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "8.8.0.0/16", "8.8.8.0/24", "8.8.8.8",
             "100.64.0.0/29", "100.64.0.0/30", "fd00:1::/64", "100.115.92.1", "192.168.1.1", "2001:db8::1"]  # fmt: skip
    ends = [(six, end) for six, low, high in map(piece, edges) for end in (low, high)]
    own = [(six, low) for device in network.devices for six, low, _ in map(piece, device.addresses)]
    return sorted({*ends, *own})


def verdicts(rules, points):
    """`rules` as (sources, [(destination, ports)], protocols), as a function of points, ports and protocols."""

    def held(pieces):
        return frozenset(
            each for each in points for six, low, high in pieces if six == each[0] and low <= each[1] <= high
        )

    out = {}
    for src, dst, protos in rules:
        sources = held(src)
        for span, (first, last) in dst:
            for place in held([span]):
                for port in PORTS:
                    for proto in protos:
                        if first <= port <= last and proto in PROTOCOLS:
                            key = (place, port, proto)
                            out[key] = out.get(key, frozenset()) | sources
    return {key: who for key, who in out.items() if who}


def compiled_rules(rules: tuple[FilterRule, ...]):
    for rule in rules:
        dst = [(span, each.ports) for each in rule.dst for span in spans(each.net)]
        yield [span for text in rule.src for span in spans(text)], dst, rule.proto or (6, 17, 1, 58)


@settled
@given(policies, networks())
def test_filters_let_pass_what_the_language_says(policy, network):
    found, reference, points = compile(read(json.dumps(policy)), network), Reference(policy, network), places(network)
    for device in reference.devices:
        said = [(rule.src, rule.dst, rule.protos) for rule in reference.filter(device) if rule.packets]
        assert verdicts(compiled_rules(found.filter(device.id)), points) == verdicts(said, points), device.id


@settled
@given(policies, networks())
def test_peers_and_their_routes_are_those_that_the_language_says(policy, network):
    found, reference = compile(read(json.dumps(policy)), network), Reference(policy, network)
    for device in reference.devices:
        told = {peer: set(prefixes) for peer, prefixes in found.peers(device.id).items()}
        assert told == reference.peers(device), device.id


@settled
@given(policies, networks())
def test_hosts_get_the_logins_that_the_language_says(policy, network):
    found, reference = compile(read(json.dumps(policy)), network), Reference(policy, network)
    for device in reference.devices:
        told = [(rule.action, rule.check_period_s, frozenset(rule.src), dict(rule.users))
                for rule in found.ssh_rules(device.id)]  # fmt: skip
        assert told == reference.ssh(device), device.id
