"""Clauses of the language one by one, where a reader would stumble: spelling, protocols, addresses, logins."""

from __future__ import annotations

import json

import pytest
from policy_builders import a_device, a_network, a_user, allow, compiled, grant, routed

from model.errors import PolicyRefused
from policy import check, check_described

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@elsewhere.org"
LAPTOP, OTHER, DB = a_device(1, ALICE), a_device(2, BOB), a_device(3, tags=["tag:db"])
ROUTER = a_device(4, tags=["tag:router"], routes=["10.1.0.0/16", "fd00:1::/64"])
EXIT = a_device(5, tags=["tag:exit"], routes=["0.0.0.0/0", "::/0"])
NETWORK = a_network(LAPTOP, OTHER, DB, ROUTER, EXIT)
NAMES = {
    "groups": {"group:ops": [ALICE]}, "hosts": {"web": "100.64.0.3", "lan": "10.0.0.0/8"},
    "tagOwners": {"tag:db": [], "tag:router": [], "tag:exit": []},
}  # fmt: skip


def lets(found, device):
    """A device's filter as {(source, net, ports, protocols)}."""
    return {(src, dst.net, dst.ports, rule.proto) for rule in found.filter(device.id)
            for src in rule.src for dst in rule.dst}  # fmt: skip


def with_names(**sections):
    return check(json.dumps({**NAMES, **sections}), NETWORK)


def refused(**sections):
    with pytest.raises(PolicyRefused) as refusal:
        with_names(**sections)
    return refusal.value.message


def a_login(src=ALICE, dst="tag:db", users=("root",), **more):
    return {"action": "accept", "src": [src], "dst": [dst], "users": list(users), **more}


# --- spelling


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({"acls": [allow(f" {ALICE}\t", "tag:db:22")]}, id="acl-src"),
        pytest.param({"grants": [grant(f"\n{ALICE}", " tag:db ", ip=["22"])]}, id="grant-src-and-dst"),
        pytest.param({"ssh": [a_login(f" {ALICE} ", " tag:db ", [" root "], action=" accept ")]}, id="ssh"),
        pytest.param({"nodeAttrs": [{"target": [" tag:db "], "attr": ["x"]}]}, id="attribute-target"),
        pytest.param({"ssh": [a_login()], "sshTests": [{"src": f" {ALICE} ", "dst": [" tag:db "], "accept": ["root"]}]},
                     id="ssh-test"),
    ],
)  # fmt: skip
def test_blanks_around_a_word_do_not_count(sections):
    with_names(**sections)


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({"acls": [allow("*", " tag:db:22")]}, id="acl-dst"),
        pytest.param({"acls": [allow("*", "tag:db:22", action=" accept")]}, id="acl-action"),
        pytest.param({"tagOwners": {"tag:db": [" group:ops"]}}, id="tag-owner"),
        pytest.param({"hosts": {"web": " 100.64.0.3"}}, id="host"),
        pytest.param({"autoApprovers": {"exitNode": [" tag:db"]}}, id="approver"),
        pytest.param({"acls": [], "tests": [{"src": f" {ALICE}", "deny": ["tag:db:22"]}]}, id="test-src"),
    ],
)
def test_blanks_count_where_the_field_counts_them(sections):
    refused(**sections)


@pytest.mark.parametrize("word", ["Group:ops", "TAG:db", "Autogroup:member"])
def test_what_stands_before_the_colon_is_lower_case(word):
    assert refused(acls=[allow(word, "*:*")]) == f'invalid alias format: "{word}"'


@pytest.mark.parametrize("action", ["Accept", "ACCEPT", "drop", ""])
def test_an_action_is_lower_case(action):
    assert refused(acls=[allow("*", "*:*", action=action)]) == f'action="{action}" is not supported'
    assert "action" in refused(ssh=[a_login(action=action)])


def test_a_word_with_an_at_sign_is_a_person_whatever_else_it_looks_like():
    found = compiled(
        a_network(a_device(1, "group:x@example.com"), DB), acls=[allow("group:x@example.com", "tag:db:22")]
    )
    assert found.visible_from(DB.id) == {"1"}


# --- protocols and ports


@pytest.mark.parametrize(
    ("proto", "numbers"),
    [("icmp", (1,)), ("TCP", (6,)), ("6", (6,)), ("Ipv6-Icmp", (58,)),
     ("ip-in-ip", (4,)), ("ipv4", (4,)), ("igmp", (2,)), ("egp", (8,)), ("igp", (9,)),
     ("udp", (17,)), ("gre", (47,)), ("esp", (50,)), ("ah", (51,)), ("sctp", (132,)),
     ("255", (255,)), ("", ())],
)  # fmt: skip
def test_a_protocol_is_its_number_alone(proto, numbers):
    found = with_names(acls=[allow(ALICE, "tag:db:*", proto=proto)])
    assert {protos for *_, protos in lets(found, DB)} == {numbers}


