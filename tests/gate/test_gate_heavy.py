"""What one person asks for, however much, keeps nobody else waiting, and fills no audit trail."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import gate_builders as build
import pytest

from gate import heavy
from gate.heavy import Heavy
from gate.operation import Call, Operation
from gate.refusals import MOST, Refusal, Refusals
from gate.services import audit, users
from gate.watch import Crowd, Watch
from model.errors import Denied, Limited
from model.records import AuditEntry, Role
from store import Query, Reader


class Long:
    """Work that takes until it is let go."""

    def __init__(self) -> None:
        self.go, self.running, self.most = threading.Event(), 0, 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go.wait(20)
        with self._lock:
            self.running -= 1
        return "done"


async def test_one_question_of_a_person_is_answered_at_a_time() -> None:
    long, threads = Long(), Heavy(Watch())
    asked = [asyncio.ensure_future(threads.run("alice", "policy check", long)) for _ in range(4)]
    await asyncio.sleep(0.05)
    assert long.running == 1
    long.go.set()
    assert await asyncio.gather(*asked) == ["done"] * 4
    assert long.most == 1
    threads.close()


async def test_more_than_may_wait_are_refused_with_what_to_do() -> None:
    long, threads = Long(), Heavy(Watch())
    asked = [asyncio.ensure_future(threads.run("alice", "policy check", long)) for _ in range(heavy.WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(Limited, match="questions like policy check wait") as refused:
        await threads.run("alice", "policy check", long)
    assert refused.value.hint
    long.go.set()
    await asyncio.gather(*asked)
    assert await threads.run("alice", "policy check", long) == "done"
    threads.close()


async def test_who_leaves_frees_their_place_only_with_the_thread() -> None:
    long, threads = Long(), Heavy(Watch())
    first = asyncio.ensure_future(threads.run("alice", "policy check", long))
    await asyncio.sleep(0.05)
    first.cancel()
    second = asyncio.ensure_future(threads.run("alice", "policy check", long))
    await asyncio.sleep(0.05)
    assert long.running == 1
    long.go.set()
    assert await second == "done"
    assert long.most == 1
    threads.close()


async def test_a_long_question_waits_while_many_agents_are_told_of_a_change() -> None:
    long, watch = Long(), Watch()
    long.go.set()
    untold = [10_000]
    watch.crowd = lambda: Crowd(untold=untold[0])
    threads = Heavy(watch)
    asked = asyncio.ensure_future(threads.run("alice", "policy diff", long))
    await asyncio.sleep(3 * heavy.LOOK_EVERY)
    assert not long.most
    untold[0] = 0
    assert await asked == "done"
    threads.close()


async def test_anothers_questions_and_all_light_ones_are_answered_meanwhile(tmp_path: Path) -> None:
    long = Long()

    def run(r: Reader, call: Call) -> str:
        return long()

    question = Operation("policy check", run, reads=True, heavy=True)
    async with build.a_gate(tmp_path) as gate:
        eve, bob = await build.a_user(gate, "eve", Role.OPERATOR), await build.a_user(gate, "bob", Role.OPERATOR)
        asked = [asyncio.ensure_future(gate.perform(question, eve)) for _ in range(5)]
        await asyncio.sleep(0.05)
        for _ in range(5):
            await gate.perform(users.list_users, bob, query=Query())
        assert await gate.perform(audit.verify_audit, bob) is None
        assert long.running == 1
        long.go.set()
        await asyncio.gather(*asked)


async def refusals(gate: object) -> list[AuditEntry]:
    page = await gate.perform(audit.list_audit, build.LOCAL, query=Query(limit=100))  # type: ignore[attr-defined]
    return [entry for entry in page.rows if entry.subject == "refused"]


async def test_a_refusal_that_is_repeated_is_one_entry_with_its_number(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        eve = await build.a_user(gate, "eve")
        for _ in range(300):
            with pytest.raises(Denied):
                await gate.perform(users.add, eve, name="mallory")
        assert len(await refusals(gate)) == 1
        with pytest.raises(Denied):
            await gate.perform(users.disable, eve, names=("alice",))
        assert len(await refusals(gate)) == 2
    async with build.a_gate(tmp_path) as gate:
        assert [entry.after.get("times") for entry in await refusals(gate)] == [299, None, None]  # type: ignore[union-attr]


class Trail:
    def __init__(self) -> None:
        self.written: list[tuple[Refusal, object]] = []

    async def __call__(self, refusal: Refusal, after: dict[str, object]) -> None:
        self.written.append((refusal, after.get("times", 1)))


async def test_refusals_that_go_on_are_an_entry_a_span_and_then_none() -> None:
    trail = Trail()
    refusals_ = Refusals(trail, together=0.05)
    eve = Refusal("eve", "users add", "192.0.2.1")
    for _ in range(3):
        await refusals_.note(eve, "no")
    while len(trail.written) < 2 or refusals_.counted:
        await asyncio.sleep(0.01)
    await refusals_.note(eve, "no")
    assert [times for _, times in trail.written] == [1, 2, 1]
    await refusals_.close()


async def test_ever_new_kinds_of_refusals_are_counted_together_in_the_end() -> None:
    trail = Trail()
    refusals_ = Refusals(trail)
    for number in range(MOST + 50):
        await refusals_.note(Refusal("eve", "users add", f"2001:db8::{number:x}"), "no")
    assert len(trail.written) == MOST + 1
    await refusals_.close()
    assert trail.written[-1] == (Refusal("others", "users add", "several"), 49)
