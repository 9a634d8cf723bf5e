"""People, their keys, and what else is theirs alone."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest
from store_builders import Clock, a_device, a_user, an_ssh_key

from model.errors import Ambiguous, Conflict, Invalid, NotFound
from model.ids import UserID, UserName
from model.records import Role, User, UserState
from store import Store, Transaction, preferences, user_keys, users

ALICE = UserName("alice@example.com")
replace = msgspec.structs.replace


def test_a_user_comes_back_as_it_was_put(store: Store) -> None:
    def work(tx: Transaction) -> User:
        user = replace(a_user(tx), email="a@example.org", role=Role.ADMIN, groups=("group:eng", "group:ops"))
        users.put(tx, user)
        return user

    user = store.transact(work)
    assert store.read(users.all) == (user,)
    assert store.read(lambda r: users.by_name(r, ALICE)) == user


def test_a_name_is_one_users(store: Store) -> None:
    store.transact(a_user)
    with pytest.raises(Conflict, match=r'user "alice@example\.com" is taken \(by user 1\)'):
        store.transact(a_user)
    bob = store.transact(lambda tx: a_user(tx, "bob@example.com"))
    with pytest.raises(Conflict):
        store.transact(lambda tx: users.put(tx, replace(bob, name=ALICE)))


@pytest.mark.parametrize("text", ["alice", "ALICE", "alice@example.com", "Alice@Example.com", "ａlice"])
def test_a_user_is_found_by(store: Store, text: str) -> None:
    store.transact(lambda tx: (a_user(tx), a_user(tx, "bob@example.com"), a_user(tx, "bob@example.org")))
    assert store.read(lambda r: users.find(r, text, "other.com")).name == ALICE


def test_a_bare_name_that_several_have_is_ambiguous_and_they_are_named(store: Store) -> None:
    store.transact(lambda tx: (a_user(tx, "bob@example.com"), a_user(tx, "bob@example.org")))
    with pytest.raises(Ambiguous, match=r"bob@example\.com, bob@example\.org"):
        store.read(lambda r: users.find(r, "bob", "example.com"))


def test_nobody_is_found_by_a_part_of_a_name(store: Store) -> None:
    store.transact(a_user)
    for text in ("ali", "alice@example", "%", "_lice"):
        with pytest.raises((NotFound, Invalid)):
            store.read(lambda r, t=text: users.find(r, t, "example.com"))  # type: ignore[misc]


def test_only_active_owners_count(store: Store) -> None:
    def work(tx: Transaction) -> None:
        a_user(tx, "one@example.com", role=Role.OWNER)
        a_user(tx, "two@example.com", role=Role.ADMIN)
        users.put(tx, replace(a_user(tx, "three@example.com", role=Role.OWNER), state=UserState.DISABLED))

    store.transact(work)
    assert store.read(users.owners) == 1


def test_a_password_hash_is_kept_beside_the_record(store: Store) -> None:
    user = store.transact(a_user)
    assert store.read(lambda r: users.password(r, user.id)) is None
    store.transact(lambda tx: users.set_password(tx, user.id, "$argon2id$..."))
    store.transact(lambda tx: users.put(tx, replace(user, role=Role.ADMIN)))
    assert store.read(lambda r: users.password(r, user.id)) == "$argon2id$..."
    store.transact(lambda tx: users.set_password(tx, user.id, None))
    assert store.read(lambda r: users.password(r, user.id)) is None


def test_a_user_who_is_gone_cannot_be_changed(store: Store) -> None:
    user = store.transact(a_user)
    store.transact(lambda tx: users.remove(tx, user))
    for work in (
        lambda tx: users.put(tx, user),
        lambda tx: users.remove(tx, user),
        lambda tx: users.set_password(tx, user.id, "x"),
        lambda tx: user_keys.add(tx, user, an_ssh_key()),
        lambda tx: users.by_id(tx, UserID("one")),
    ):
        with pytest.raises(NotFound):
            store.transact(work)


def test_an_id_is_never_used_twice(store: Store) -> None:
    store.transact(lambda tx: users.remove(tx, a_user(tx)))
    assert store.transact(a_user).id == "2"


def test_keys_are_listed_in_order_of_adding(store: Store) -> None:
    user = store.transact(a_user)
    added = [store.transact(lambda tx: user_keys.add(tx, user, an_ssh_key(), "laptop")) for _ in range(3)]
    assert store.read(lambda r: user_keys.of(r, ALICE)) == tuple(added)


def test_a_key_is_added_once_to_a_user(store: Store) -> None:
    user, key = store.transact(a_user), an_ssh_key()
    store.transact(lambda tx: user_keys.add(tx, user, key))
    with pytest.raises(Conflict, match="has the key SHA256:"):
        store.transact(lambda tx: user_keys.add(tx, user, key))


def test_a_key_says_whom_it_lets_in_until_it_ends(store: Store, clock: Clock) -> None:
    key = an_ssh_key()

    def work(tx: Transaction) -> None:
        user_keys.add(tx, a_user(tx), key)
        user_keys.add(tx, a_user(tx, "bob@example.com"), key, expires_at=tx.now + 60)
        user_keys.add(tx, a_user(tx, "carol@example.com"), an_ssh_key())

    store.transact(work)
    assert [user.name for user in store.read(lambda r: user_keys.users_with(r, key))] == [ALICE, "bob@example.com"]
    clock.now += 60
    assert [user.name for user in store.read(lambda r: user_keys.users_with(r, key))] == [ALICE]


def test_a_removed_key_is_given_back_and_lets_nobody_in(store: Store) -> None:
    user = store.transact(a_user)
    added = store.transact(lambda tx: user_keys.add(tx, user, an_ssh_key()))
    assert store.transact(lambda tx: user_keys.remove(tx, ALICE, added.key.fingerprint)) == added
    assert store.read(lambda r: user_keys.users_with(r, added.key)) == ()
    with pytest.raises(NotFound):
        store.transact(lambda tx: user_keys.remove(tx, ALICE, added.key.fingerprint))


def test_what_is_a_persons_goes_with_them(store: Store) -> None:
    user, key = store.transact(a_user), an_ssh_key()

    def work(tx: Transaction) -> None:
        user_keys.add(tx, user, key)
        preferences.put(tx, ALICE, {"theme": "light"})
        users.remove(tx, user)
        a_user(tx)

    store.transact(work)
    assert store.read(lambda r: user_keys.of(r, ALICE)) == ()
    assert store.read(lambda r: preferences.get(r, ALICE)) == {}


def test_preferences_are_replaced_whole(store: Store) -> None:
    store.transact(a_user)
    store.transact(lambda tx: preferences.put(tx, ALICE, {"theme": "dark", "columns": ["name"]}))
    store.transact(lambda tx: preferences.put(tx, ALICE, {"theme": "light"}))
    assert store.read(lambda r: preferences.get(r, ALICE)) == {"theme": "light"}


def test_a_device_is_a_persons_or_a_tags_never_both_or_neither(store: Store) -> None:
    store.transact(a_user)
    for fields in ({"user": ALICE, "tags": ("tag:db",)}, {"user": None, "tags": ()}):
        with pytest.raises(sqlite3.IntegrityError):
            store.transact(lambda tx, f=fields: a_device(tx, **f))  # type: ignore[misc]