def test_ports_come_as_a_list_of_numbers_and_ranges():
    found = with_names(acls=[allow(ALICE, "tag:db:22,80-90,65535")])
    assert {ports for _, _, ports, _ in lets(found, DB)} == {(22, 22), (80, 90), (65535, 65535)}


@pytest.mark.parametrize("proto", ["tcp", "udp", "sctp", "132"])
def test_specific_ports_are_for_protocols_that_have_them(proto):
    with_names(acls=[allow(ALICE, "tag:db:22", proto=proto)])


@pytest.mark.parametrize("proto", ["esp", "47", "igmp"])
def test_other_protocols_take_every_port(proto):
    with_names(acls=[allow(ALICE, "tag:db:*", proto=proto)])
    assert refused(acls=[allow(ALICE, "tag:db:22", proto=proto)]).startswith("protocol does not support specific ports")


@pytest.mark.parametrize(
    ("text", "ports", "proto"),
    [
        pytest.param("*", (0, 65535), (), id="all"),
        pytest.param("6", (6, 6), (), id="a-bare-number-is-a-port"),
        pytest.param("6:22", (22, 22), (6,), id="a-number-before-the-colon-is-a-protocol"),
        pytest.param("tcp:8000-9000", (8000, 9000), (6,), id="range"),
        pytest.param("icmp:*", (0, 65535), (1,), id="all-of-a-protocol"),
        pytest.param("*:443", (443, 443), (), id="any-protocol"),
    ],
)
def test_a_grant_says_protocol_and_port_in_one_word(text, ports, proto):
    found = with_names(grants=[grant(ALICE, "tag:db", ip=[text])])
    assert {(ports, proto) for _, _, ports, proto in lets(found, DB)} == {(ports, proto)}


def test_every_ip_entry_of_a_grant_is_for_every_destination():
    found = with_names(grants=[grant(ALICE, ["tag:db", "tag:exit"], ip=["tcp:22", "udp:53"])])
    assert {(ports, proto) for _, _, ports, proto in lets(found, EXIT)} == {((22, 22), (6,)), ((53, 53), (17,))}


# --- addresses


def test_an_address_does_not_stand_for_its_device_s_other_one():
    found = with_names(acls=[allow("100.64.0.1", "web:22")])
    assert lets(found, DB) == {("100.64.0.1", "100.64.0.3", (22, 22), ())}


def test_a_person_and_a_tag_have_both_families():
    found = with_names(acls=[allow(ALICE, "tag:db:22")])
    assert {(src, net) for src, net, _, _ in lets(found, DB)} == {
        (src, net) for src in LAPTOP.addresses for net in DB.addresses
    }  # fmt: skip


def test_host_bits_of_a_prefix_are_masked_off():
    assert {src for src, *_ in lets(with_names(acls=[allow("10.9.8.7/8", "tag:db:*")]), DB)} == {"10.0.0.0/8"}


def test_a_prefix_reaches_a_router_whole_and_an_exit_node_not_at_all():
    found = with_names(acls=[allow(ALICE, ["lan:443", "[fd00:1::]/64:443", "10.1.2.3:80"])])
    assert {net for _, net, _, _ in lets(found, ROUTER)} == {"10.0.0.0/8", "fd00:1::/64", "10.1.2.3"}
    assert lets(found, EXIT) == set()
    assert routed(found, LAPTOP, ROUTER) == ["10.1.0.0/16", "fd00:1::/64"]


def test_all_of_ipv4_reaches_everybody_and_leads_out():
    found = with_names(acls=[allow(ALICE, "0.0.0.0/0:443")])
    assert all({net for _, net, _, _ in lets(found, device)} == {"0.0.0.0/0"} for device in (OTHER, DB, ROUTER, EXIT))
    assert routed(found, LAPTOP, EXIT) == ["0.0.0.0/0", "::/0"]


@pytest.mark.parametrize("other", ["tag:db", "10.0.0.0/8", ALICE])
def test_danger_all_swallows_the_sources_beside_it(other):
    assert {src for src, *_ in lets(with_names(acls=[allow([other, "autogroup:danger-all"], "tag:db:*")]), DB)} == {"*"}


