"""Work that may be done twice is undone together: nothing of it is lost, doubled, or kept where it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from model.change import SettingSet
from model.errors import Conflict
from model.records import AuditEntry
from store import Query, Store, Transaction, audit, changes, settings


def writes(number: int, fails: Callable[[int], Exception | None]) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        settings.put(tx, f"key-{number:03}", number)
        if isinstance(refusal := fails(number), ValueError):
            raise refusal
        tx.record(SettingSet(key=f"key-{number:03}", value=number))
        return number

    return work


async def together(store: Store, fails: Callable[[int], Exception | None]) -> list[int | BaseException]:
    return await asyncio.gather(
        *(store.write(writes(number, fails), repeatable=number % 10 != 0) for number in range(100)),
        return_exceptions=True,
    )


async def test_all_of_it_is_done_once_and_in_order(store: Store) -> None:
    assert await together(store, lambda _: None) == list(range(100))
    recorded = [entry.change.value for entry in store.read(lambda r: changes.since(r, 0))]  # type: ignore[union-attr]
    assert recorded == list(range(100))


async def test_a_refusal_is_its_own_callers_alone(store: Store) -> None:
    def work(number: int, tx: Transaction) -> int:
        if number % 3 == 0:
            raise Conflict("a third")
        return int(tx.record(SettingSet(key="a", value=number)))

    found = await asyncio.gather(
        *(store.write(lambda tx, n=number: work(n, tx), repeatable=True) for number in range(60)),  # type: ignore[misc]
        return_exceptions=True,
    )
    assert [isinstance(one, Conflict) for one in found] == [number % 3 == 0 for number in range(60)]
    assert store.read(changes.last) == 40


@pytest.mark.parametrize("bad", [1, 57, 99])
async def test_a_fault_undoes_that_piece_alone(store: Store, bad: int) -> None:
    found = await together(store, lambda number: ValueError("a bug") if number == bad else None)
    assert [number for number, one in enumerate(found) if isinstance(one, ValueError)] == [bad]
    kept = [number for number in range(100) if number != bad]
    assert list(store.read(settings.all).values()) == kept
    recorded = store.read(lambda r: changes.since(r, 0))
    assert [entry.change.value for entry in recorded] == kept  # type: ignore[union-attr]
    assert [entry.number for entry in recorded] == list(range(1, 100))


async def test_what_waits_to_be_written_is_there_for_whoever_looks(store: Store) -> None:
    def work(number: int, tx: Transaction) -> tuple[int, int]:
        tx.audit("alice@example.com", "test", str(number), source="local")
        dealt = tx.record(SettingSet(key="a", value=number))
        newest = audit.page(tx, Query(limit=1)).rows[0]
        assert isinstance(newest, AuditEntry)
        return int(dealt), int(newest.subject)

    found = await asyncio.gather(
        *(store.write(lambda tx, n=number: work(n, tx), repeatable=True) for number in range(40)),  # type: ignore[misc]
    )
    assert found == [(number + 1, number) for number in range(40)]
    assert store.read(audit.verify) is None


async def test_a_row_that_cannot_be_written_undoes_its_own_work_alone(store: Store) -> None:
    def work(number: int, tx: Transaction) -> None:
        if number == 7:
            tx.later.row("INSERT INTO changes (number, at, change) VALUES (?, ?, ?)", (1, None, ""))
        tx.record(SettingSet(key="a", value=number))

    found = await asyncio.gather(
        *(store.write(lambda tx, n=number: work(n, tx), repeatable=True) for number in range(40)),  # type: ignore[misc]
        return_exceptions=True,
    )
    assert [number for number, one in enumerate(found) if one is not None] == [7]
    recorded = [entry.change.value for entry in store.read(lambda r: changes.since(r, 0))]  # type: ignore[union-attr]
    assert recorded == [number for number in range(40) if number != 7]
