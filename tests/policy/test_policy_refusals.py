"""Refusals, word for word as the field's own control plane or its parser words them."""

# ruff: noqa: E501 - a case a line: what is written, and what is answered

from __future__ import annotations

import json

import pytest
from policy_builders import a_device, a_network, a_user, allow, grant

from model.errors import PolicyRefused
from policy import check

NETWORK = a_network(
    a_device(1, "odin@example.com"), a_device(2, "thor@example.org"), a_device(3, tags=["tag:server"]),
    users=[a_user("odin@example.com", 1), a_user("thor@example.org", 2)],
)  # fmt: skip
NAMES = {
    "groups": {"group:ops": ["odin@example.com"]},
    "hosts": {"web": "100.64.0.3", "lan": "10.0.0.0/8"},
    "tagOwners": {"tag:server": [], "tag:router": []},
    "ipsets": {"ipset:s": ["10.0.0.0/8"]},
    "postures": {"posture:fit": ["node:os == 'linux'"]},
}


def refusal(**sections):
    with pytest.raises(PolicyRefused) as refused:
        check(json.dumps({**NAMES, **sections}, indent=1), NETWORK)
    assert refused.value.line is not None
    return refused.value.message


def acl(src="*", dst="*:*", **more):
    return {"acls": [allow(src, dst, **more)]}


def a_grant(src="*", dst="*", **more):
    return {"grants": [grant(src, dst, **more)]}


def login(src="odin@example.com", dst="tag:server", users=("root",), **more):
    entry = {"action": "accept", "src": [src] if isinstance(src, str) else src,
             "dst": [dst] if isinstance(dst, str) else dst, "users": list(users), **more}  # fmt: skip
    return {"ssh": [entry]}


