"""Columns as a person chose them: which, in what order, sorted by what; kept for them in the store."""

from pathlib import Path

from channels import a_console, a_terminal, until
from gates import LOCAL, a_console_at, a_gate, a_person, a_wireguard_key
from hypothesis import given
from hypothesis import strategies as st
from seeded import Seeded

from console.app.columnchoice import Choice, arranged, read, slug
from console.app.screens.devices import COLUMNS
from gate.services import devices
from model.records import Role

CTRL_O, DOWN, ENTER, ESC = "\x0f", "\x1b[B", "\r", "\x1b"
SLUGS = [slug(column) for column in COLUMNS]


def heads(frame: str) -> str:
    return next(line for line in frame.splitlines() if line.strip().startswith("Name"))


async def test_a_column_is_hidden_and_comes_back_as_chosen() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        assert "IPv4" in heads(session.frame())
        at = SLUGS.index("ipv4")
        await session.type(CTRL_O, DOWN * (at - 1), " ")
        assert "IPv4" not in heads(session.frame())
        await session.type(ENTER)
        assert "-ipv4" in backend.saved["columns.devices"]
    async with a_console(backend, "devices", **backend.saved) as session:
        assert "IPv4" not in heads(session.frame())
        await session.type(CTRL_O, "r", ENTER)
        assert "IPv4" in heads(session.frame())
    assert not backend.saved["columns.devices"]


async def test_columns_change_places_and_the_first_stays() -> None:
    async with a_console(Seeded(size=40), "devices", terminal=a_terminal(columns=160)) as session:
        at = SLUGS.index("ipv4")
        await session.type(CTRL_O, DOWN * (at - 1), "K", "K", "K", ENTER)
        line = heads(session.frame())
        assert line.index("Name") < line.index("IPv4") < line.index("Owner")


async def test_a_list_opens_sorted_as_chosen() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        await session.type(CTRL_O, "\x1b[A", "s", "s", ENTER)
        await session.shows("Name ▼")
    assert backend.saved["columns.devices"].endswith(" sort:-name")
    async with a_console(backend, "devices", **backend.saved) as session:
        await session.shows("Name ▼")
        await session.shows("web-")


async def test_escape_leaves_it_as_it_was() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        before = session.frame()
        await session.type(CTRL_O, " ", "s")
        assert session.frame() != before
        await session.type(ESC)
        await until(lambda: session.frame() == before)
    assert "columns.devices" not in backend.saved


async def test_what_was_chosen_is_the_persons_and_the_screens_alone(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        bob, carol = await a_person(gate, "bob", Role.OPERATOR), await a_person(gate, "carol", Role.OPERATOR)
        await gate.perform(devices.add, LOCAL, name="db-1", wireguard=a_wireguard_key(), user="alice")
        async with a_console_at(gate, bob, "devices") as session:
            await session.type(CTRL_O, " ", ENTER)
            await until(lambda: "Owner" not in heads(session.frame()))
        async with a_console_at(gate, bob, "devices") as session:
            assert "Owner" not in heads(session.frame())
        async with a_console_at(gate, carol, "devices") as session:
            assert "Owner" in heads(session.frame())


async def test_a_local_owner_keeps_theirs_too(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(devices.add, LOCAL, name="db-1", wireguard=a_wireguard_key(), user="alice")
        async with a_console_at(gate, LOCAL, "devices") as session:
            await session.type(CTRL_O, " ", ENTER)
    async with a_gate(tmp_path) as again, a_console_at(again, LOCAL, "devices") as session:
        assert "Owner" not in heads(session.frame())


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-, :", max_size=80))
def test_any_text_is_a_choice_of_what_there_is(text: str) -> None:
    choice = read(text, COLUMNS)
    assert sorted(choice.order) == sorted(SLUGS)
    assert choice.order[0] == SLUGS[0]
    assert SLUGS[0] not in choice.hidden
    assert read(choice.text(), COLUMNS) == choice


@given(st.permutations(SLUGS[1:]), st.sets(st.sampled_from(SLUGS[1:])))
def test_what_is_chosen_is_what_shows(order: list[str], hidden: set[str]) -> None:
    choice = Choice((SLUGS[0], *order), frozenset(hidden))
    shown = [slug(column) for column in arranged(COLUMNS, read(choice.text(), COLUMNS))]
    assert shown == [SLUGS[0], *(one for one in order if one not in hidden)]
