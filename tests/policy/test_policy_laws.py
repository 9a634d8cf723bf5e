"""Laws that hold for every policy and network: checked on small ones that hypothesis makes up."""

from __future__ import annotations

import itertools
import json

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_builders import told
from policy_made_up import acls, devices, networks, people, policies

from model.ids import DeviceID
from model.netmap import FilterRule
from model.network import Network
from model.records import Device
from policy import Compiled, advance, compile, diff, explain, nets, read
from policy.ports import DEFAULT_PROTOCOLS


@st.composite
def steps(draw: st.DrawFn, network: Network) -> Network:
    """Another network, which differs in a device or two, or in who is who."""
    replace = msgspec.structs.replace
    kind = draw(st.sampled_from(["device", "device", "device", "gone", "users", "standby"]))
    if kind == "users":
        return replace(network, users=tuple(draw(people())))
    if kind == "standby":
        return replace(network, standby=draw(st.frozensets(st.sampled_from(["1", "2", "3", "4"]), max_size=2)))
    number = draw(st.integers(1, 7))
    left = [device for device in network.devices if device.rank != number]
    if kind == "device":
        left.append(draw(devices(number)))
    return replace(network, devices=tuple(sorted(left, key=lambda device: device.rank)))


quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(policies, networks(), st.data())
def test_every_path_of_changes_ends_where_compiling_anew_does(policy, network, data):
    document = read(json.dumps(policy))
    current = compile(document, network)
    everyone = [DeviceID(str(number)) for number in range(1, 8)]
    for _ in range(3):
        network = data.draw(steps(network))
        before = {id: told(current, id) for id in everyone}
        current, affected = advance(current, network)
        anew = compile(document, network)
        for id in everyone:
            now = told(current, id)
            assert now == told(anew, id), (id, network)
            assert [rule.users for rule in current.ssh_rules(id)] == [rule.users for rule in anew.ssh_rules(id)]
            if id not in affected:
                assert now == before[id], (id, network)


@quick
@given(policies, networks())
def test_peers_know_one_another(policy, network):
    current = compile(read(json.dumps(policy)), network)
    for one in network.devices:
        for other in current.peers(one.id):
            assert one.id in current.peers(other)


# --- what is explained and compared agrees with what is enforced


def lets_in(rules: tuple[FilterRule, ...], source: str, place: str, port: int, proto: int) -> bool:
    """A filter as a device enforces it, address by address."""
    one, other = nets.address(source), nets.address(place)
    assert one is not None
    assert other is not None

    def within(text: str, number: int) -> bool:
        if text == "*":
            return True
        span = nets.range_(text) or nets.prefix(text)
        assert span is not None
        return span[0] <= number <= span[1]

    return any(
        proto in (rule.proto or (6, 17, 1, 58))
        and any(within(src, one) for src in rule.src)
        and any(within(dst.net, other) and dst.ports[0] <= port <= dst.ports[1] for dst in rule.dst)
        for rule in rules
    )


def reaches(current: Compiled, one: Device, other: Device, port: int, proto: int) -> bool:
    return any(
        lets_in(current.filter(other.id), source, place, port, proto)
        for source, place in zip(one.addresses, other.addresses, strict=True)
    )


PROTOCOLS = {6: "tcp", 17: "udp"}


@quick
@given(policies, networks(), st.sampled_from([22, 53, 85, 443, 8500]), st.sampled_from([6, 17]))
def test_an_explanation_agrees_with_the_filter(policy, network, port, proto):
    current = compile(read(json.dumps(policy)), network)
    for one in network.devices:
        for other in network.devices:
            if one.id != other.id and {one.id, other.id} <= current.ids(current.world.live):
                said = explain(current, one.name, other.name, port, PROTOCOLS[proto])
                assert said.allowed is reaches(current, one, other, port, proto)


@quick
@given(policies, policies, networks())
def test_a_comparison_lists_exactly_the_pairs_that_change(one_policy, other_policy, network):
    one, other = (compile(read(json.dumps(each)), network) for each in (one_policy, other_policy))
    found = diff(one, other)
    names = {device.name: device for device in network.devices}
    said = {
        gained: {(source, change.destination) for change in changes if not change.nets
                 for source in change.sources if source in names}
        for gained, changes in ((True, found.gained), (False, found.lost))
    }  # fmt: skip
    ports = [22, 85, 89, 443, 53, 8500, 9999]
    real: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for source in network.devices:
        for place in network.devices:
            if source.id == place.id:
                continue
            for was_text, is_text in zip(source.addresses, place.addresses, strict=True):
                for port, proto in itertools.product(ports, DEFAULT_PROTOCOLS):  # a ping may be all that is lost
                    was = lets_in(one.filter(place.id), was_text, is_text, port, proto)
                    now = lets_in(other.filter(place.id), was_text, is_text, port, proto)
                    if was != now and {source.id, place.id} <= one.ids(one.world.live):
                        real[now].add((source.name, place.name))
    assert said == real


@quick
@given(policies, acls, networks())
def test_one_more_acl_takes_nothing_away(policy, entry, network):
    before = compile(read(json.dumps(policy)), network)
    after = compile(read(json.dumps({**policy, "acls": [*policy["acls"], entry]})), network)
    found = diff(before, after)
    assert not found.lost_pairs
    for device in network.devices:
        assert before.peers(device.id).keys() <= after.peers(device.id).keys()
