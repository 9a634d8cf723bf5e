"""Laws that hold for every policy and network: checked on small ones that hypothesis makes up."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_builders import a_device, a_network, a_user, told

from model.ids import DeviceID
from model.netmap import FilterRule
from model.network import Network
from model.records import Device, User
from policy import Compiled, compile, diff, nets, read

PEOPLE = ["alice@example.com", "bob@example.com", "carol@elsewhere.org"]
TAGS = ["tag:a", "tag:b", "tag:c"]
ROUTES = [
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.2.0.0/16",
    "8.8.8.0/24",
    "100.64.0.0/29",
    "fd00:1::/64",
    "0.0.0.0/0",
    "::/0",
]
SOURCES = [
    "*", *PEOPLE, "group:g", "group:h", *TAGS, "autogroup:member", "autogroup:tagged", "autogroup:danger-all",
    "autogroup:admin", "10.1.0.0/16", "100.64.0.3", "100.64.0.0/30", "host", "ipset:s", "user:*@example.com",
]  # fmt: skip
PLACES = [source for source in SOURCES if source != "autogroup:danger-all"] + ["autogroup:internet", "8.8.8.8"]
OWN_SOURCES = ["*", *PEOPLE, "group:g", "autogroup:member"]
PORTS = ["*", "22", "80-90", "443,8000-9000"]


def some(pool: list[str], most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(pool), min_size=1, max_size=most, unique=True)


def with_ports(places: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    return st.builds(lambda found, ports: [f"{place}:{ports}" for place in found], places, st.sampled_from(PORTS))


postures = st.sampled_from([[], [], [], ["posture:fit"]])
acls = st.one_of(
    st.builds(
        lambda src, dst, fit, proto: {"action": "accept", "src": src, "dst": dst, "srcPosture": fit, "proto": proto},
        some(SOURCES), with_ports(some(PLACES)), postures, st.sampled_from(["", "", "tcp", "udp"]),
    ),
    st.builds(
        lambda src, dst: {"action": "accept", "src": src, "dst": ["autogroup:self:*", *dst]},
        some(OWN_SOURCES), st.one_of(st.just([]), with_ports(some(PLACES, 1))),
    ),
)  # fmt: skip
grants = st.one_of(
    st.builds(
        lambda src, dst, ip, via: {"src": src, "dst": dst, "ip": ip, "via": via},
        some(SOURCES), some(PLACES), st.sampled_from([["*"], ["tcp:443", "53"]]),
        st.one_of(st.just([]), some(TAGS, 2)),
    ),
    st.builds(
        lambda src, dst, name, via: {"src": src, "dst": dst, "app": {name: [{}]}, "via": via},
        some(SOURCES), some([place for place in PLACES if place != "autogroup:internet"]),
        st.sampled_from(["example.com/cap/x", "tailscale.com/cap/drive"]), st.one_of(st.just([]), some(TAGS, 1)),
    ),
)  # fmt: skip
ssh = st.builds(
    lambda src, dst, users, check, fit: {
        "action": "check" if check else "accept", "src": src, "dst": dst, "users": users, "srcPosture": fit,
        **({"checkPeriod": check} if check else {}),
    },
    some([*PEOPLE, "group:g", "group:h", "autogroup:member", "user:*@example.com"]),
    some([*TAGS, "autogroup:self", "autogroup:member", "autogroup:tagged"]),
    some(["root", "autogroup:nonroot", "deploy", "localpart:*@example.com"]),
    st.sampled_from(["", "1h", "always"]), postures,
)  # fmt: skip


def a_random_policy(allowed: list[Any], granted: list[Any], logins: list[Any], no_ipv4: list[str]) -> dict[str, Any]:
    return {
        "groups": {"group:g": [PEOPLE[0]], "group:h": [PEOPLE[1], PEOPLE[2]]},
        "hosts": {"host": "100.64.0.2"},
        "ipsets": {"ipset:s": ["10.0.0.0/8", "remove 10.1.2.0/24", "8.8.0.0/16", "100.64.0.4"]},
        "postures": {"posture:fit": ["custom:fit == 'yes'"]},
        "tagOwners": {tag: [] for tag in TAGS},
        "nodeAttrs": [{"target": no_ipv4, "attr": ["disable-ipv4"]}],
        "acls": allowed, "grants": granted, "ssh": logins,
    }  # fmt: skip


policies = st.builds(
    a_random_policy, st.lists(acls, max_size=3), st.lists(grants, max_size=3), st.lists(ssh, max_size=3),
    st.one_of(st.just([]), st.just([]), some([*TAGS, "group:h", "autogroup:admin"], 1)),
)  # fmt: skip


@st.composite
def devices(draw: st.DrawFn, number: int) -> Device:
    routes = draw(st.lists(st.sampled_from(ROUTES), max_size=3, unique=True))
    fit = draw(st.sampled_from([{}, {"custom:fit": "yes"}]))
    if draw(st.booleans()):
        return a_device(number, tags=draw(some(TAGS, 2)), routes=routes, attributes=fit)
    return a_device(number, user=draw(st.sampled_from(PEOPLE)), routes=routes, attributes=fit)


@st.composite
def people(draw: st.DrawFn) -> list[User]:
    return [
        a_user(
            name, number, role=draw(st.sampled_from(["member", "admin"])),
            groups=draw(st.sampled_from([(), (), ("group:g",)])),
            state="active" if number == 1 else draw(st.sampled_from(["active", "active", "active", "disabled"])),
        )
        for number, name in enumerate(PEOPLE, 1)
    ]  # fmt: skip


@st.composite
def networks(draw: st.DrawFn) -> Network:
    numbers = draw(st.lists(st.integers(1, 7), min_size=1, max_size=6, unique=True))
    standby = draw(st.frozensets(st.sampled_from([DeviceID(str(number)) for number in range(1, 8)]), max_size=2))
    return a_network(*[draw(devices(number)) for number in sorted(numbers)], users=draw(people()), standby=standby)


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
        current, affected = current.advance(network)
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
                said = current.explain(one.name, other.name, port, PROTOCOLS[proto])
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
                for port, proto in itertools.product(ports, (6, 17)):
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
