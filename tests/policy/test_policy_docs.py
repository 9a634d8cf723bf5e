"""The page that operators write policies from: its example is taken, and its claims hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from policy_builders import a_device, a_network, a_user

from model.errors import PolicyRefused
from model.network import Network
from policy import DEFAULT_POLICY, check, explain, hujson, program, selectors
from policy.described import check_described

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
ALICE, BOB = "alice@example.com", "bob@example.com"
LAPTOP, PHONE, DB = a_device(1, ALICE), a_device(2, BOB), a_device(3, tags=["tag:db"])
ROUTER = a_device(4, tags=["tag:router"], routes=["10.1.0.0/16"])
EXIT = a_device(5, tags=["tag:exit"], routes=["0.0.0.0/0", "::/0"])
NETWORK = a_network(LAPTOP, PHONE, DB, ROUTER, EXIT, users=[a_user(ALICE, 1), a_user(BOB, 2)])


def the_example() -> str:
    found = re.search(r"<!-- example -->\n```json5\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_example_s_own_tests_hold():
    assert check(the_example(), NETWORK).warnings == ()


def test_the_example_is_taken_in_the_network_that_the_page_describes():
    found = re.search(r"<!-- network -->\n```json\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    answer = check_described(the_example(), json.loads(found.group(1)))
    assert (answer["accepted"], answer.get("warnings")) == (True, [])
    assert not check_described(the_example(), {"users": [ALICE, BOB], "devices": {}})["accepted"]


def test_the_example_means_what_the_page_says():
    found = check(the_example(), NETWORK)
    assert explain(found, "alice", "tag:db", 5432).allowed
    assert not explain(found, "bob", "tag:db", 5432).allowed
    assert explain(found, "bob", "printer", 631).allowed
    assert found.logins(DB.id) == {"root": (f"fresh:3600:{ALICE}",)}
    assert found.logins(LAPTOP.id) == {"*": (ALICE,)}
    offered = a_device(9, tags=["tag:router"], advertised=["10.1.7.0/24"])
    assert found.auto_approved(offered) == ("10.1.7.0/24",)


def test_the_example_s_tests_would_catch_a_slip():
    slip = the_example().replace('"src": ["group:ops"], "dst": ["tag:db:5432,22"]', '"src": ["*"], "dst": ["tag:db:*"]')
    with pytest.raises(PolicyRefused, match=r"test\(s\) failed") as refused:
        check(slip, NETWORK)
    assert refused.value.hint is not None
    assert "bob@example.com may reach tag:db:5432" in refused.value.hint


def test_every_section_and_selector_is_on_the_page():
    sections = [
        "groups", "hosts", "ipsets", "tagOwners", "acls", "grants", "ssh", "autoApprovers", "tests", "sshTests",
        "nodeAttrs", "postures", "defaultSrcPosture", "srcPosture", "checkPeriod", "acceptEnv", "localpart:", "via",
    ]  # fmt: skip
    names = [name.removeprefix("autogroup") for name in selectors.AUTOGROUPS]
    assert [name for name in sections if name not in PAGE] == []
    rare = {":network-admin", ":billing-admin", ":shared"}
    assert [name for name in names if name not in PAGE and name not in rare] == []


def test_the_limits_on_the_page_are_those_of_the_program():
    assert hujson.MAX_BYTES == 4 * 2**20
    for limit in (hujson.MAX_VALUES, program.MAX_RULES, program.MAX_CELLS, selectors.MAX_IPSET_STEPS):
        assert f"{limit:,}" in PAGE
    for depth in (hujson.MAX_DEPTH, selectors.MAX_IPSET_DEPTH):
        assert f"{depth} levels" in PAGE


def test_a_new_network_s_policy_lets_people_reach_their_own_devices_and_nothing_else():
    other = a_device(8, ALICE)
    found = check(DEFAULT_POLICY, a_network(LAPTOP, other, PHONE, DB))
    assert found.peers(LAPTOP.id).keys() == {other.id}
    assert found.peers(DB.id) == {}
    assert found.logins(LAPTOP.id) == {"*": (ALICE,), "root": (ALICE,)}


def test_checking_a_policy_starts_without_what_takes_long_to_import():
    heavy = "asyncio, asyncssh, textual, sqlite3, httpx, cryptography"
    code = f"import sys, policy; print(*(sys.modules.keys() & set('{heavy}'.split(', '))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_new_network_s_policy_fits_one_without_anybody():
    assert check(DEFAULT_POLICY, Network(domain="net.example.com")).warnings == ()
