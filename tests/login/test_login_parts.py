"""Passwords, guesses, codes, conversations, settings: the parts that need no door."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from pathlib import Path

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate import backups, network
from gate import settings as settings_table
from gate.login import invitations, totp
from gate.login.guesses import FREE, LONGEST_WAIT, Guesses
from gate.login.issuers import Issuer, parse
from gate.login.passwords import hash_password, matches
from gate.login.sealing import Seal
from gate.login.talk import Challenge, Talk
from gate.login.who import told
from model.errors import Denied, Invalid, Unavailable
from model.keys import SSHKey
from model.records import Role
from store import Store
from store.layout import DATABASE

# Passwords.


def test_a_password_matches_its_hash_and_no_other() -> None:
    kept = hash_password("correct horse battery")
    assert kept.startswith("$argon2id$")
    assert matches(kept, "correct horse battery")
    assert not matches(kept, "correct horse batterz")
    assert not matches(None, "correct horse battery")
    assert not matches("damaged", "correct horse battery")


def test_a_password_is_prepared_so_that_it_can_be_typed_anywhere() -> None:
    assert matches(hash_password("Ⅸ sailing ships"), "IX sailing ships")


@pytest.mark.parametrize("password", ["short", "x" * 300, "null\x00character"])
def test_a_password_that_cannot_be_one_is_refused_without_being_repeated(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        hash_password(password)
    assert password not in str(refused.value)
    assert not matches(hash_password("correct horse battery"), password)


# Guesses.


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_few_wrong_guesses_are_free_and_then_waits_double() -> None:
    clock = Clock()
    guesses, waits = Guesses(clock), []
    for _ in range(FREE + 4):
        waits.append(guesses.wait("alice", "192.0.2.1"))
        guesses.failed("alice", "192.0.2.1")
        clock.now += guesses.wait("alice", "192.0.2.1")
    assert waits[:FREE] == [0] * FREE
    guesses.failed("alice", "192.0.2.1")
    first = guesses.wait("alice", "192.0.2.1")
    clock.now += first
    guesses.failed("alice", "192.0.2.1")
    assert guesses.wait("alice", "192.0.2.1") == pytest.approx(2 * first)


def test_strangers_cannot_lock_a_person_out_where_they_were_before() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    guesses.succeeded("alice", "198.51.100.7")
    for number in range(200):
        guesses.failed("alice", f"192.0.2.{number}")
    assert guesses.wait("alice", "192.0.2.1") > 0
    assert guesses.wait("alice", "198.51.100.7") == 0


def test_a_lock_never_lasts_longer_than_its_limit_and_an_operator_lifts_it() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(100):
        guesses.failed("alice", "192.0.2.1")
    assert 0 < guesses.wait("alice", "192.0.2.9") <= LONGEST_WAIT
    assert [lock.name for lock in guesses.locks()] == ["alice", "192.0.2.1"]
    assert guesses.lift("alice")
    assert guesses.wait("alice", "192.0.2.9") == 0


def test_names_that_nobody_has_are_counted_alike() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(FREE):
        guesses.failed("alice", "192.0.2.1")
        guesses.failed("nobody", "192.0.2.2")
    assert guesses.wait("alice", "192.0.2.1") == guesses.wait("nobody", "192.0.2.2") > 0


def test_one_address_cannot_try_many_names() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for number in range(FREE * 4):
        guesses.failed(f"user-{number}", "192.0.2.1")
    assert guesses.wait("one-more", "192.0.2.1") > 0
    assert guesses.wait("one-more", "192.0.2.2") == 0


def test_right_passwords_of_many_behind_one_address_are_no_guesses() -> None:
    guesses = Guesses(Clock())
    for number in range(FREE * 8):
        assert guesses.wait(f"user-{number}", "192.0.2.1") == 0
        guesses.failed(f"user-{number}", "192.0.2.1")
        guesses.succeeded(f"user-{number}", "192.0.2.1")
    assert guesses.wait("one-more", "192.0.2.1") == 0


def test_an_own_login_forgives_no_guesses_at_others_from_there() -> None:
    guesses = Guesses(Clock())
    for number in range(FREE * 4 - 1):
        guesses.failed(f"user-{number}", "192.0.2.1")
        guesses.failed("mallory", f"198.51.100.{number}")
    guesses.failed("mallory", "192.0.2.1")
    guesses.succeeded("mallory", "192.0.2.1")
    guesses.failed("one-more", "192.0.2.1")
    assert guesses.wait("another", "192.0.2.1") > 0


def test_an_address_whose_wait_was_lifted_has_no_guesses_to_spare_after_a_login() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(FREE - 2):
        guesses.failed("mallory", "192.0.2.1")
    guesses.lift("192.0.2.1")
    guesses.failed("mallory", "192.0.2.1")
    guesses.succeeded("mallory", "192.0.2.1")
    for number in range(FREE * 4):
        guesses.failed(f"user-{number}", "192.0.2.1")
    assert guesses.wait("one-more", "192.0.2.1") > 0


def test_a_storm_of_guesses_keeps_nobody_out_where_they_were_before() -> None:
    guesses = Guesses(Clock(), rate=1, burst=10)
    guesses.succeeded("alice", "198.51.100.7")
    assert [guesses.wait(f"user-{number}", f"10.{number}.0.1") for number in range(20)][-1] > 0
    assert guesses.wait("alice", "198.51.100.7") == 0


def test_all_guesses_together_are_limited() -> None:
    clock = Clock()
    guesses = Guesses(clock, rate=1, burst=10)
    waits = [guesses.wait(f"user-{number}", f"10.{number}.0.1") for number in range(20)]
    assert sum(wait == 0 for wait in waits) == 10


# Time-based and recovery codes.


def test_a_code_and_its_neighbours_are_right_with_white_space_too() -> None:
    secret, now = totp.new_secret(), 1_700_000_015
    generator = pyotp.TOTP(totp.shown(secret).replace(" ", ""))
    for at in (now - 30, now, now + 30):
        code = generator.at(at)
        assert totp.step_of(secret, f" {code[:3]} {code[3:]}\t", now) == at // 30
    assert totp.step_of(secret, generator.at(now - 90), now) is None


@given(st.text(max_size=40))
def test_no_text_breaks_the_checking_of_codes(text: str) -> None:
    assert totp.step_of(b"x" * 20, text, 1_700_000_000) in {None, *range(56_666_665, 56_666_670)}
    assert isinstance(totp.recovery_hash("alice", text), str)


def test_a_recovery_code_may_be_typed_with_or_without_its_hyphens() -> None:
    code = str(totp.new_recovery_codes()[0])
    assert totp.looks_like_recovery(code)
    assert totp.recovery_hash("alice", code) == totp.recovery_hash("alice", code.replace("-", " ").upper())
    assert totp.recovery_hash("alice", code) != totp.recovery_hash("bob", code)


def test_secrets_do_not_show_when_printed() -> None:
    assert "otpauth" not in repr(totp.uri(b"x" * 20, "alice", "net.test"))
    assert repr(totp.new_recovery_codes()[0]) == "Secret('…')"


def test_what_is_sealed_opens_for_its_purpose_alone(tmp_path: Path) -> None:
    seal = Seal.of(tmp_path)
    sealed = seal.seal(b"secret", "totp alice")
    assert Seal.of(tmp_path).open(sealed, "totp alice") == b"secret"
    assert os.stat(tmp_path / "login_key").st_mode & 0o777 == 0o600
    with pytest.raises(Unavailable):
        seal.open(sealed, "totp bob")
    (tmp_path / "login_key").unlink()
    with pytest.raises(Unavailable, match="cannot be opened"):
        Seal.of(tmp_path).open(sealed, "totp alice")


def test_an_invitation_carries_the_host_cas_fingerprint() -> None:
    key = SSHKey(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(32))
    code = invitations.new(key)
    assert invitations.host_ca_fingerprint(code) == key.fingerprint
    assert invitations.hash_of(f" {code}\n") == invitations.hash_of(code)
    assert invitations.hash_of("wgi_short") is None


# Conversations.


async def test_a_conversation_asks_and_ends() -> None:
    async def script(talk: Talk[str]) -> str:
        name = await talk.ask_one("name: ", shows=True)
        first, again = await talk.ask(("one: ", False), ("two: ", False))
        return name + first + again

    talk = Talk(script)
    assert await talk.begin() == Challenge((("name: ", True),))
    assert await talk.answer(("a",)) == Challenge((("one: ", False), ("two: ", False)))
    assert await talk.answer(("b", "c")) == "abc"


async def test_a_second_answer_while_the_first_is_looked_at_finds_it_over() -> None:
    looked_at = []

    async def script(talk: Talk[bool]) -> bool:
        looked_at.append(await talk.ask_one("password: "))
        await asyncio.sleep(60)
        return True

    talk = Talk(script)
    await talk.begin()
    first = asyncio.ensure_future(talk.answer(("one",)))
    while not looked_at:
        await asyncio.sleep(0)
    assert await talk.answer(("two",)) is None
    await asyncio.wait([first])
    assert looked_at == ["one"]


@pytest.mark.parametrize("answers", [(), ("a", "b")])
async def test_answers_that_do_not_fit_the_questions_end_it(answers: tuple[str, ...]) -> None:
    async def script(talk: Talk[str]) -> str:
        return await talk.ask_one("password: ")

    talk = Talk(script)
    await talk.begin()
    assert await talk.answer(answers) is None
    assert await talk.answer(("late",)) is None


# Providers as settings name them.


def an_issuer(**more: object) -> dict[str, object]:
    return {"example": {"issuer": "https://idp.test", "client_id": "wardgate"} | more}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param({"example": {}}, "issuer", id="nothing-in-it"),
        pytest.param(an_issuer(secret="x"), "secret", id="unknown-field"),
        pytest.param(an_issuer(issuer="http://idp.test"), "https", id="not-https"),
        pytest.param(an_issuer(issuer="https://idp.test?x=1"), "query", id="query"),
        pytest.param(an_issuer(algorithms=["HS256"]), "HS256", id="shared-secret-algorithm"),
        pytest.param(an_issuer(algorithms=["none"]), "none", id="no-algorithm"),
        pytest.param(an_issuer(group_map={"eng": "eng"}), "not a group", id="not-a-group"),
        pytest.param(an_issuer(role_map={"x": "owner"}), "no claim makes an owner", id="owner-by-claim"),
        pytest.param(an_issuer(role_map={"x": "god"}), "god", id="unknown-role"),
        pytest.param(an_issuer(create=True), "create needs domains", id="anyone-may-come"),
        pytest.param(an_issuer(scopes=["email"]), "openid", id="no-openid"),
        pytest.param({"a;b": an_issuer()["example"]}, "not a provider's name", id="name"),
        pytest.param(["x"], "object", id="a-list"),
    ],
)
def test_bad_settings_are_refused_with_the_place(value: object, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse(value)


def test_a_client_secret_shows_nowhere() -> None:
    issuer = parse(an_issuer(client_secret="hunter2hunter2"))["example"]
    assert "hunter2" not in repr(issuer)


# From claims to a person.


def whom(claims: dict[str, object], **settings: object) -> object:
    issuer = parse(an_issuer(**settings))["example"]
    assert isinstance(issuer, Issuer)
    return told(issuer, claims, "net.test")


GOOD = {"email": "Alice@Net.Test", "email_verified": True, "groups": ["eng", "oncall"], "preferred_username": "alice"}


def test_a_name_comes_from_its_claim_prepared() -> None:
    assert whom(GOOD).name == "alice@net.test"  # type: ignore[attr-defined]
    assert whom(GOOD, name_claim="preferred_username").name == "alice@net.test"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("claims", "settings", "says"),
    [
        pytest.param({}, {}, "does not say who you are", id="no-claim"),
        pytest.param({"email": "alice@net.test"}, {}, "not verified", id="unverified"),
        pytest.param({"email": "alice@net.test", "email_verified": "true"}, {}, "not verified", id="verified-as-text"),
        pytest.param({"email": ["alice@net.test"], "email_verified": True}, {}, "does not say", id="list-of-names"),
        pytest.param({"email": "device@net.test", "email_verified": True}, {}, "cannot be one", id="name-of-a-door"),
        pytest.param(GOOD, {"domains": ["other.test"]}, "not among", id="other-domain"),
        pytest.param(GOOD, {"users": ["bob"]}, "not among", id="other-users"),
        pytest.param(GOOD, {"groups": ["ops"], "groups_claim": "groups"}, "none of the groups", id="other-groups"),
        pytest.param(GOOD, {"groups": ["eng"]}, "none of the groups", id="groups-without-a-claim"),
    ],
)
def test_who_is_not_let_in_is_told_why(claims: dict[str, object], settings: dict[str, object], says: str) -> None:
    with pytest.raises(Denied, match=says):
        whom(claims, **settings)


def test_groups_and_roles_come_by_their_maps_alone() -> None:
    found = whom(
        GOOD, groups_claim="groups", group_map={"eng": "group:eng"}, role_map={"oncall": "operator", "eng": "auditor"}
    )
    assert found.groups == ("group:eng",)  # type: ignore[attr-defined]
    assert found.role is Role.OPERATOR  # type: ignore[attr-defined]


def test_a_nested_claim_is_found() -> None:
    claims = GOOD | {"realm_access": {"roles": ["eng"]}}
    found = whom(claims, groups_claim="realm_access.roles", group_map={"eng": "group:eng"})
    assert found.groups == ("group:eng",)  # type: ignore[attr-defined]


VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=10), VALUES))
def test_no_claims_break_it(claims: dict[str, object]) -> None:
    with contextlib.suppress(Denied):
        whom(GOOD | claims, groups_claim="groups", group_map={"x": "group:x"})


def test_a_backup_takes_the_key_of_second_factors_along(tmp_path: Path) -> None:
    state, copy = tmp_path / "state", tmp_path / "copy"
    network.init(state, network.NewNetwork(domain="net.test", owner="alice"))
    sealed = Seal.of(state).seal(b"secret", "totp alice")
    store = Store.open(state / DATABASE)
    with backups.archived(store, state) as archive:
        (tmp_path / "kept.tar").write_bytes(archive.read_bytes())
    store.close()
    backups.restore(tmp_path / "kept.tar", copy)
    assert Seal.of(copy).open(sealed, "totp alice") == b"secret"


@pytest.mark.parametrize("known", [True, False])
def test_a_login_by_key_forgives_no_guesses_of_strangers(known: bool) -> None:
    guesses = Guesses(Clock())
    if known:
        guesses.succeeded("alice", "198.51.100.7")
    for _ in range(FREE):
        guesses.failed("alice", "192.0.2.1")
    guesses.succeeded("alice", "198.51.100.7", guessed=False)
    assert guesses.wait("alice", "192.0.2.1") > 0


def test_a_login_where_one_is_known_forgives_no_guesses_of_strangers() -> None:
    guesses = Guesses(Clock())
    guesses.succeeded("alice", "198.51.100.7")
    for _ in range(FREE):
        guesses.failed("alice", "192.0.2.1")
    guesses.succeeded("alice", "198.51.100.7")
    assert guesses.wait("alice", "192.0.2.1") > 0


LOGIN_MD = (Path(__file__).parents[2] / "docs" / "login.md").read_text()


@pytest.mark.parametrize("text", re.findall(r"```json\n(.*?)```", LOGIN_MD, re.DOTALL))
def test_what_the_document_says_to_enter_is_taken_as_it_stands(text: str) -> None:
    settings = json.loads(text)
    found = settings_table.parse("login.issuers", settings["login.issuers"])
    assert found == settings["login.issuers"]


@pytest.mark.parametrize("provider", ["Keycloak", "Authelia", "Google", "Microsoft Entra ID", "Okta", "GitHub"])
def test_each_provider_is_documented_with_what_to_enter(provider: str) -> None:
    section = LOGIN_MD.partition(f"### {provider}")[2].partition("\n### ")[0]
    assert '"login.issuers"' in section
    assert "127.0.0.1" in section or "loopback" in section
