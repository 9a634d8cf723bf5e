"""What rules mean for filters, peers and routes, beyond what captured answers show."""

from __future__ import annotations

import msgspec
import pytest
from policy_builders import a_device, a_network, a_policy, a_user, allow, compiled, grant, routed

from policy import advance, check

ALICE, BOB = "alice@example.com", "bob@example.com"


def lets(found, device):
    """A device's filter as {(source, net, ports, proto)}."""
    return {
        (src, dst.net, dst.ports, rule.proto)
        for rule in found.filter(device.id)
        for src in rule.src
        for dst in rule.dst
    }


def sees(found, one, other):
    return other.id in found.peers(one.id)


def test_what_no_rule_lets_in_stays_out():
    one, other = a_device(1), a_device(2, BOB)
    found = compiled(a_network(one, other), acls=[])
    assert found.filter(one.id) == ()
    assert found.peers(one.id) == {}


def test_a_policy_without_acls_and_grants_lets_everything_pass():
    one, other = a_device(1), a_device(2, BOB)
    found = compiled(a_network(one, other))
    assert found.allows_all
    assert sees(found, one, other)
    assert {net for _, net, _, _ in lets(found, one)} == {"*"}


def test_a_rule_shows_a_peer_to_both_and_lets_packets_in_at_one():
    laptop, server = a_device(1), a_device(2, tags=["tag:db"])
    found = compiled(a_network(laptop, server), acls=[allow(ALICE, "tag:db:5432", proto="tcp")])
    assert sees(found, laptop, server)
    assert sees(found, server, laptop)
    assert lets(found, laptop) == set()
    assert ("100.64.0.1", "100.64.0.2", (5432, 5432), (6,)) in lets(found, server)


def test_everyone_follows_the_network_s_own_ranges():
    one = msgspec.structs.replace(a_device(1), ipv4="10.80.0.1", ipv6="fd00:7::1")
    network = a_network(one, ipv4="10.80.0.0/16", ipv6="fd00:7::/64")
    found = compiled(network, acls=[allow("*", "*:*")])
    assert {src for src, *_ in lets(found, one)} == {"10.80.0.0/16", "fd00:7::/64"}


def test_the_reserved_range_is_not_among_everyone():
    one = msgspec.structs.replace(a_device(1), ipv4="100.115.92.7", ipv6="fd00:7::1")
    other = a_device(2, BOB)
    found = compiled(a_network(one, other), acls=[allow("*", f"{BOB}:*")])
    assert not sees(found, one, other)


def test_the_internet_never_holds_the_network_itself():
    exit_node = a_device(1, routes=["0.0.0.0/0"])
    network = a_network(exit_node, ipv4="198.18.0.0/15")
    found = compiled(network, acls=[allow("*", "autogroup:internet:*")])
    nets_in = {net for _, net, _, _ in lets(found, exit_node)}
    assert "192.169.0.0-198.17.255.255" in nets_in
    assert not any(net.startswith("198.18.") for net in nets_in)


def test_own_devices_reach_one_another_and_nobody_else_s():
    laptop, phone, other = a_device(1), a_device(2), a_device(3, BOB)
    found = compiled(a_network(laptop, phone, other), acls=[allow("autogroup:member", "autogroup:self:*")])
    assert sees(found, laptop, phone)
    assert not sees(found, laptop, other)


def test_a_tagged_device_is_nobody_s_own():
    laptop, server = a_device(1), a_device(2, tags=["tag:db"])
    found = compiled(a_network(laptop, server), acls=[allow("autogroup:member", "autogroup:self:*")])
    assert not sees(found, laptop, server)


def test_the_devices_of_someone_disabled_are_in_no_network():
    laptop, other = a_device(1), a_device(2, BOB)
    users = [a_user(ALICE, 1), a_user(BOB, 2, state="disabled")]
    found = compiled(a_network(laptop, other, users=users), acls=[allow("*", "*:*")])
    assert found.peers(laptop.id) == {}
    assert found.filter(other.id) == ()


@pytest.mark.parametrize("role", ["owner", "admin", "auditor"])
def test_a_role_is_a_set_of_people(role):
    laptop, other, server = a_device(1), a_device(2, BOB), a_device(3, tags=["tag:db"])
    users = [a_user(ALICE, 1, role=role), a_user(BOB, 2)]
    found = compiled(a_network(laptop, other, server, users=users), acls=[allow(f"autogroup:{role}", "tag:db:*")])
    assert sees(found, server, laptop)
    assert not sees(found, server, other)


