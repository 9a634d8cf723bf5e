"""Policies and networks that hypothesis makes up: small ones, in which everything may meet everything."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from policy_builders import a_device, a_network, a_user

from model.ids import DeviceID
from model.network import Network
from model.records import Device, User

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
