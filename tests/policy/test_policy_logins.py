"""The `ssh` section: rules as hosts of the field get them, and logins as principals."""

from __future__ import annotations

from policy_builders import a_device, a_network, a_user, compiled

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@elsewhere.org"


def rule(src, dst, users=("root",), action="accept", **more):
    return {"action": action, "src": src if isinstance(src, list) else [src],
            "dst": dst if isinstance(dst, list) else [dst], "users": list(users), **more}  # fmt: skip


def logins(*rules, devices=None, host=None, **sections):
    host = host or a_device(9, tags=["tag:db"])
    network = a_network(a_device(1, ALICE), a_device(2, BOB), a_device(3, CAROL), *(devices or ()), host)
    return compiled(network, acls=[], ssh=list(rules), **sections).logins(host.id)


def test_no_rule_means_no_login():
    assert logins() == {}
    assert logins(rule(ALICE, "tag:other")) == {}


def test_people_are_principals_by_name():
    assert logins(rule([ALICE, "group:ops"], "tag:db", ["deploy"]), groups={"group:ops": [BOB]}) == {
        "deploy": (ALICE, BOB)
    }


def test_tagged_devices_are_principals_by_tag():
    assert logins(rule("tag:ci", "tag:db", ["deploy"])) == {"deploy": ("tag:ci",)}


def test_nonroot_is_the_star_that_root_is_not_under():
    assert logins(rule(ALICE, "tag:db", ["autogroup:nonroot"])) == {"*": (ALICE,)}
    assert logins(rule(ALICE, "tag:db", ["autogroup:nonroot", "root"])) == {"*": (ALICE,), "root": (ALICE,)}


def test_a_named_login_lists_those_of_the_star_too():
    found = logins(rule(ALICE, "tag:db", ["autogroup:nonroot"]), rule(BOB, "tag:db", ["deploy"]))
    assert found == {"*": (ALICE,), "deploy": (ALICE, BOB)}


def test_a_named_login_that_adds_nobody_needs_no_entry():
    found = logins(rule(ALICE, "tag:db", ["autogroup:nonroot"]), rule(ALICE, "tag:db", ["deploy"]))
    assert found == {"*": (ALICE,)}


def test_under_a_check_only_the_fresh_principal_is_listed():
    assert logins(rule(ALICE, "tag:db", action="check", checkPeriod="1h")) == {"root": (f"fresh:3600:{ALICE}",)}
    assert logins(rule(ALICE, "tag:db", action="check")) == {"root": (f"fresh:43200:{ALICE}",)}


def test_always_counts_as_a_minute():
    assert logins(rule(ALICE, "tag:db", action="check", checkPeriod="always")) == {"root": (f"fresh:60:{ALICE}",)}


def test_a_check_decides_before_an_accept_wherever_it_stands():
    found = logins(rule([ALICE, BOB], "tag:db"), rule(ALICE, "tag:db", action="check", checkPeriod="2h"))
    assert found == {"root": (BOB, f"fresh:7200:{ALICE}")}


def test_the_first_check_decides_among_checks():
    found = logins(rule(ALICE, "tag:db", action="check", checkPeriod="1h"),
                   rule(ALICE, "tag:db", action="check", checkPeriod="5m"))  # fmt: skip
    assert found == {"root": (f"fresh:3600:{ALICE}",)}


def test_a_checked_star_and_an_accepted_name_are_told_apart():
    found = logins(
        rule(ALICE, "tag:db", ["deploy"]),
        rule(ALICE, "tag:db", ["autogroup:nonroot"], action="check", checkPeriod="1h"),
    )
    assert found == {"*": (f"fresh:3600:{ALICE}",)}


def test_own_devices_take_their_owner_alone():
    assert logins(rule("autogroup:member", "autogroup:self"), host=a_device(9, ALICE)) == {"root": (ALICE,)}
    assert logins(rule("autogroup:member", "autogroup:self"), host=a_device(9, tags=["tag:db"])) == {}


def test_a_local_part_is_each_person_s_own_login():
    found = logins(rule("autogroup:member", "tag:db", ["localpart:*@example.com"]))
    assert found == {"alice": (ALICE,), "bob": (BOB,)}


def test_someone_disabled_is_no_principal():
    host = a_device(9, tags=["tag:db"])
    users = [a_user(ALICE, 1), a_user(BOB, 2, state="disabled")]
    found = compiled(a_network(a_device(1, ALICE), a_device(2, BOB), host, users=users), acls=[],
                     ssh=[rule([ALICE, BOB], "tag:db")])  # fmt: skip
    assert found.logins(host.id) == {"root": (ALICE,)}


def test_someone_unknown_is_no_principal():
    assert logins(rule(["nobody@example.com", ALICE], "tag:db")) == {"root": (ALICE,)}


def test_under_a_posture_every_device_of_a_person_must_be_fit():
    fit = {"custom:fit": "yes"}
    host = a_device(9, tags=["tag:db"])
    network = a_network(
        a_device(1, ALICE, attributes=fit),
        a_device(2, ALICE),
        a_device(3, BOB, attributes=fit),
        a_device(4, CAROL),
        host,
    )
    found = compiled(network, acls=[], postures={"posture:p": ["custom:fit == 'yes'"]},
                     ssh=[rule("autogroup:member", "tag:db", srcPosture=["posture:p"])])  # fmt: skip
    assert found.logins(host.id) == {"root": (BOB,)}


def test_a_host_s_rules_name_addresses_and_put_checks_first():
    laptop, host = a_device(1, ALICE), a_device(9, tags=["tag:db"])
    network = a_network(laptop, host)
    found = compiled(network, acls=[], ssh=[
        rule(ALICE, "tag:db", ["autogroup:nonroot"], acceptEnv=["LC_*"]),
        rule(ALICE, "tag:db", action="check", checkPeriod="90m"),
    ]).ssh_rules(host.id)  # fmt: skip
    assert [(each.action, each.check_period_s, dict(each.users), each.accept_env) for each in found] == [
        ("check", 5400, {"root": "root"}, ()), ("accept", None, {"*": "=", "root": ""}, ("LC_*",)),
    ]  # fmt: skip
    assert found[0].src == (laptop.ipv4, laptop.ipv6)
