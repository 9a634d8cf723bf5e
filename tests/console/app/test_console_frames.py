"""Whole frames as text, over a seeded network with its clock stopped. `WARDGATE_FRAMES=write` draws them anew."""

import os
from pathlib import Path

import pytest
from channels import Session, a_console, a_terminal
from seeded import Seeded

from model.records import Role

FRAMES = Path(__file__).parent / "frames"


async def agrees(session: Session, name: str) -> None:
    path = FRAMES / f"{name}.txt"
    frame = session.frame() + "\n"
    if os.environ.get("WARDGATE_FRAMES") == "write":
        FRAMES.mkdir(exist_ok=True)
        path.write_text(frame)
    assert frame == path.read_text()


@pytest.mark.parametrize(
    ("name", "presses", "size"),
    [
        pytest.param("overview", (), (120, 36), id="overview"),
        pytest.param("overview-80x24", (), (80, 24), id="overview-80x24"),
        pytest.param("devices", ("3", "/fra\r", "\x1b[B" * 16, " ", " "), (120, 36), id="devices"),
        pytest.param("devices-80x24", ("3", "/fra\r"), (80, 24), id="devices-80x24"),
        pytest.param("devices-200x40", ("3",), (200, 40), id="devices-200x40"),
        pytest.param("devices-remove", ("3", "/fra\r", "x"), (120, 36), id="devices-remove"),
        pytest.param("users", ("2", "j"), (120, 36), id="users"),
        pytest.param("access", ("4",), (120, 36), id="access"),
        pytest.param("certificates", ("6",), (120, 36), id="certificates"),
        pytest.param("activity", ("7", "\x1b[B" * 8), (120, 36), id="activity"),
    ],
)
async def test_a_frame_is_as_it_was(name: str, presses: tuple[str, ...], size: tuple[int, int]) -> None:
    async with a_console(Seeded(), terminal=a_terminal(columns=size[0], rows=size[1])) as session:
        await session.type(*presses)
        await agrees(session, name)


async def test_the_frame_of_an_empty_network() -> None:
    async with a_console(Seeded(empty=True)) as session:
        await agrees(session, "empty")


async def test_the_frame_of_a_member() -> None:
    async with a_console(Seeded(role=Role.MEMBER, me="mara"), terminal=a_terminal(columns=80, rows=24)) as session:
        await agrees(session, "member-80x24")


async def test_the_frame_in_ascii() -> None:
    async with a_console(Seeded(), "devices", terminal=a_terminal("linux", columns=80, rows=24)) as session:
        frame = session.frame()
        assert frame.isascii(), {char for char in frame if not char.isascii()}
        await agrees(session, "devices-ascii")