def test_a_provider_s_claim_puts_people_into_groups_that_the_policy_has():
    laptop, server = a_device(1), a_device(2, tags=["tag:db"])
    network = a_network(laptop, server, users=[a_user(ALICE, groups=["group:ops"])])
    found = compiled(network, groups={"group:ops": []}, acls=[allow("group:ops", "tag:db:22")])
    assert sees(found, laptop, server)


# --- ipsets, postures


def test_an_ipset_adds_and_removes_in_order():
    one, router = a_device(1), a_device(2, BOB, routes=["10.1.0.0/16"])
    found = compiled(
        a_network(one, router),
        hosts={"hole": "10.1.2.0/24"},
        ipsets={
            "ipset:lan": ["10.1.0.0/16", "remove host:hole", "10.1.2.7"],
            "ipset:all": ["ipset:lan", "add 10.3.0.0/16"],
        },
        acls=[allow(ALICE, "ipset:all:443")],
    )
    assert {net for _, net, _, _ in lets(found, router)} == {"10.1.0.0/23", "10.1.2.7", "10.1.3.0-10.1.255.255"}
    assert routed(found, one, router) == ["10.1.0.0/16"]


@pytest.mark.parametrize(
    ("condition", "attributes", "fit"),
    [
        ("node:os == 'linux'", {"node:os": "linux"}, True),
        ("node:os == 'linux'", {"node:os": "macos"}, False),
        ("node:os != 'linux'", {}, False),
        ("node:os IN ['linux', 'macos']", {"node:os": "macos"}, True),
        ("node:os NOT IN ['linux', 'macos']", {"node:os": "windows"}, True),
        ("node:osVersion >= '13.4'", {"node:osVersion": "13.10"}, True),
        ("node:osVersion < '13.4'", {"node:osVersion": "13.10"}, False),
        ("node:agentVersion >= '1.0'", {"node:agentVersion": "1.0.0"}, True),
        ("custom:tier IS SET", {"custom:tier": ""}, True),
        ("custom:tier NOT SET", {}, True),
        ("custom:managed == true", {"custom:managed": "true"}, True),
        ("custom:score > 10", {"custom:score": "9"}, False),
    ],
)
def test_a_posture_lets_by_the_devices_that_satisfy_it(condition, attributes, fit):
    laptop, server = a_device(1, attributes=attributes), a_device(2, tags=["tag:db"])
    found = compiled(
        a_network(laptop, server), postures={"posture:p": [condition]},
        acls=[allow(ALICE, "tag:db:*", srcPosture=["posture:p"])],
    )  # fmt: skip
    assert sees(found, laptop, server) is fit


def test_all_conditions_of_a_posture_and_one_posture_of_a_rule_must_hold():
    fit = {"node:os": "linux", "custom:disk": "encrypted"}
    laptop, phone, server = (
        a_device(1, attributes=fit),
        a_device(2, attributes={"node:os": "linux"}),
        a_device(3, tags=["tag:a"]),
    )
    found = compiled(
        a_network(laptop, phone, server),
        postures={
            "posture:safe": ["node:os == 'linux'", "custom:disk == 'encrypted'"],
            "posture:mac": ["node:os == 'macos'"],
        },
        acls=[allow(ALICE, "tag:a:*", srcPosture=["posture:mac", "posture:safe"])],
    )
    assert sees(found, server, laptop)
    assert not sees(found, server, phone)


def test_the_default_posture_holds_for_rules_without_one():
    laptop, server, printer = a_device(1), a_device(2, tags=["tag:a"]), a_device(3, tags=["tag:b"])
    found = compiled(
        a_network(laptop, server, printer), postures={"posture:p": ["node:os == 'linux'"]},
        defaultSrcPosture=["posture:p"], acls=[allow(ALICE, "tag:a:*"), allow(ALICE, "tag:b:*", srcPosture=[])],
    )  # fmt: skip
    assert not sees(found, laptop, server)
    assert sees(found, laptop, printer)


def test_under_a_posture_addresses_that_no_device_has_are_no_source():
    server = a_device(1, tags=["tag:a"])
    found = compiled(
        a_network(server), postures={"posture:p": ["node:os == 'linux'"]},
        acls=[allow("192.0.2.0/24", "tag:a:*", srcPosture=["posture:p"])],
    )  # fmt: skip
    assert found.filter(server.id) == ()


# --- routes


