"""The trail: what one command did to several is read as one."""

import re
from pathlib import Path

import msgspec
import pytest
from channels import Session, a_console, until
from gates import LOCAL, a_console_at, a_gate, a_person, a_wireguard_key
from hypothesis import given
from hypothesis import strategies as st
from seeded import Seeded

from console.app.listview import ListView
from console.app.screens import deeds
from gate.services import devices, logins, users
from model.records import AuditEntry, Role

ENTER, DOWN, RIGHT, ESC = "\r", "\x1b[B", "\x1b[C", "\x1b"


def an_entry(number: int, group: int) -> AuditEntry:
    at = 1000 + group
    return AuditEntry(number=number, at=at, actor="a", action="x", subject=f"s{number}", source="", hash="")


@given(st.lists(st.integers(1, 5), max_size=8), st.integers(0, 30), st.integers(1, 30))
def test_each_command_in_sight_is_counted_once(sizes: list[int], top: int, height: int) -> None:
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    entries = [an_entry(len(groups) - at, -group) for at, group in enumerate(groups)]

    def row(index: int) -> AuditEntry | None:
        return entries[index] if 0 <= index < len(entries) else None

    found = deeds.in_sight(row, top, height)
    shown = [entry for entry in entries[top : top + height] if sizes[-(entry.at - 1000)] > 1]
    assert found.keys() == {entry.number for entry in shown}
    heads = [entry for entry in shown if found[entry.number]]
    assert len(heads) == len({entry.at for entry in shown})
    whole = {-(entry.at - 1000): found[entry.number] for entry in heads if entry is not entries[top]}
    assert all(sizes[group] == count for group, count in whole.items())


async def lines_with(session: Session, text: str) -> list[str]:
    await session.shows(text)
    return [line for line in session.frame().splitlines() if text in line]


async def test_a_bulk_deed_says_once_what_it_was_and_lists_what_it_was_done_to(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        names = [f"web-{number}" for number in range(1, 5)]
        for name in names:
            await gate.perform(devices.add, LOCAL, name=name, wireguard=a_wireguard_key(), user="alice")
        async with a_console_at(gate, await a_person(gate, "alice", Role.OWNER), "audit") as session:
            assert not (await session.app.backend.perform(["devices", "tag", *names, "tag:web"])).status
            assert len(await lines_with(session, "devices tag (4)")) == 1
            await session.type(ENTER, RIGHT)
            await session.shows("One command 4")
            for name in names:
                await session.shows(name)
            await session.type(DOWN, ENTER)
            await until(lambda: session.app.view.title == "Devices")


def test_deeds_that_only_follow_each_other_are_not_one() -> None:
    one, other = an_entry(1, 0), an_entry(2, 0)
    assert deeds.together(one, other)
    for field, value in (("at", 5), ("actor", "b"), ("action", "y"), ("source", "z"), ("number", 4), ("subject", "s1")):
        assert not deeds.together(one, msgspec.structs.replace(other, **{field: value}))


@pytest.mark.parametrize("title", ["Users", "Devices", "Names", "Certificates", "Activity", "Keys"])
async def test_every_order_that_a_list_offers_is_one_that_the_gate_has(tmp_path: Path, title: str) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(devices.add, LOCAL, name="web-1", wireguard=a_wireguard_key(), user="alice")
        async with a_console_at(gate, await a_person(gate, "alice", Role.OWNER)) as session:
            view = session.app.view_of(title)
            assert isinstance(view, ListView)
            for column in view.columns():
                if column.sort:
                    await session.app.backend.rows(
                        view.listing, msgspec.structs.replace(view.pages.query, sort=column.sort)
                    )


async def test_an_entry_alone_is_shown_whole() -> None:
    async with a_console(Seeded(size=20), "audit") as session:
        assert "(" not in "".join(await lines_with(session, "devices approve"))


@pytest.mark.parametrize("title", ["Users", "Devices", "Certificates", "Activity"])
async def test_a_filter_that_a_list_does_not_know_is_told_with_those_that_the_gate_knows(
    tmp_path: Path, title: str
) -> None:
    async with a_gate(tmp_path) as gate, a_console_at(gate, await a_person(gate, "alice", Role.OWNER)) as session:
        session.app.go(title)
        await session.type("/foo:bar")
        view = session.app.view
        assert isinstance(view, ListView)
        await session.shows(", ".join(f"{key}:" for key in view.filters))
        for key in view.filters:
            value = {"state": "active" if title == "Users" else "valid"}.get(key, "1")
            where = msgspec.structs.replace(view.pages.query, filter=f"{key}:{value}")
            await session.app.backend.rows(view.listing, where)


async def test_moments_before_and_after_are_told_as_moments(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(users.add, LOCAL, name="bob", role=Role.MEMBER)
        await gate.perform(logins.invite, LOCAL, name="bob")
        async with a_console_at(gate, LOCAL, "activity") as session:
            await session.shows("users invite")
            await session.shows("expires")
            line = next(line for line in session.frame().splitlines() if " expires " in line)
            assert re.search(r"\+ \d+ [A-Z][a-z]{2} .*\d\d:\d\d:\d\dZ", line), line
