"""Work on the one writer: whole or nothing, in order, on disk before it is answered."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from store_builders import Clock, a_store

from model.change import Committed, SettingSet
from model.errors import Conflict, Unavailable
from store import Reader, Store, Transaction, changes, settings


def set_to(key: str, value: object = True) -> SettingSet:
    return SettingSet(key=key, value=value)


def test_what_work_returns_is_returned(store: Store) -> None:
    assert store.transact(lambda tx: tx.record(set_to("a"))) == 1


def test_what_work_wrote_is_read_afterwards(store: Store) -> None:
    store.transact(lambda tx: settings.put(tx, "names.resolvers", ["192.0.2.53"]))
    assert store.read(lambda r: settings.get(r, "names.resolvers")) == ["192.0.2.53"]


def test_work_that_raises_leaves_nothing_behind(store: Store) -> None:

    def refused(tx: Transaction) -> None:
        settings.put(tx, "a", 1)
        tx.record(set_to("a"))
        raise Conflict("no")

    with pytest.raises(Conflict):
        store.transact(refused)
    assert store.read(settings.all) == {}
    assert store.read(changes.last) == 0


async def test_work_that_raises_does_not_touch_work_of_the_same_commit(store: Store) -> None:

    def odd_are_refused(number: int, tx: Transaction) -> None:
        settings.put(tx, f"key-{number:03}", number)
        tx.record(set_to(f"key-{number:03}"))
        if number % 2:
            raise Conflict("odd")

    results = await asyncio.gather(
        *(store.write(lambda tx, n=n: odd_are_refused(n, tx)) for n in range(100)),
        return_exceptions=True,
    )
    assert [isinstance(result, Conflict) for result in results] == [bool(n % 2) for n in range(100)]
    assert list(store.read(settings.all).values()) == list(range(0, 100, 2))
    assert [c.number for c in store.read(lambda r: changes.since(r, 0))] == list(range(1, 51))


@pytest.mark.parametrize("repeatable", [False, True])
@pytest.mark.parametrize("failing", [{0}, {0, 1, 2}, {1, 4}, {5}, set(range(6))], ids=str)
async def test_whichever_pieces_of_a_commit_fail_the_others_are_kept(
    store: Store, failing: set[int], repeatable: bool
) -> None:
    def work(number: int, tx: Transaction) -> None:
        settings.put(tx, f"key-{number}", number)
        tx.record(set_to(f"key-{number}"))
        if number in failing:
            raise ValueError(number)

    results = await asyncio.gather(
        *(store.write(lambda tx, n=n: work(n, tx), repeatable=repeatable and n != 3) for n in range(6)),
        return_exceptions=True,
    )
    kept = sorted(set(range(6)) - failing)
    assert [number for number, result in enumerate(results) if result is None] == kept
    assert list(store.read(settings.all).values()) == kept
    assert [c.number for c in store.read(lambda r: changes.since(r, 0))] == list(range(1, len(kept) + 1))


def test_changes_are_published_in_order_before_their_writer_is_told(store: Store) -> None:
    seen = list[int]()
    store.on_commit = lambda committed: seen.extend(c.number for c in committed)
    for number in range(1, 6):
        assert store.transact(lambda tx: tx.record(set_to("a"))) == number
        assert seen[-1] == number
    assert seen == [1, 2, 3, 4, 5]


def test_what_is_published_can_be_read_already(store: Store) -> None:
    found = list[object]()

    def follow(committed: Sequence[Committed]) -> None:
        found.append(store.read(lambda r: changes.since(r, 0)) == tuple(committed))

    store.on_commit = follow
    store.transact(lambda tx: tx.record(set_to("a")))
    assert found == [True]


def test_a_follower_that_fails_does_not_hurt_the_writer(store: Store) -> None:

    def fails(_: Sequence[Committed]) -> None:
        raise ValueError

    store.on_commit = fails
    assert store.transact(lambda tx: tx.record(set_to("a"))) == 1
    assert store.transact(lambda tx: tx.record(set_to("a"))) == 2


def test_work_that_asks_the_writer_for_more_is_told_so(store: Store) -> None:
    with pytest.raises(RuntimeError, match="wait for itself"):
        store.transact(lambda tx: store.transact(changes.last))


def test_many_threads_each_get_their_own_answer(store: Store) -> None:
    numbers, lock = list[int](), threading.Lock()

    def write() -> None:
        for _ in range(20):
            number = store.transact(lambda tx: tx.record(set_to("a")))
            with lock:
                numbers.append(number)

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 321))


async def test_a_write_that_was_cancelled_before_its_turn_is_not_done(store: Store) -> None:
    gate, begun = threading.Event(), threading.Event()
    first = asyncio.create_task(store.write(lambda tx: (begun.set(), gate.wait())))
    await asyncio.to_thread(begun.wait)
    second = asyncio.create_task(store.write(lambda tx: settings.put(tx, "a", 1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    gate.set()
    await first
    await store.write(lambda tx: None)
    assert await store.fetch(settings.all) == {}


def test_a_reader_sees_one_moment_however_long_it_takes(store: Store) -> None:

    def before_and_after(r: Reader) -> tuple[int, int]:
        before = changes.last(r)
        store.transact(lambda tx: tx.record(set_to("a")))
        return before, changes.last(r)

    assert store.read(before_and_after) == (0, 0)
    assert store.read(changes.last) == 1


async def test_a_reading_that_was_cancelled_is_broken_off_in_its_thread(store: Store) -> None:
    began, ended = threading.Event(), threading.Event()
    faults: list[BaseException] = []

    def endless(r: Reader) -> None:
        try:
            for _ in r.sql.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"):
                began.set()
        except sqlite3.OperationalError as fault:
            faults.append(fault)
            raise
        finally:
            ended.set()

    reading = asyncio.create_task(store.fetch(endless))
    await asyncio.to_thread(began.wait)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.to_thread(ended.wait)
    assert [str(fault) for fault in faults] == ["interrupted"]
    assert await store.fetch(lambda r: settings.get(r, "missing", "asked again")) == "asked again"


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        store.read(lambda r: r.sql.execute("DELETE FROM users"))


def test_a_closed_store_refuses_and_a_second_close_changes_nothing(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.transact(changes.last)
    with pytest.raises(Unavailable, match="closed"):
        store.read(changes.last)


async def test_closing_finishes_what_was_handed_over(store: Store) -> None:
    gate, begun = threading.Event(), threading.Event()
    slow = asyncio.create_task(store.write(lambda tx: (begun.set(), gate.wait())))
    await asyncio.to_thread(begun.wait)
    late = asyncio.create_task(store.write(lambda tx: tx.record(set_to("a"))))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(store.close))
    while not await is_refused(store):
        await asyncio.sleep(0.01)
    gate.set()
    await closing
    assert await late == 1
    await slow


async def is_refused(store: Store) -> bool:
    """Whether the store takes no more work."""
    one_more = asyncio.ensure_future(store.write(lambda tx: None))
    await asyncio.sleep(0)
    return one_more.done() and isinstance(one_more.exception(), Unavailable)


def test_time_does_not_run_backwards_when_the_clock_does(store: Store, clock: Clock) -> None:
    clock.now = 1000
    assert store.transact(lambda tx: tx.now) == 1000
    clock.now = 400
    assert store.transact(lambda tx: tx.now) == 1000
    clock.now = 1001
    assert store.transact(lambda tx: tx.now) == 1001


def test_a_store_opened_again_goes_on_counting(tmp_path: Path) -> None:
    first = a_store(tmp_path)
    first.transact(lambda tx: tx.record(set_to("a")))
    first.close()
    again = Store.open(tmp_path / "wardgate.db")
    assert again.transact(lambda tx: tx.record(set_to("a"))) == 2
    again.close()