def test_of_two_routers_the_earliest_carries_a_prefix_and_both_filter_for_it():
    laptop, first, second = (
        a_device(1),
        a_device(2, BOB, routes=["10.1.0.0/16"]),
        a_device(3, BOB, routes=["10.1.0.0/16"]),
    )
    found = compiled(a_network(laptop, first, second), acls=[allow(ALICE, "10.1.2.0/24:*")])
    assert routed(found, laptop, first) == ["10.1.0.0/16"]
    assert routed(found, laptop, second) == []
    assert {net for _, net, _, _ in lets(found, second)} == {"10.1.2.0/24"}


def test_a_router_on_standby_gives_way_to_one_that_is_ready():
    laptop, first, second = (
        a_device(1),
        a_device(2, BOB, routes=["10.1.0.0/16"]),
        a_device(3, BOB, routes=["10.1.0.0/16"]),
    )
    network = a_network(laptop, first, second, standby=frozenset({first.id}))
    found = compiled(network, acls=[allow(ALICE, "10.1.2.0/24:*")])
    assert routed(found, laptop, first) == []
    assert routed(found, laptop, second) == ["10.1.0.0/16"]


def test_where_all_stand_by_the_earliest_serves():
    laptop, router = a_device(1), a_device(2, BOB, routes=["10.1.0.0/16"])
    found = compiled(a_network(laptop, router, standby=frozenset({router.id})), acls=[allow(ALICE, "10.1.0.0/16:*")])
    assert routed(found, laptop, router) == ["10.1.0.0/16"]


def test_a_route_that_nobody_approved_counts_for_nothing():
    laptop, router = a_device(1), a_device(2, BOB, advertised=["10.1.0.0/16"])
    found = compiled(a_network(laptop, router), acls=[allow(ALICE, "10.1.0.0/16:*")])
    assert found.peers(laptop.id) == {}


def test_via_names_the_router_a_viewer_gets():
    laptop, other = a_device(1), a_device(2, BOB)
    east = a_device(3, tags=["tag:east"], routes=["10.1.0.0/16"])
    west = a_device(4, tags=["tag:west"], routes=["10.1.0.0/16"])
    found = compiled(
        a_network(laptop, other, east, west),
        grants=[grant(ALICE, "10.1.0.0/16", via=["tag:east"]), grant(BOB, "10.1.0.0/16", via=["tag:west"])],
    )
    assert routed(found, laptop, east) == ["10.1.0.0/16"]
    assert routed(found, laptop, west) is None
    assert routed(found, other, west) == ["10.1.0.0/16"]


def test_exit_nodes_carry_the_internet_for_those_who_may_reach_it():
    laptop, other = a_device(1), a_device(2, BOB)
    exit_node = a_device(3, tags=["tag:exit"], routes=["0.0.0.0/0", "::/0"])
    found = compiled(
        a_network(laptop, other, exit_node), acls=[allow(ALICE, "autogroup:internet:*"), allow(BOB, "tag:exit:22")]
    )
    assert routed(found, laptop, exit_node) == ["0.0.0.0/0", "::/0"]
    assert routed(found, other, exit_node) == []


def test_a_public_address_reaches_exit_nodes_and_a_private_one_does_not():
    exit_node = a_device(1, tags=["tag:exit"], routes=["0.0.0.0/0"])
    laptop = a_device(2)
    found = compiled(a_network(exit_node, laptop), acls=[allow(ALICE, ["8.8.8.8:53", "10.9.9.9:53"])])
    assert {net for _, net, _, _ in lets(found, exit_node)} == {"8.8.8.8"}


def test_a_capability_shows_peers_and_lets_no_packet_pass():
    laptop, server = a_device(1), a_device(2, tags=["tag:a"])
    found = compiled(a_network(laptop, server), grants=[grant(ALICE, "tag:a", ip=[], app={"example.com/cap/x": [{}]})])
    assert sees(found, laptop, server)
    assert found.filter(server.id) == ()


def test_a_companion_capability_brings_the_route_it_is_answered_from():
    laptop, router = a_device(1), a_device(2, tags=["tag:r"], routes=["10.1.0.0/16"])
    app = {"tailscale.com/cap/drive": [{}]}
    found = compiled(a_network(laptop, router), grants=[grant(ALICE, "*", ip=[], app=app)])
    assert routed(found, laptop, router) == ["10.1.0.0/16"]


def test_disabled_ipv4_leaves_the_address_out_in_both_directions():
    laptop, other = a_device(1), a_device(2, BOB)
    found = compiled(
        a_network(laptop, other), acls=[allow("*", "*:*")], nodeAttrs=[{"target": [ALICE], "attr": ["disable-ipv4"]}]
    )
    assert found.peers(laptop.id)[other.id] == ("fd7a:115c:a1e0::2/128",)
    assert found.peers(other.id)[laptop.id] == ("fd7a:115c:a1e0::1/128",)


