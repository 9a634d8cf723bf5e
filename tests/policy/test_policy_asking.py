"""Explain, reach and diff: the rule that decides, or what is missing, in words."""

# ruff: noqa: E501 - explanations are whole sentences

from __future__ import annotations

import json

import pytest
from policy_builders import a_device, a_network, allow, compiled, grant

from model.errors import Ambiguous, Invalid, NotFound
from policy import check, diff, explain, explain_ssh, reach

ALICE, BOB = "alice@example.com", "bob@example.com"
LAPTOP = a_device(1, ALICE, name="laptop")
PHONE = a_device(2, ALICE, name="phone")
OTHER = a_device(3, BOB, name="other")
DB = a_device(4, tags=["tag:db"], name="db-1")
ROUTER = a_device(5, tags=["tag:router"], name="router", routes=["10.1.0.0/16"])
EXIT = a_device(6, tags=["tag:exit"], name="exit", routes=["0.0.0.0/0"])
NETWORK = a_network(LAPTOP, PHONE, OTHER, DB, ROUTER, EXIT)
TEXT = """{
  "groups": {"group:ops": ["alice@example.com"]},
  "hosts": {"printer": "10.1.2.3"},
  "tagOwners": {"tag:db": [], "tag:router": [], "tag:exit": []},
  "acls": [
    {"action": "accept", "src": ["group:ops"], "dst": ["tag:db:5432,22"]},
    {"action": "accept", "src": ["autogroup:member"], "dst": ["10.1.2.0/24:631"]},
    {"action": "accept", "src": ["bob@example.com"], "dst": ["autogroup:internet:*"]}
  ],
  "ssh": [
    {"action": "check", "src": ["group:ops"], "dst": ["tag:db"], "users": ["root"]},
    {"action": "accept", "src": ["group:ops"], "dst": ["tag:db"], "users": ["deploy"]}
  ]
}"""
FOUND = check(TEXT, NETWORK)


@pytest.mark.parametrize(
    ("src", "dst", "port", "rule", "router"),
    [
        pytest.param("laptop", "db-1", 22, ("acls", 0, 6), None, id="device-to-device"),
        pytest.param("alice", "tag:db", 5432, ("acls", 0, 6), None, id="person-to-tag"),
        pytest.param("100.64.0.1", "100.64.0.4", 22, ("acls", 0, 6), None, id="address-to-address"),
        pytest.param("laptop", "fd7a:115c:a1e0::4", 22, ("acls", 0, 6), None, id="the-other-family"),
        pytest.param("laptop", "10.1.2.9", 631, ("acls", 1, 7), "router", id="behind-a-router"),
        pytest.param("laptop", "printer", 631, ("acls", 1, 7), "router", id="a-host-of-the-policy"),
        pytest.param("other", "1.1.1.1", 443, ("acls", 2, 8), "exit", id="through-an-exit-node"),
    ],
)
def test_what_passes_is_explained_by_the_rule_that_lets_it(src, dst, port, rule, router):
    said = explain(FOUND, src, dst, port)
    assert said.allowed
    assert said.rule is not None
    assert (said.rule.section, said.rule.index, said.rule.line) == rule
    assert said.router == router


@pytest.mark.parametrize(
    ("src", "dst", "port", "why"),
    [
        pytest.param("laptop", "db-1", 80, "laptop may reach db-1 only on 5432, 22: acls[0] on line 6 does not open port 80", id="port"),
        pytest.param("other", "db-1", 22, "other is not among the sources of acls[0] on line 6 (group:ops), which opens port 22 of db-1", id="source"),
        pytest.param("laptop", "other", 22, "no rule lets anything reach port 22 of other", id="no-rule"),
        pytest.param("laptop", "10.9.9.9", 22, "no device has 10.9.9.9, and no approved route leads there", id="no-route"),
        pytest.param("laptop", "1.1.1.1", 443, "laptop is not among the sources of acls[2] on line 8 (bob@example.com), which opens port 443 of 1.1.1.1", id="internet"),
        pytest.param("laptop", "laptop", 22, "laptop and laptop are one device", id="itself"),
    ],
)  # fmt: skip
def test_what_does_not_pass_is_explained_by_what_is_missing(src, dst, port, why):
    said = explain(FOUND, src, dst, port)
    assert not said.allowed
    assert said.why == why


def test_several_sources_pass_where_all_do():
    said = explain(FOUND, "autogroup:member", "tag:db", 22)
    assert not said.allowed
    assert (said.pairs, said.reached) == (3, 2)
    assert said.source == "other"


def test_a_protocol_is_asked_for_by_name():
    found = compiled(NETWORK, acls=[allow(ALICE, "tag:db:53", proto="udp")])
    assert explain(found, "laptop", "db-1", 53, "udp").allowed
    assert not explain(found, "laptop", "db-1", 53, "tcp").allowed
    with pytest.raises(Invalid, match="not known"):
        explain(found, "laptop", "db-1", 53, "smtp")


def test_a_name_that_nothing_has_is_not_explained():
    with pytest.raises(NotFound, match='"nowhere" is nobody and nothing in this network'):
        explain(FOUND, "nowhere", "db-1", 22)


