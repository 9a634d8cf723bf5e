"""The change log and the audit trail."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_builders import Clock, a_store, a_user

from model.change import CertificateIssued, SettingSet, UserAdded
from model.errors import Conflict, NotFound
from model.ids import Serial, Version
from store import Query, Store, Transaction, audit, changes


def record(store: Store, count: int) -> None:
    store.transact(lambda tx: [tx.record(SettingSet(key="a", value=n)) for n in range(count)])


def entries(tx: Transaction) -> None:
    for number in range(6):
        tx.audit(
            f"{'alice' if number % 2 else 'bob'}@example.com",
            "devices approve" if number % 3 else "users add",
            f"db-{number}",
            before={"state": "pending", "b": number},
            after=None if number == 2 else {"state": "approved"},
            source="192.0.2.7",
        )


def test_a_change_comes_back_as_it_was(store: Store) -> None:
    def work(tx: Transaction) -> UserAdded:
        change = UserAdded(user=a_user(tx))
        tx.record(change)
        return change

    change = store.transact(work)
    (committed,) = store.read(lambda r: changes.since(r, 0))
    assert (committed.number, committed.change) == (1, change)


def test_a_reader_that_fell_behind_catches_up_by_number(store: Store) -> None:
    record(store, 5)
    assert [c.number for c in store.read(lambda r: changes.since(r, 3))] == [4, 5]


def test_pruning_keeps_the_newest_and_numbers_go_on(store: Store) -> None:
    record(store, 10)
    assert store.transact(lambda tx: changes.prune(tx, 3)) == 7
    assert store.read(lambda r: (changes.oldest(r), changes.last(r))) == (8, 10)
    store.transact(lambda tx: changes.prune(tx, 0))
    record(store, 1)
    assert store.read(lambda r: (changes.oldest(r), changes.last(r))) == (10, 11)


def test_a_snapshot_holds_until_a_change_that_shows_is_recorded(store: Store) -> None:
    def work(tx: Transaction) -> list[bool]:
        before, issued = changes.last(tx), tx.record(CertificateIssued(serial=Serial(1)))
        held = [tx.holds(before), tx.holds(issued)]
        tx.record(SettingSet(key="a", value=1))
        return [*held, tx.holds(before), tx.holds(issued), tx.holds(changes.last(tx))]

    record(store, 3)
    assert store.transact(work) == [True, True, False, False, True]


def test_what_was_undone_leaves_no_snapshot_that_holds_wrongly(store: Store) -> None:
    def fails(tx: Transaction) -> None:
        tx.record(SettingSet(key="a", value=1))
        raise Conflict("no")

    record(store, 3)
    with pytest.raises(Conflict):
        store.transact(fails)
    assert not store.transact(lambda tx: tx.holds(Version(2)))
    record(store, 1)
    assert store.transact(lambda tx: (tx.holds(Version(3)), tx.holds(Version(4)))) == (False, True)


def test_a_snapshot_of_a_store_that_was_opened_anew_holds(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    record(store, 3)
    store.close()
    store = Store.open(store.path)
    assert store.transact(lambda tx: (tx.holds(Version(2)), tx.holds(Version(3)))) == (False, True)
    store.close()


def test_an_audit_trail_as_it_was_written_holds(store: Store) -> None:
    store.transact(entries)
    assert store.read(audit.verify) is None


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        pytest.param("UPDATE audit SET actor = 'mallory' WHERE number = 3", 3, id="changed-actor"),
        pytest.param("UPDATE audit SET at = at - 1 WHERE number = 1", 1, id="changed-time"),
        pytest.param("UPDATE audit SET after = '{}' WHERE number = 3", 3, id="added-content"),
        pytest.param("UPDATE audit SET before = NULL WHERE number = 4", 4, id="removed-content"),
        pytest.param("UPDATE audit SET hash = hex(randomblob(32)) WHERE number = 2", 2, id="changed-hash"),
        pytest.param("DELETE FROM audit WHERE number = 4", 4, id="removed-in-the-middle"),
        pytest.param("DELETE FROM audit WHERE number = 1", 1, id="removed-at-the-beginning"),
        pytest.param("DELETE FROM audit WHERE number >= 5", 5, id="removed-at-the-end"),
        pytest.param("UPDATE audit SET number = 60 WHERE number = 6", 6, id="renumbered"),
        pytest.param("DELETE FROM audit", 1, id="all-removed"),
    ],
)
def test_tampering_shows_by_the_first_entry_that_is_not_as_it_was(store: Store, tamper: str, broken: int) -> None:
    store.transact(entries)
    store.transact(lambda tx: tx.sql.execute(tamper))
    assert store.read(audit.verify) == broken


def test_entries_come_newest_first(store: Store) -> None:
    store.transact(entries)
    page = store.read(lambda r: audit.page(r, Query(limit=2)))
    assert ([entry.number for entry in page.rows], page.total) == ([6, 5], 6)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ({"actor": "alice@example.com"}, [6, 4, 2]),
        ({"action": "users"}, [4, 1]),
        ({"action": "users add"}, [4, 1]),
        ({"action": "user"}, []),
        ({"actor": "bob@example.com", "action": "devices"}, [5, 3]),
        ({"subject": "db-3"}, [4]),
    ],
)
def test_entries_are_filtered(store: Store, where: dict[str, object], numbers: list[int]) -> None:
    store.transact(entries)
    page = store.read(lambda r: audit.page(r, Query(where=where)))
    assert [entry.number for entry in page.rows] == numbers  # type: ignore[attr-defined]


def test_entries_since_a_moment(store: Store, clock: Clock) -> None:
    store.transact(entries)
    clock.now += 60
    store.transact(entries)
    assert store.read(lambda r: audit.page(r, Query(where={"since": clock.now}))).total == 6


def test_an_entry_that_is_not_there_is_told(store: Store) -> None:
    with pytest.raises(NotFound):
        store.read(lambda r: audit.by_number(r, 1))


def test_following_goes_on_from_a_number(store: Store) -> None:
    store.transact(entries)
    assert [entry.number for entry in store.read(lambda r: audit.since(r, 4))] == [5, 6]