def test_an_ipset_of_the_internet_leads_out():
    found = with_names(ipsets={"ipset:out": ["autogroup:internet"]}, acls=[allow(ALICE, "ipset:out:*")])
    assert routed(found, LAPTOP, EXIT) == ["0.0.0.0/0", "::/0"]


def test_an_ipset_of_a_part_of_the_internet_reaches_an_exit_node_without_leading_out():
    found = with_names(ipsets={"ipset:out": ["8.8.8.0-8.8.8.9"]}, grants=[grant(ALICE, "ipset:out")])
    assert {net for _, net, _, _ in lets(found, EXIT)} == {"8.8.8.0-8.8.8.9"}
    assert routed(found, LAPTOP, EXIT) == []


def test_a_domain_is_its_people_as_source_and_as_destination():
    stranger = a_device(6, CAROL)
    found = compiled(
        a_network(LAPTOP, OTHER, stranger), grants=[grant("user:*@example.com", "user:*@example.com", ip=["22"])]
    )
    assert found.visible_from(LAPTOP.id) == {OTHER.id}
    assert found.visible_from(stranger.id) == frozenset()


def test_only_the_domain_of_the_person_known_longest_may_be_named():
    users = [a_user(CAROL, 1), a_user(ALICE, 2)]
    with pytest.raises(PolicyRefused, match=r"example\.com is not associated"):
        compiled(a_network(LAPTOP, users=users), acls=[allow("user:*@example.com", "*:*")])


# --- via and capabilities


def test_via_delivers_the_grant_s_prefix_and_routes_the_router_s():
    found = with_names(grants=[grant(ALICE, "10.1.2.0/24", ip=["443"], via=["tag:router"])])
    assert {net for _, net, _, _ in lets(found, ROUTER)} == {"10.1.2.0/24"}
    assert routed(found, LAPTOP, ROUTER) == ["10.1.0.0/16"]


@pytest.mark.parametrize("dst", ["*", "tag:db", ALICE, "100.64.0.4"])
def test_via_leads_to_routes_and_never_to_devices(dst):
    found = with_names(grants=[grant(BOB, dst, via=["tag:router"])])
    assert all(found.filter(device.id) == () for device in NETWORK.devices)


def test_via_the_internet_leads_through_the_named_exit_nodes_alone():
    second = a_device(6, tags=["tag:far"], routes=["0.0.0.0/0"])
    found = compiled(
        a_network(LAPTOP, EXIT, second), grants=[grant(ALICE, "autogroup:internet", via=["tag:far"])],
        tagOwners={"tag:exit": []},
    )  # fmt: skip
    assert routed(found, LAPTOP, second) == ["0.0.0.0/0"]
    assert routed(found, LAPTOP, EXIT) is None


def test_via_the_internet_leads_to_public_routes_of_the_named_exit_nodes_too():
    both = a_device(6, tags=["tag:far"], routes=["8.8.8.0/24", "0.0.0.0/0"])
    router = a_device(7, tags=["tag:far"], routes=["9.9.9.0/24"])
    found = compiled(a_network(LAPTOP, both, router), grants=[grant(ALICE, "autogroup:internet", via=["tag:far"])])
    assert set(routed(found, LAPTOP, both)) == {"8.8.8.0/24", "0.0.0.0/0"}
    assert routed(found, LAPTOP, router) is None


def test_a_capability_via_a_router_shows_it_and_lets_no_packet_pass():
    found = with_names(grants=[grant(ALICE, "10.1.0.0/16", ip=[], app={"example.com/x": []}, via=["tag:router"])])
    assert routed(found, LAPTOP, ROUTER) == ["10.1.0.0/16"]
    assert found.filter(ROUTER.id) == ()


def test_an_answered_capability_counts_beside_via_where_a_router_is_elected():
    first = a_device(6, routes=["10.9.0.0/16"])
    second = a_device(7, tags=["tag:far"], routes=["10.9.0.0/16"])
    led = grant("*", "10.9.0.0/16", via=["tag:far"])
    answered = grant("*", "*", ip=[], app={"tailscale.com/cap/drive": [{}]})
    network = a_network(LAPTOP, first, second)
    assert routed(compiled(network, grants=[led]), LAPTOP, second) == ["10.9.0.0/16"]
    both = compiled(network, grants=[led, answered])
    assert (routed(both, LAPTOP, first), routed(both, LAPTOP, second)) == (["10.9.0.0/16"], [])


@pytest.mark.parametrize("name", ["drive", "relay", "webui", "kubernetes", "tsidp", "secrets"])
def test_the_field_s_own_capabilities_are_taken(name):
    found = with_names(grants=[grant(ALICE, "tag:db", ip=["22"], app={f"tailscale.com/cap/{name}": [{}]})])
    assert {ports for _, _, ports, _ in lets(found, DB)} == {(22, 22)}