def test_a_name_that_a_device_and_a_person_share_is_ambiguous():
    found = compiled(a_network(a_device(1, ALICE, name="alice")), acls=[])
    with pytest.raises(Ambiguous):
        explain(found, "alice", "100.64.0.9", 22)


def test_a_login_is_explained_by_the_rule_that_decides():
    said = explain_ssh(FOUND, "alice", "root", "db-1")
    assert (said.action, said.check_period_s) == ("check", 43200)
    assert said.rule is not None
    assert (said.rule.section, said.rule.index, said.rule.line) == ("ssh", 0, 11)
    assert said.packets.allowed
    assert explain_ssh(FOUND, "laptop", "deploy", "db-1").action == "accept"


@pytest.mark.parametrize(
    ("src", "login", "host", "why"),
    [
        ("alice", "www", "db-1", "no ssh rule lets alice log in as www on db-1"),
        ("bob", "root", "db-1", "no ssh rule for db-1 has bob among its sources"),
        ("alice", "root", "router", "no ssh rule has router among its destinations"),
    ],
)
def test_a_login_that_is_refused_is_explained_by_what_is_missing(src, login, host, why):
    said = explain_ssh(FOUND, src, login, host)
    assert (said.action, said.why) == ("deny", why)


@pytest.mark.parametrize(
    ("dst", "named"),
    [
        pytest.param("10.1.2.3", "10.1.2.3", id="an-address-by-itself"),
        pytest.param("printer", "printer", id="a-host-by-its-name"),
        pytest.param("10.1.2.0/24", "10.1.2.0 of 10.1.2.0/24", id="a-prefix-by-its-first"),
    ],
)
def test_an_address_that_no_device_has_is_named_as_it_was_asked_for(dst, named):
    assert f"lets laptop reach {named}" in explain(FOUND, "laptop", dst, 631).why


def test_reach_lists_what_a_person_reaches_and_who_reaches_a_device():
    out = reach(FOUND, "alice").outgoing
    assert [(str(each.rule), each.devices, each.nets, each.ways) for each in out] == [
        ("acls[0]", ("db-1",), (), ("5432", "22")), ("acls[1]", (), ("10.1.2.0/24",), ("631",)),
    ]  # fmt: skip
    into = reach(FOUND, "db-1")
    assert [(str(each.rule), each.devices, each.ways) for each in into.incoming] == [
        ("acls[0]", ("laptop", "phone"), ("5432", "22"))
    ]
    assert {(each.login, each.principals) for each in into.logins_in} == {
        ("root", (f"fresh:43200:{ALICE}",)), ("deploy", (ALICE,)),
    }  # fmt: skip


def test_reach_includes_logins_elsewhere():
    assert {(each.device, each.login) for each in reach(FOUND, "alice").logins_out} == {
        ("db-1", "root"),
        ("db-1", "deploy"),
    }


def changed(**sections):
    return diff(FOUND, check(json.dumps({**json.loads(TEXT), **sections}), NETWORK))


def test_the_same_policy_differs_in_nothing():
    found = diff(FOUND, check(TEXT + "// and a comment", NETWORK))
    assert found.empty
    assert found.devices == frozenset()


def test_a_diff_lists_ports_gained_and_lost():
    found = changed(acls=[allow("group:ops", "tag:db:22,80-90"), *json.loads(TEXT)["acls"][1:]])
    assert [(c.destination, c.ways, c.sources) for c in found.gained] == [("db-1", ("80-90",), ("laptop", "phone"))]
    assert [(c.destination, c.ways, c.sources) for c in found.lost] == [("db-1", ("5432",), ("laptop", "phone"))]
    assert (found.gained_pairs, found.lost_pairs) == (2, 2)
    assert found.devices == {LAPTOP.id, PHONE.id, DB.id}


def test_a_diff_shows_what_lies_behind_a_router():
    found = changed(acls=[*json.loads(TEXT)["acls"], allow(ALICE, "10.1.0.0/16:631")])
    assert [(c.destination, c.nets, c.sources) for c in found.gained] == [
        ("router", ("10.1.0.0/23", "10.1.3.0-10.1.255.255"), ("laptop", "phone"))
    ]


def test_a_diff_shows_sources_that_are_addresses():
    found = changed(acls=[*json.loads(TEXT)["acls"], allow("192.0.2.0/24", "tag:db:22")])
    assert [c.sources for c in found.gained] == [("192.0.2.0/24",)]


def test_a_diff_lists_logins():
    found = changed(ssh=[{"action": "accept", "src": [BOB], "dst": ["tag:db"], "users": ["deploy"]}])
    assert {(each.device, each.login, each.principals) for each in found.logins_gained} == {("db-1", "deploy", (BOB,))}
    assert ("db-1", "root", (f"fresh:43200:{ALICE}",)) in {(e.device, e.login, e.principals) for e in found.logins_lost}
    assert (found.gained_logins, found.lost_logins) == (len(found.logins_gained), len(found.logins_lost))


def test_a_rule_in_another_order_changes_nothing():
    found = changed(acls=list(reversed(json.loads(TEXT)["acls"])))
    assert found.empty


def test_a_grant_that_says_the_same_as_an_acl_changes_nothing():
    acls = json.loads(TEXT)["acls"]
    found = changed(acls=acls[1:], grants=[grant("group:ops", "tag:db", ip=["5432", "22"])])
    assert found.empty
