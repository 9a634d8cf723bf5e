"""Each test of a policy with what came of it, at its line."""

import pytest
from policy_builders import a_device, a_network

from model.errors import PolicyRefused
from policy import compile, read
from policy.outcomes import outcomes

NETWORK = a_network(a_device(1, "alice@example.com", name="laptop"), a_device(2, tags=["tag:db"], name="db-1"))
TEXT = """{
  "tagOwners": {"tag:db": []},
  "acls": [{"action": "accept", "src": ["alice@example.com"], "dst": ["tag:db:5432"]}],
  "ssh": [{"action": "accept", "src": ["alice@example.com"], "dst": ["tag:db"], "users": ["root"]}],
  "tests": [
    {"src": "alice@example.com", "accept": ["tag:db:5432"], "deny": ["tag:db:22"]},
    {"src": "alice@example.com",
     "accept": ["tag:db:5432",
                "tag:db:80"],
     "deny": ["tag:db:5432"]},
  ],
  "sshTests": [{"src": "alice@example.com", "dst": ["tag:db"], "accept": ["root"], "deny": ["root"]}],
}"""


def test_what_passes_and_what_does_not_stand_in_their_order_with_their_lines() -> None:
    first, second, ssh = outcomes(compile(read(TEXT), NETWORK))
    assert (first.name, first.line, first.misses) == ("tests[0]", 6, ())
    assert first.claims == "alice@example.com reaches tag:db:5432; not tag:db:22"
    assert [(miss.line, miss.why.partition(",")[0]) for miss in second.misses] == [
        (9, "alice@example.com may not reach tag:db:80"),
        (10, "alice@example.com may reach tag:db:5432"),
    ]
    assert (ssh.name, ssh.line, len(ssh.misses)) == ("sshTests[0]", 12, 1)
    assert "wanted deny, got accept" in ssh.misses[0].why


def test_a_test_that_names_nothing_here_fails_and_is_no_refusal() -> None:
    (found,) = outcomes(
        compile(read('{"acls": [], "tests": [{"src": "bob@example.com", "accept": ["x:1"]}]}'), NETWORK)
    )
    assert found.misses


def test_an_ssh_test_that_is_none_is_refused_at_its_place() -> None:
    with pytest.raises(PolicyRefused, match="non-empty src") as refused:
        outcomes(compile(read('{\n"sshTests": [{"dst": ["tag:db"]}]}'), NETWORK))
    assert refused.value.line == 2


def test_a_policy_without_tests_has_none() -> None:
    assert outcomes(compile(read('{"acls": []}'), NETWORK)) == ()
