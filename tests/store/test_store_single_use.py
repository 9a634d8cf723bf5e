"""What serves once serves once, also to two who come at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from store_builders import Clock, a_user

from model.errors import Conflict, NotFound, WardgateError
from model.ids import EnrollmentKeyID, UserName
from model.records import EnrollmentKey
from store import Store, Transaction, codes, enrollment_keys, identities, logins, totp

ALICE = UserName("alice@example.com")


def a_key(tx: Transaction, **fields: object) -> EnrollmentKey:
    return enrollment_keys.add(
        tx,
        **{"hash": "h", "created_by": "local:0", "expires_at": tx.now + 60, "tags": ("tag:ci",), **fields},  # type: ignore[arg-type]
    )


def at_once(store: Store, work: Callable[[Transaction], object], times: int = 12) -> list[object]:
    """What each of several threads got of the same work, a fault as its type."""
    results: list[object] = []
    start = threading.Barrier(times)

    def run() -> None:
        start.wait()
        try:
            results.append(store.transact(work))
        except WardgateError as fault:
            results.append(type(fault))

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("uses", [1, 5])
def test_an_enrollment_key_serves_as_often_as_it_says(store: Store, uses: int) -> None:
    store.transact(lambda tx: a_key(tx, uses_left=uses))
    results = at_once(store, lambda tx: enrollment_keys.take(tx, "h", tx.now).uses_left)
    assert sorted(left for left in results if isinstance(left, int)) == list(range(uses))
    assert results.count(Conflict) == 12 - uses


def test_an_unlimited_enrollment_key_stays_so(store: Store) -> None:
    store.transact(lambda tx: a_key(tx, uses_left=None))
    assert at_once(store, lambda tx: enrollment_keys.take(tx, "h", tx.now).uses_left) == [None] * 12


def test_an_enrollment_key_that_expired_is_refused_by_name(store: Store, clock: Clock) -> None:
    store.transact(a_key)
    clock.now += 60
    with pytest.raises(Conflict, match="enrollment key 1 has expired"):
        store.transact(lambda tx: enrollment_keys.take(tx, "h", tx.now))


def test_an_enrollment_key_that_was_revoked_is_refused_by_name(store: Store) -> None:
    store.transact(a_key)
    first = store.transact(lambda tx: enrollment_keys.revoke(tx, EnrollmentKeyID("1")))
    assert store.transact(lambda tx: enrollment_keys.revoke(tx, EnrollmentKeyID("1"))) == first
    with pytest.raises(Conflict, match="enrollment key 1 was revoked"):
        store.transact(lambda tx: enrollment_keys.take(tx, "h", tx.now))


def test_an_enrollment_key_that_nobody_made_is_not_known(store: Store) -> None:
    with pytest.raises(NotFound, match="not known"):
        store.transact(lambda tx: enrollment_keys.take(tx, "h", tx.now))


def test_a_use_that_is_rolled_back_was_none(store: Store) -> None:
    store.transact(a_key)

    def refused(tx: Transaction) -> None:
        enrollment_keys.take(tx, "h", tx.now)
        raise Conflict("name taken")

    with pytest.raises(Conflict, match="name taken"):
        store.transact(refused)
    assert store.transact(lambda tx: enrollment_keys.take(tx, "h", tx.now)).uses_left == 0


def test_a_totp_step_serves_once_and_no_earlier_one_after_it(store: Store) -> None:
    store.transact(lambda tx: totp.put(tx, a_user(tx).name, b"sealed"))
    assert at_once(store, lambda tx: totp.use_step(tx, ALICE, 100)).count(True) == 1
    assert not store.transact(lambda tx: totp.use_step(tx, ALICE, 99))
    assert store.transact(lambda tx: totp.use_step(tx, ALICE, 101))


def test_a_totp_secret_counts_once_a_code_of_it_was_shown(store: Store, clock: Clock) -> None:
    store.transact(lambda tx: totp.put(tx, a_user(tx).name, b"sealed"))
    found = store.read(lambda r: totp.get(r, ALICE))
    assert found is not None
    assert (found.secret, found.confirmed_at) == (b"sealed", None)
    store.transact(lambda tx: totp.use_step(tx, ALICE, 100))
    clock.now += 30
    store.transact(lambda tx: totp.use_step(tx, ALICE, 101))
    found = store.read(lambda r: totp.get(r, ALICE))
    assert found is not None
    assert found.confirmed_at == clock.now - 30


def test_a_step_of_nobody_is_refused(store: Store) -> None:
    assert not store.transact(lambda tx: totp.use_step(tx, ALICE, 1))


def test_a_recovery_code_serves_once(store: Store) -> None:
    store.transact(lambda tx: totp.put_recovery_codes(tx, a_user(tx).name, ["a", "b", "c"]))
    assert at_once(store, lambda tx: totp.use_recovery_code(tx, ALICE, "b")).count(True) == 1
    assert not store.transact(lambda tx: totp.use_recovery_code(tx, ALICE, "z"))
    assert store.read(lambda r: totp.recovery_codes_left(r, ALICE)) == 2


def test_taking_the_second_factor_away_takes_its_recovery_codes(store: Store) -> None:
    def work(tx: Transaction) -> None:
        totp.put(tx, a_user(tx).name, b"sealed")
        totp.put_recovery_codes(tx, ALICE, ["a"])

    store.transact(work)
    assert store.transact(lambda tx: totp.remove(tx, ALICE))
    assert not store.transact(lambda tx: totp.use_recovery_code(tx, ALICE, "a"))
    assert not store.transact(lambda tx: totp.remove(tx, ALICE))


def an_invitation(tx: Transaction, hash: str = "h") -> codes.Code:
    return codes.add(tx, hash=hash, kind="invitation", user=ALICE, by="local:0", expires_at=tx.now + 60)


def test_a_code_serves_once(store: Store) -> None:
    store.transact(lambda tx: (a_user(tx), an_invitation(tx)))
    results = at_once(store, lambda tx: codes.take(tx, "h", "invitation").user)
    assert (results.count(ALICE), results.count(Conflict)) == (1, 11)


def test_a_newer_code_of_a_kind_takes_the_place_of_the_older(store: Store) -> None:
    store.transact(lambda tx: (a_user(tx), an_invitation(tx, "old"), an_invitation(tx, "new")))
    with pytest.raises(NotFound):
        store.transact(lambda tx: codes.take(tx, "old", "invitation"))
    assert [code.hash for code in store.read(lambda r: codes.waiting(r, ALICE))] == ["new"]


def test_a_code_of_another_kind_or_that_expired_is_refused(store: Store, clock: Clock) -> None:
    store.transact(lambda tx: (a_user(tx), an_invitation(tx)))
    with pytest.raises(NotFound):
        store.transact(lambda tx: codes.take(tx, "h", "password-reset"))
    clock.now += 60
    with pytest.raises(Conflict, match="has expired"):
        store.transact(lambda tx: codes.take(tx, "h", "invitation"))


def test_an_identity_is_bound_to_one_user(store: Store) -> None:
    store.transact(lambda tx: (a_user(tx), a_user(tx, "bob@example.com")))
    bound = store.transact(lambda tx: identities.bind(tx, "https://id.example.com", "17", ALICE))
    assert store.transact(lambda tx: identities.bind(tx, "https://id.example.com", "17", ALICE)) == bound
    with pytest.raises(Conflict, match="belongs to another user"):
        store.transact(lambda tx: identities.bind(tx, "https://id.example.com", "17", UserName("bob@example.com")))
    store.transact(lambda tx: identities.bind(tx, "https://other.example.com", "17", UserName("bob@example.com")))


def test_an_unbound_identity_is_nobodys(store: Store) -> None:
    store.transact(lambda tx: identities.bind(tx, "i", "s", a_user(tx).name))
    store.transact(lambda tx: identities.unbind(tx, "i", "s"))
    assert store.read(lambda r: identities.of(r, "i", "s")) is None
    with pytest.raises(NotFound):
        store.transact(lambda tx: identities.unbind(tx, "i", "s"))


def test_a_login_runs_until_it_ends_or_is_ended(store: Store, clock: Clock) -> None:
    def work(tx: Transaction) -> logins.Login:
        a_user(tx)
        begun = dict(user=ALICE, method="password", factors=("password", "totp"), source="192.0.2.7")  # noqa: C408
        logins.start(tx, **begun, ends_at=tx.now + 60)  # type: ignore[arg-type]
        return logins.start(tx, **begun, ends_at=tx.now + 90)  # type: ignore[arg-type]

    second = store.transact(work)
    assert len(store.read(lambda r: logins.running(r, ALICE))) == 2
    clock.now += 60
    assert store.read(lambda r: logins.running(r, ALICE)) == (second,)
    assert [login.id for login in store.read(lambda r: logins.ended(r, clock.now - 1))] == ["1"]
    (ended,) = store.transact(lambda tx: logins.end_all(tx, ALICE))
    assert ended.ended_at == clock.now
    assert store.read(lambda r: logins.running(r, ALICE)) == ()
    assert store.transact(lambda tx: logins.end(tx, second.id)) == ended