SELF = "autogroup:self can only be used with users, groups, or supported autogroups"
CASES = {
    "recursive-group": ({"groups": {"group:a": ["group:b"]}},
                        'groups["group:a"]: "group:b": group members cannot be recursive'),
    "last-group-first": ({"groups": {"group:a": ["group:x"], "group:b": ["group:y"]}},
                         'groups["group:b"]: "group:y": group members cannot be recursive'),
    "group-prefix": ({"groups": {"ops": []}}, "group must start with 'group:', got: \"ops\""),
    "group-as-text": ({"groups": {"group:a": "x"}}, 'group value must be an array of users: group "group:a" got string: "x"'),
    "group-member-number": ({"groups": {"group:a": [1]}}, 'invalid group member type: group "group:a" expected string but got int'),
    "group-member": ({"groups": {"group:a": ["bob"]}}, 'username must contain @, got: "bob"'),
    "host-value": ({"hosts": {"h": "x"}}, 'hostname contains invalid IP address: hostname "h" address "x"'),
    "host-name": ({"hosts": {"a:b": "10.0.0.1"}}, 'invalid hostname: "a:b"'),
    "tag-letter": ({"tagOwners": {"tag:1x": []}}, "tagOwners[\"tag:1x\"]: tag names must start with a letter, after 'tag:'"),
    "tag-ascii": ({"tagOwners": {"tag:é": []}}, "tagOwners[\"tag:é\"]: tag names must start with a letter, after 'tag:'"),
    "tag-prefix": ({"tagOwners": {"server": []}}, "tag must start with 'tag:', got: \"server\""),
    "tag-owner": ({"tagOwners": {"tag:a": ["bob"]}}, 'invalid owner format: "bob"'),
    "tag-owner-group": ({"tagOwners": {"tag:a": ["group:none"]}}, 'group not defined in policy: "group:none"'),
    "tag-owner-tag": ({"tagOwners": {"tag:a": ["tag:none"]}}, 'tag not found: "tag:none"'),

    "acl-src-tag": (acl(src="tag:none"), 'src=tag not found: "tag:none"'),
    "acl-dst-tag": (acl(dst="tag:none:22"), 'dst="tag:none": tag not found: "tag:none"'),
    "acl-group": (acl(src="group:none"), 'group not defined in policy: "group:none"'),
    "acl-host": (acl(src="none"), 'host not defined in policy: "none"'),
    "acl-alias": (acl(src="foo:bar"), 'invalid alias format: "foo:bar"'),
    "acl-src-self": (acl(src="autogroup:self"), '"autogroup:self" not valid on the src side of a rule'),
    "acl-src-internet": (acl(src="autogroup:internet"), "autogroup:internet can only be used in ACL destinations"),
    "acl-dst-danger": (acl(dst="autogroup:danger-all:*"), "cannot use autogroup:danger-all as a dst"),
    "acl-autogroup": (acl(src="autogroup:nobody"), 'invalid autogroup: got "autogroup:nobody", must be one of ['),
    "acl-action": (acl(action="deny"), 'action="deny" is not supported'),
    "acl-no-action": ({"acls": [{"src": ["*"], "dst": ["*:*"]}]}, 'action="" is not supported'),
    "acl-domain": (acl(src="user:*@example.org"), "example.org is not associated with this Tailnet and cannot be used in user:*@<domain> expressions"),
    "self-tag": (acl("tag:server", "autogroup:self:*"), SELF),
    "self-tagged": (acl("autogroup:tagged", "autogroup:self:*"), SELF),
    "self-host": (acl("web", "autogroup:self:*"), SELF),
    "self-address": (acl("100.64.0.1", "autogroup:self:*"), SELF),
    "self-danger": (acl("autogroup:danger-all", "autogroup:self:*"), SELF),
    "self-without-port": (acl(dst="autogroup:self"), 'dst="autogroup:self": port range "self": invalid first integer'),
    "port-text": (acl(dst="web:http"), 'dst="web:http": port range "http": invalid first integer'),
    "port-upper": (acl(dst="web:1-x"), 'dst="web:1-x": port range "1-x": invalid last integer'),
    "port-order": (acl(dst="web:9-1"), 'dst="web:9-1": port range "9-1": first port must be >= last port'),
    "port-zero": (acl(dst="web:0"), "dst=\"web:0\": port range \"0\": first port must be >0, or use '*' for wildcard"),
    "port-dashes": (acl(dst="web:1-2-3"), 'dst="web:1-2-3": port range "1-2-3": too many dashes(-)'),
    "port-large": (acl(dst="web:65536"), 'dst="web:65536": port range "65536": invalid first integer'),
    "port-blank": (acl(dst="web:22, 80"), 'dst="web:22, 80": port range " 80": invalid first integer'),
    "no-colon": (acl(dst="web"), 'dst="web": hostport must contain a colon (":")'),
    "no-port": (acl(dst="web:"), 'dst="web:": invalid port list: ""'),
    "brackets": (acl(dst="[10.0.0.1]:22"), 'square brackets are only valid around IPv6 addresses: "[10.0.0.1]"'),
    "proto-name": (acl(proto="smtp"), 'proto name "smtp" not known; use protocol number 0-255'),
    "proto-star": (acl(proto="*"), 'proto name "*" not known; use protocol number 0-255'),
    "proto-zero": (acl(proto="06"), 'leading 0 not permitted in protocol number "06"'),
    "proto-99": (acl(proto="99"), "IP protocol 99 is reserved for use by Tailscale"),
    "proto-256": (acl(proto="256"), 'proto name "256" not known'),
    "proto-ports": (acl(dst="web:22", proto="icmp"), 'protocol does not support specific ports: "icmp", only "*" is allowed'),

    "grant-empty": ({"grants": [{"src": ["*"], "dst": ["*"]}]}, "ip and app can not both be empty"),
    "grant-empty-lists": (a_grant(ip=[], app={}), "ip and app can not both be empty"),
    "grant-everything": (a_grant(dst="0.0.0.0/0"), 'dst "0.0.0.0/0": to allow all IP addresses, use "*" or "autogroup:internet"'),
    "grant-everything-6": (a_grant(dst="::/0"), 'dst "::/0": to allow all IP addresses, use "*" or "autogroup:internet"'),
    "grant-app-internet": (a_grant(dst="autogroup:internet", app={"example.com/x": []}), "cannot use app grants with autogroup:internet"),
    "grant-capability": (a_grant(app={"https://example.com/x": []}), "capability name must have the form {domain}/{path}"),
    "grant-capability-path": (a_grant(app={"example": []}), "capability name must have the form {domain}/{path}"),
    "grant-capability-domain": (a_grant(app={"tailscale.com/cap/other": []}), "capability name must not be in the tailscale.com domain"),
    "grant-src-tag": (a_grant(src="tag:none"), 'src=tag not found: "tag:none"'),
    "grant-dst-tag": (a_grant(dst="tag:none"), 'tag not found: "tag:none"'),
    "grant-danger": (a_grant(dst="autogroup:danger-all"), "cannot use autogroup:danger-all as a dst"),
    "grant-self-everyone": (a_grant("*", "autogroup:self"), SELF),
    "grant-via-user": (a_grant(via=["odin@example.com"]), "via can only be a tag"),
    "grant-via-undefined": (a_grant(via=["tag:none"]), 'tag "tag:none" not found'),
    "grant-port": (a_grant(ip=["tcp"]), 'port range "tcp": invalid first integer'),
    "grant-port-zero": (a_grant(ip=["tcp:0"]), "port range \"0\": first port must be >0, or use '*' for wildcard"),
    "grant-colons": (a_grant(ip=["a:b:c"]), "expected only one colon in Internet protocol and port type, got: [a b c](3)"),
    "grant-proto": (a_grant(ip=["smtp:25"]), 'proto name "smtp" not known; use protocol number 0-255'),
    "grant-empty-text": (a_grant(ip=[""]), "empty string"),
    "grant-empty-proto": (a_grant(ip=[":22"]), "empty protocol"),
    "grant-posture": (a_grant(srcPosture=["posture:none"]), 'posture not defined in policy: "posture:none"'),

    "approver": ({"autoApprovers": {"exitNode": ["bob"]}}, 'invalid auto approver format: "bob"'),
    "approver-tag": ({"autoApprovers": {"routes": {"10.0.0.0/8": ["tag:none"]}}}, 'tag not found: "tag:none"'),
    "attr-tag": ({"nodeAttrs": [{"target": ["tag:none"], "attr": ["x"]}]}, 'tag not found: "tag:none"'),
    "attr-word": ({"nodeAttrs": [{"target": ["word"], "attr": ["x"]}]}, '"word": invalid address'),
    "attr-self": ({"nodeAttrs": [{"target": ["autogroup:self"], "attr": ["x"]}]}, "nodeAttrs target does not support this autogroup"),
    "attr-pool": ({"nodeAttrs": [{"target": ["*"], "ipPool": ["100.100.100.0/25"]}]}, "IPPool(100.100.100.0/25): network within reserved range"),
    "attr-pool-outside": ({"nodeAttrs": [{"target": ["*"], "ipPool": ["10.0.0.0/8"]}]}, "IPPool(10.0.0.0/8): network is not within"),

    "ssh-no-action": (login(action=" "), "action must be specified"),
    "ssh-action": (login(action=" allow "), '"allow" is not a valid action'),
    "ssh-no-users": (login(users=[]), "users must be specified"),
    "ssh-blank-user": (login(users=["  "]), 'user "" is not valid'),
    "ssh-any-user": (login(users=["*"]), 'user "*" is not valid'),
    "ssh-env": (login(acceptEnv=["A", ""]), "acceptEnv values cannot be empty"),
    "ssh-host": (login(dst="web"), 'invalid dst "web"'),
    "ssh-word": (login(dst="word"), 'invalid dst "word"'),
    "ssh-period": (login(action="check", checkPeriod="soon"), 'time: invalid duration "soon"'),
    "ssh-period-negative": (login(action="check", checkPeriod="-2h"), "checkPeriod -2h0m0s must be a positive duration"),
    "ssh-period-long": (login(action="check", checkPeriod="168h1s"), "checkPeriod 168h0m1s is above the max (168h)"),
    "ssh-period-accept": (login(checkPeriod="1h"), 'checkPeriod is only valid with action "check"'),
    "ssh-src-tag": (login(src="tag:none"), 'tag not found: "tag:none"'),
    "ssh-src-any": (login(src="*"), 'alias not supported for SSH source: "*"'),
    "ssh-src-internet": (login(src="autogroup:internet"), "autogroup:internet can only be used in ACL destinations"),
    "ssh-src-danger": (login(src="autogroup:danger-all"), 'autogroup not supported for SSH sources: "autogroup:danger-all"'),
    "ssh-dst-any": (login(dst="*"), "wildcard (*) is not supported as SSH destination; use 'autogroup:member'"),
    "ssh-dst-group": (login(dst="group:ops"), 'alias not supported for SSH destination: "group:ops"'),
    "ssh-tag-to-user": (login("tag:server", "odin@example.com"), "tags in SSH source cannot access user-owned devices (odin@example.com)"),
    "ssh-other-user": (login("thor@example.org", "odin@example.com"), 'user destination requires source to contain only that same user "odin@example.com"'),
    "ssh-tag-to-self": (login("tag:server", "autogroup:self"), "autogroup:self destination requires source to contain only users or groups, not tags or autogroup:tagged"),
    "ssh-tag-to-member": (login("autogroup:tagged", "autogroup:member"), "tags in SSH source cannot access autogroup:member (user-owned devices)"),
    "ssh-localpart": (login(users=["localpart:*@example.org"]), "example.org is not associated with this Tailnet and cannot be used in user:*@<domain> expressions"),
    "ssh-localpart-star": (login(users=["localpart:*@*"]), "* is not associated with this Tailnet"),
    "ssh-domain": (login(src="user:*@example.org"), "[ssh] example.org is not associated with this Tailnet"),

    "ipset-undefined": (acl(src="ipset:none"), 'ipset not defined in policy: "ipset:none"'),
    "ipset-circle": ({"ipsets": {"ipset:a": ["ipset:b"], "ipset:b": ["ipset:a"]}}, 'ipset "ipset:a" refers to itself: ipset:a -> ipset:b -> ipset:a'),
    "ipset-tag": ({"ipsets": {"ipset:a": ["tag:server"]}}, 'ipset "ipset:a" has an entry that names no addresses: "tag:server"'),
    "ipset-prefix": ({"ipsets": {"a": []}}, "ipset must start with 'ipset:', got: \"a\""),
    "posture-condition": ({"postures": {"posture:a": ["os is fine"]}}, 'posture condition is not understood: "os is fine"'),
    "posture-prefix": ({"postures": {"a": []}}, "posture must start with 'posture:', got: \"a\""),
    "posture-default": ({"defaultSrcPosture": ["posture:none"], **acl()}, 'posture not defined in policy: "posture:none"'),

    "ssh-test-wide": ({"sshTests": [{"src": "odin@example.com", "dst": ["lan"], "accept": ["root"]}]}, 'SSH tests dst contains disallowed element "lan"'),
    "ssh-test-internet": ({"sshTests": [{"src": "odin@example.com", "dst": ["autogroup:internet"], "accept": ["root"]}]}, 'SSH tests dst contains disallowed element "autogroup:internet"'),
    "ssh-test-tag": ({"sshTests": [{"src": "odin@example.com", "dst": ["tag:none"], "accept": ["root"]}]}, 'SSH tests dst contains unknown tag "tag:none"'),
    "ssh-test-no-src": ({"sshTests": [{"dst": ["tag:server"], "accept": ["root"]}]}, "SSH tests entry must have a non-empty src"),
    "ssh-test-no-dst": ({"sshTests": [{"src": "odin@example.com", "accept": ["root"]}]}, "SSH tests entry must have at least one dst"),
}  # fmt: skip