# --- approvals and tags


def test_a_route_is_approved_for_whom_a_wider_prefix_names():
    network = a_network(a_device(1), a_device(2, BOB))
    found = compiled(
        network, acls=[], groups={"group:net": [BOB]},
        autoApprovers={
            "routes": {"10.0.0.0/8": ["tag:router", "group:net"], "0.0.0.0/0": [ALICE]}, "exitNode": [ALICE],
        },
        tagOwners={"tag:router": []},
    )  # fmt: skip
    offered = ["10.1.0.0/16", "192.168.0.0/24", "0.0.0.0/0"]
    assert found.auto_approved(a_device(3, tags=["tag:router"], advertised=offered)) == ("10.1.0.0/16",)
    assert found.auto_approved(a_device(3, BOB, advertised=offered)) == ("10.1.0.0/16",)
    assert found.auto_approved(a_device(3, ALICE, advertised=offered)) == tuple(offered)


def test_tags_are_given_by_their_owners_and_the_owners_of_owner_tags():
    owners = {"tag:a": [ALICE, "tag:b"], "tag:b": ["group:ops", "tag:a"], "tag:c": ["autogroup:admin"], "tag:d": []}
    found = compiled(a_network(), groups={"group:ops": [BOB]}, tagOwners=owners, acls=[])
    admin = a_user("carol@example.com", role="admin")
    assert found.may_tag(a_user(BOB), "tag:a")
    assert found.may_tag(a_user(ALICE), "tag:b")
    assert found.may_tag(admin, "tag:c")
    assert not found.may_tag(admin, "tag:a")
    assert not found.may_tag(a_user(ALICE), "tag:d")
    assert not found.may_tag(a_user(ALICE), "tag:undefined")


# --- the next network


def test_a_change_that_no_policy_sees_touches_nobody():
    laptop, other = a_device(1), a_device(2, BOB)
    found = compiled(a_network(laptop, other), acls=[allow("*", "*:*")])
    moved = msgspec.structs.replace(laptop, name="renamed", endpoints=("192.0.2.1:1",), last_seen=7)
    after, touched = advance(found, a_network(moved, other))
    assert touched == frozenset()
    assert after.peers(other.id) == found.peers(other.id)


def test_a_changed_device_touches_those_who_see_it_and_no_others():
    servers = [a_device(number, tags=[f"tag:t{number % 10}"]) for number in range(1, 41)]
    acls = [allow(f"tag:t{number}", f"tag:t{number}:*") for number in range(10)]
    found = compiled(a_network(*servers), acls=acls)
    moved = msgspec.structs.replace(servers[0], tags=("tag:t2",))
    after, touched = advance(found, a_network(moved, *servers[1:]), changed=[moved.id])
    assert touched == {device.id for device in servers if device.rank % 10 in (1, 2)}
    assert after.visible_from(moved.id) == {device.id for device in servers if device.rank % 10 == 2}


def test_a_policy_that_no_longer_holds_in_the_network_stays_as_it_was_understood():
    laptop = a_device(1)
    text = '{"acls": [{"action": "accept", "src": ["user:*@example.com"], "dst": ["*:22"]}]}'
    found = check(text, a_network(laptop))
    stranger = a_device(1, "zoe@elsewhere.org")
    after, _ = advance(found, a_network(stranger))
    assert after.filter(stranger.id) == ()


def test_a_policy_is_compiled_over_the_index_of_an_earlier_network():
    laptop, server = a_device(1), a_device(2, tags=["tag:db"])
    before = compiled(a_network(laptop), acls=[])
    after = check(a_policy(acls=[allow(ALICE, "tag:db:22")]), a_network(laptop, server), over=before)
    assert after.visible_from(server.id) == {laptop.id}
    assert before.visible_from(server.id) == frozenset()


def test_the_first_device_with_a_tag_is_a_principal_where_tagged_devices_may_log_in():
    ssh = [{"action": "accept", "src": ["autogroup:tagged"], "dst": ["tag:db"], "users": ["deploy"]}]
    db, ci = a_device(1, tags=["tag:db"]), a_device(2, tags=["tag:ci"])
    found = compiled(a_network(db), acls=[], ssh=ssh, tagOwners={"tag:ci": []})
    assert found.logins(db.id) == {"deploy": ("tag:db",)}
    after, touched = advance(found, a_network(db, ci))
    assert after.logins(db.id) == {"deploy": ("tag:ci", "tag:db")}
    assert db.id in touched
