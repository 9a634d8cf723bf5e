"""Lives and permissions, and the names that a certificate gets."""

from __future__ import annotations

import pytest
from certificate_builders import HOST, NOW, USER

from model.errors import Invalid
from model.ids import Address, DeviceName, DNSName, Domain, Serial, Tag, UserName
from model.records import Role
from sshca import (
    Claim,
    Lives,
    check_claims,
    fresh_principal,
    grant,
    host_key_id,
    host_principals,
    tag_principals,
    user_key_id,
    user_principals,
    validity,
)

ALICE = UserName("alice@example.com")
CI, DB = Tag("tag:ci"), Tag("tag:db")
LIVES = Lives(60, 3600, 7200)


def test_a_person_has_sixteen_hours_and_a_host_seven_days() -> None:
    assert grant((), USER).lives.default == 16 * 3600
    assert grant((), HOST).lives.default == 7 * 24 * 3600


def test_a_host_is_granted_no_extension() -> None:
    assert grant((), HOST).extensions == frozenset()


def test_the_narrower_row_overlays_the_wider() -> None:
    table = (
        Claim(kind=USER, default=100, maximum=1000),
        Claim(kind=USER, role=Role.OPERATOR, default=500),
        Claim(kind=USER, tag=CI, force_command="deploy"),
        Claim(kind=HOST, default=86400),
    )
    assert grant(table, USER).lives == Lives(10, 100, 1000)
    assert grant(table, USER, role=Role.OPERATOR).lives == Lives(10, 500, 1000)
    assert grant(table, USER, tags=[CI]).force_command == "deploy"
    assert grant(table, USER, tags=[CI]).lives == Lives(10, 100, 1000)
    assert grant(table, USER).force_command is None
    assert grant(table, HOST).lives.default == 86400


def test_an_inherited_default_gives_way_to_a_lower_maximum() -> None:
    assert grant([Claim(kind=USER, role=Role.ADMIN, maximum=600)], USER, role=Role.ADMIN).lives == Lives(10, 600, 600)


def test_of_several_tags_the_strictest_holds() -> None:
    table = [
        Claim(kind=USER, tag=CI, maximum=600, extensions=frozenset({"permit-pty", "permit-user-rc"}), approval=900),
        Claim(kind=USER, tag=DB, maximum=300, extensions=frozenset({"permit-pty"}), verify_required=True, approval=60),
    ]
    both = grant(table, USER, tags=[DB, CI])
    assert both.lives.maximum == 300
    assert both.extensions == {"permit-pty"}
    assert both.verify_required
    assert both.approval == 60
    assert both == grant(reversed(table), USER, tags=[CI, DB])


def test_two_tags_cannot_force_two_commands() -> None:
    table = [Claim(kind=USER, tag=CI, force_command="a"), Claim(kind=USER, tag=DB, force_command="b")]
    with pytest.raises(Invalid, match="different commands"):
        grant(table, USER, tags=[CI, DB])


@pytest.mark.parametrize(
    ("table", "because"),
    [
        pytest.param([Claim(kind=USER, minimum=0)], "out of order", id="no-minimum"),
        pytest.param([Claim(kind=USER, minimum=100, default=50)], "out of order", id="default-under-minimum"),
        pytest.param([Claim(kind=USER, default=100, maximum=50)], "out of order", id="default-over-maximum"),
        pytest.param([Claim(kind=HOST, maximum=400 * 86400)], "out of order", id="longer-than-a-year"),
        pytest.param([Claim(kind=USER), Claim(kind=USER)], "two claims", id="twice"),
        pytest.param([Claim(kind=USER, role=Role.ADMIN, tag=CI)], "not for both", id="role-and-tag"),
        pytest.param([Claim(kind=HOST, force_command="x")], "host's claim", id="host-with-command"),
        pytest.param([Claim(kind=USER, approval=0)], "no time", id="consent-for-no-time"),
        pytest.param([Claim(kind=USER, extensions=frozenset({"permit-all"}))], "not known", id="unknown-extension"),
        pytest.param([Claim(kind=USER, extensions=frozenset({"no-touch-required"}))], "not known", id="no-touch"),
    ],
)
def test_an_unsound_table_is_refused(table: list[Claim], because: str) -> None:
    with pytest.raises(Invalid, match=because):
        check_claims(table)


def test_a_sound_table_passes() -> None:
    check_claims([Claim(kind=USER), Claim(kind=HOST, maximum=86400), Claim(kind=USER, tag=CI, default=600)])


@pytest.mark.parametrize(
    ("asked", "limits", "life"),
    [
        pytest.param(None, (), 3600, id="the-default"),
        pytest.param(600, (), 600, id="what-was-asked"),
        pytest.param(86400, (), 7200, id="at-most-the-maximum"),
        pytest.param(600, (NOW + 300, None, NOW + 400), 300, id="at-most-the-nearest-limit"),
    ],
)
def test_the_validity_is_the_shortest_of_all(asked: int | None, limits: tuple[int | None, ...], life: int) -> None:
    after, before = validity(LIVES, now=NOW, asked=asked, limits=limits)
    assert before == NOW + life
    assert NOW - 120 <= after <= NOW - 60


@pytest.mark.parametrize(("asked", "limits"), [(59, ()), (0, ()), (-1, ()), (None, (NOW + 30,)), (None, (NOW - 30,))])
def test_too_short_a_life_is_refused(asked: int | None, limits: tuple[int, ...]) -> None:
    with pytest.raises(Invalid):
        validity(LIVES, now=NOW, asked=asked, limits=limits)


def test_a_person_is_named_and_nothing_else_is() -> None:
    assert user_principals(ALICE, valid_before=NOW + 60) == ("alice@example.com",)


@pytest.mark.parametrize(
    ("fresh_at", "expected"),
    [
        pytest.param(None, [], id="never-shown-to-be-them"),
        pytest.param(NOW, ["fresh:3600:alice@example.com", "fresh:7200:alice@example.com"], id="just-now"),
        pytest.param(NOW - 1, ["fresh:7200:alice@example.com"], id="a-second-too-long-ago"),
        pytest.param(NOW - 5000, [], id="long-ago"),
    ],
)
def test_freshness_is_named_where_the_certificate_ends_within_it(fresh_at: int | None, expected: list[str]) -> None:
    principals = user_principals(ALICE, valid_before=NOW + 3600, fresh_at=fresh_at, windows=(7200, 60, 3600))
    assert list(principals) == ["alice@example.com", *expected]
    assert fresh_principal(60, ALICE) not in principals


def test_a_tagged_device_is_named_by_its_tags() -> None:
    assert tag_principals([DB, CI, DB]) == ("tag:ci", "tag:db")
    with pytest.raises(Invalid, match="without tags"):
        tag_principals([])


def test_a_host_is_named_by_its_names_and_addresses() -> None:
    assert host_principals(
        DeviceName("db-1"), Domain("net.example.com"), [Address("fd7a:115c:a1e0::9"), Address("100.64.0.9")],
        [DNSName("postgres.net.example.com"), DNSName("db-1.net.example.com")],
    ) == ("db-1.net.example.com", "db-1", "postgres.net.example.com", "100.64.0.9", "fd7a:115c:a1e0::9")  # fmt: skip


def test_a_key_id_says_who_which_device_and_which_certificate() -> None:
    assert user_key_id(ALICE, DeviceName("laptop"), Serial(1042)) == "alice@example.com/laptop/1042"
    assert user_key_id(None, DeviceName("runner"), Serial(7)) == "runner/7"
    assert host_key_id(DeviceName("db-1"), Domain("net.example.com"), Serial(7)) == "db-1.net.example.com/7"