@pytest.mark.parametrize(("sections", "message"), [pytest.param(*case, id=id) for id, case in CASES.items()])
def test_a_policy_that_breaks_the_language_is_refused_in_its_words(sections, message):
    assert refusal(**sections).startswith(message)


def test_a_refusal_points_at_the_word_to_blame():
    text = '{\n  "acls": [\n    {"action": "accept", "src": ["*"],\n     "dst": ["*:80", "tag:none:22"]},\n  ],\n}'
    with pytest.raises(PolicyRefused) as refused:
        check(text, NETWORK)
    assert (refused.value.line, refused.value.column) == (4, 22)


FINE = {
    "tag-owners-in-a-circle": {"tagOwners": {"tag:server": ["tag:router"], "tag:router": ["tag:server"]}},
    "legacy-users-and-ports": {"acls": [{"action": "accept", "users": ["*"], "ports": ["*:22"]}]},
    "another-editor-s-notes": {"acls": [{"#ha-meta": {"name": "x"}, **allow("*", "*:*")}]},
    "unknown-user": acl(src="nobody@example.com"),
    "empty-arrays": acl(src=[], dst=[]),
    "funnel-and-pools": {"nodeAttrs": [{"target": ["autogroup:admin"], "attr": ["funnel"], "ipPool": ["100.81.0.0/16"]}]},
    "foreign-roles": acl(src="autogroup:it-admin"),
    "always": login(action="check", checkPeriod="always"),
    "no-period-at-all": login(action="check", checkPeriod="0s"),
    "padded": login(src=" odin@example.com ", users=[" root\t"], action=" accept "),
    "literal-users": login(users=["autogroup:member", "group:x", "localpart:foo", "localpart:*@"]),
    "own-user": login("odin@example.com", "odin@example.com"),
    "brackets": acl(dst=["[fd7a::1]:22", "[fd7a::]/64:22", "fd7a::1:22"]),
    "protocol-numbers": acl(dst="*:*", proto="47"),
    "hosted-only-settings": {"randomizeClientPort": True, "derpMap": {"Regions": {}}, "OneCGNATRoute": "mac-always"},
}  # fmt: skip