# --- logins


@pytest.mark.parametrize(
    ("text", "seconds"), [("168h", 604800), ("0s", 0), ("always", 0), ("90m", 5400), ("1h30m5s", 5405), ("", 43200)]
)
def test_a_check_s_period(text, seconds):
    found = with_names(acls=[], ssh=[a_login(action="check", checkPeriod=text)])
    assert [rule.check_period_s for rule in found.ssh_rules(DB.id)] == [seconds]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("-2h", "-2h0m0s must be a positive duration"), ("-1.5s", "-1.5s must be a positive duration"),
     ("200h", "200h0m0s is above the max (168h)"), ("169h5m", "169h5m0s is above the max (168h)")],
)  # fmt: skip
def test_a_period_out_of_bounds_is_shown_as_go_shows_it(text, shown):
    assert refused(ssh=[a_login(action="check", checkPeriod=text)]) == f"checkPeriod {shown}"


def test_patterns_of_the_environment_pass_through():
    found = with_names(acls=[], ssh=[a_login(acceptEnv=["LC_*", "A?", "*", "**"])])
    assert [rule.accept_env for rule in found.ssh_rules(DB.id)] == [("LC_*", "A?", "*", "**")]


@pytest.mark.parametrize("src", ["100.64.0.1", "web", "tag:db"])
def test_an_address_and_a_tag_have_no_devices_of_their_own(src):
    test = {"src": src, "dst": ["autogroup:self"], "deny": ["root"]}
    assert refused(acls=[], ssh=[a_login()], sshTests=[test]) == "test(s) failed"


@pytest.mark.parametrize("dst", ["tag:db", "web", "100.64.0.3", "fd7a:115c:a1e0::3", "autogroup:tagged"])
def test_an_ssh_test_names_devices_in_many_ways(dst):
    with_names(
        acls=[], ssh=[a_login(dst="autogroup:tagged")], sshTests=[{"src": ALICE, "dst": [dst], "accept": ["root"]}]
    )


@pytest.mark.parametrize(
    ("dst", "message"),
    [
        ("tag:db:22", 'SSH tests dst contains unknown tag "tag:db:22"'),
        ("10.0.0.0/8", 'SSH tests dst contains disallowed element "10.0.0.0/8"'),
        ("autogroup:internet", 'SSH tests dst contains disallowed element "autogroup:internet"'),
        ("nobody@example.com", "test(s) failed"),
        ("word", "test(s) failed"),
    ],
)
def test_an_ssh_test_that_names_no_device_fails(dst, message):
    assert refused(acls=[], ssh=[a_login()], sshTests=[{"src": ALICE, "dst": [dst], "deny": ["root"]}]) == message


@pytest.mark.parametrize(
    "dst", ["autogroup:self:22", "tag:none:22", "none:22", "nobody@example.com:22", "tag:db:0", "tag:db:ssh",
            "10.0.0.0/8:22", "tag:db", "tag:db:70000"],
)  # fmt: skip
def test_a_test_that_names_no_one_place_fails_in_deny_too(dst):
    assert refused(acls=[], tests=[{"src": ALICE, "deny": [dst]}]) == "test(s) failed"


def test_a_test_does_not_count_grants_via_a_router():
    via = grant(ALICE, "10.1.0.0/16", via=["tag:router"])
    assert refused(grants=[via], tests=[{"src": ALICE, "accept": ["10.1.2.3:22"]}]) == "test(s) failed"
    with_names(grants=[grant(ALICE, "10.1.0.0/16")], tests=[{"src": ALICE, "accept": ["10.1.2.3:22"]}])


# --- a network as it is described


@pytest.mark.parametrize(("advertised", "approved"), [(["10.1.0.0/16"], []), ([], ["10.1.0.0/16"]), ([], [])])
def test_a_route_counts_where_it_is_both_advertised_and_approved(advertised, approved):
    device = {"user": ALICE, "ipv4": "100.64.0.1", "ipv6": "fd7a:115c:a1e0::1"}
    router = {"tags": ["tag:router"], "ipv4": "100.64.0.2", "ipv6": "fd7a:115c:a1e0::2",
              "advertised_routes": advertised, "approved_routes": approved}  # fmt: skip
    network = {"users": [ALICE], "devices": {"laptop": device, "router": router}}
    answer = check_described(json.dumps({"acls": [allow(ALICE, "10.1.0.0/16:*")]}), network)
    assert answer["devices"]["laptop"]["peers"] == {}