@pytest.mark.parametrize("sections", [pytest.param(sections, id=id) for id, sections in FINE.items()])
def test_what_the_field_takes_is_taken(sections):
    check(json.dumps({**NAMES, "acls": [], **sections}), NETWORK)


def test_what_has_no_meaning_here_is_named():
    compiled = check(json.dumps({
        "randomizeClientPort": True,
        "grants": [grant("*", "*", app={"tailscale.com/cap/drive": [{}]})],
        "nodeAttrs": [{"target": ["*"], "attr": ["funnel"]}],
        "acls": [allow("autogroup:billing-admin", "*:*")],
    }), NETWORK)  # fmt: skip
    assert [warning.split(" ")[0] for warning in compiled.warnings] == [
        "randomizeClientPort", "grants[0]:", "nodeAttrs[0]:", "autogroup:billing-admin",
    ]  # fmt: skip


def a_failing_test(test, **sections):
    with pytest.raises(PolicyRefused) as refused:
        check(
            json.dumps({**NAMES, "acls": [allow("odin@example.com", "tag:server:22")], "tests": [test], **sections}),
            NETWORK,
        )
    assert refused.value.message == "test(s) failed"
    return refused.value.hint


@pytest.mark.parametrize(
    "test",
    [
        pytest.param({"src": "odin@example.com"}, id="neither-accept-nor-deny"),
        pytest.param({"accept": ["tag:server:22"]}, id="no-src"),
        pytest.param({"src": "nobody@example.com", "deny": ["tag:server:22"]}, id="unknown-src"),
        pytest.param(
            {"src": "odin@example.com", "accept": ["tag:server:22"], "proto": "icmp"}, id="proto-without-ports"
        ),
        pytest.param({"src": "odin@example.com", "deny": ["tag:server:*"]}, id="any-port"),
        pytest.param({"src": "odin@example.com", "deny": ["tag:server:1-2"]}, id="port-range"),
        pytest.param({"src": "odin@example.com", "deny": ["tag:server:80,81"]}, id="port-list"),
        pytest.param({"src": "odin@example.com", "deny": ["autogroup:internet:80"]}, id="internet"),
        pytest.param({"src": "odin@example.com", "deny": ["10.0.0.1/32:80"]}, id="prefix"),
        pytest.param({"src": "odin@example.com", "deny": ["lan:80"]}, id="wide-host"),
        pytest.param({"src": "odin@example.com", "deny": ["tag:router:80"]}, id="nobody-has-the-tag"),
        pytest.param({"src": "odin@example.com", "accept": ["tag:server:23"]}, id="not-allowed"),
        pytest.param({"src": "odin@example.com", "deny": ["tag:server:22"]}, id="allowed"),
        pytest.param({"src": "thor@example.org", "accept": ["tag:server:22"]}, id="not-a-source"),
        pytest.param({"src": "autogroup:member", "accept": ["tag:server:22"]}, id="not-every-source"),
    ],
)
def test_a_test_that_does_not_hold_refuses_the_policy(test):
    assert a_failing_test(test).startswith("tests[0]: ")


def test_a_failing_test_says_what_failed_and_why():
    hint = a_failing_test({"src": "thor@example.org", "accept": ["web:22"], "deny": ["web:443"]})
    assert hint == "tests[0]: thor@example.org may not reach web:22, and the test says that it may"


def test_tests_that_hold_pass():
    check(json.dumps({
        **NAMES, "acls": [allow("odin@example.com", "tag:server:22"), allow("thor@example.org", "web:53", proto="udp")],
        "tests": [
            {"src": "odin@example.com", "accept": ["tag:server:22", "100.64.0.3:22", "[fd7a:115c:a1e0::3]:22"],
             "deny": ["tag:server:23"]},
            {"src": "thor@example.org", "proto": "udp", "accept": ["web:53"]},
            {"src": "thor@example.org", "proto": "tcp", "deny": ["web:53"]},
            {"src": "group:ops", "proto": "6", "accept": ["web:22"]},
        ],
    }), NETWORK)  # fmt: skip


def test_without_acls_and_grants_tests_are_held_against_everything_allowed():
    check(json.dumps({**NAMES, "tests": [{"src": "192.0.2.1", "accept": ["web:22"]}]}), NETWORK)


def test_a_test_may_say_what_posture_its_device_has():
    policy = {**NAMES, "acls": [allow("odin@example.com", "tag:server:22", srcPosture=["posture:fit"])]}
    fit = {"src": "odin@example.com", "accept": ["web:22"], "srcPostureAttrs": {"node:os": "linux"}}
    unfit = {"src": "odin@example.com", "deny": ["web:22"]}
    check(json.dumps({**policy, "tests": [fit, unfit]}), NETWORK)


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        pytest.param({"src": "odin@example.com", "dst": ["tag:server"], "accept": ["deploy"]}, True, id="accept"),
        pytest.param({"src": "odin@example.com", "dst": ["tag:server"], "check": ["root"]}, True, id="check"),
        pytest.param(
            {"src": "odin@example.com", "dst": ["tag:server"], "accept": ["root"]}, True, id="a-check-accepts"
        ),
        pytest.param({"src": "odin@example.com", "dst": ["tag:server"], "check": ["deploy"]}, False, id="no-check"),
        pytest.param({"src": "odin@example.com", "dst": ["web"], "deny": ["other"]}, True, id="denied"),
        pytest.param({"src": "thor@example.org", "dst": ["100.64.0.3"], "deny": ["root"]}, True, id="another-person"),
        pytest.param(
            {"src": "thor@example.org", "dst": ["100.64.0.9"], "deny": ["root"]}, False, id="nobody-s-address"
        ),
        pytest.param({"src": "odin@example.com", "dst": ["autogroup:self"], "deny": ["root"]}, True, id="own-devices"),
        pytest.param({"src": "tag:server", "dst": ["autogroup:self"], "deny": ["root"]}, False, id="a-tag-s-own"),
        pytest.param({"src": "odin@example.com", "dst": ["tag:server"]}, False, id="claims-nothing"),
        pytest.param({"src": "odin@example.com", "dst": ["tag:server"], "accept": [""]}, False, id="empty-login"),
    ],
)
def test_ssh_tests_hold_or_refuse_the_policy(test, holds):
    sections = {**NAMES, "acls": [], "sshTests": [test], "ssh": [
        login(users=["deploy"])["ssh"][0], login(action="check", users=["root"])["ssh"][0],
    ]}  # fmt: skip
    if holds:
        check(json.dumps(sections), NETWORK)
    else:
        assert refusal(**sections) == "test(s) failed"
