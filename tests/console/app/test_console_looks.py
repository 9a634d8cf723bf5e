"""Laws of the look, over every screen and size: nothing is cut without a sign, columns align, the focus is seen."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from channels import Session, a_console, a_terminal
from seeded import Seeded

from console.app.columns import GUTTER, Column, place
from console.app.glyphs import UNICODE
from console.app.screens import certificatecolumns, devices, enrollment, names, users
from console.app.screens.activity import COLUMNS, sign
from console.app.screens.output import folded
from model.records import AuditEntry

SCREENS = "123456789"
SIZES = [(80, 24), (100, 30), (112, 36), (120, 36), (140, 40), (200, 60)]


def row(session: Session, at: int) -> str:
    return session.frame().splitlines()[at]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screen_in_use_stands_by_its_name_and_every_other_by_its_digit(size: tuple[int, int]) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=size[0], rows=size[1])) as session:
        for digit in SCREENS:
            await session.type(digit)
            top = row(session, 0)
            assert f"{digit} {session.app.view.title}" in top
            assert [word for word in top.split() if word.isdigit()] == list(SCREENS)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_who_one_is_stands_once_at_every_width(size: tuple[int, int]) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=size[0], rows=size[1])) as session:
        assert (row(session, 0) + row(session, 1)).count("alice owner") == 1


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_no_key_of_the_footer_is_cut_and_help_is_always_there(size: tuple[int, int]) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=size[0], rows=size[1])) as session:
        for digit in SCREENS:
            await session.type(digit)
            footer = row(session, -1)
            left, right = session.app.hints()
            shown = [f"{key} {label}" for key, label, _ in (*left, *right)]
            parts = [part for part in footer.strip().split("   ") if part.strip()]
            assert all(part.strip() in shown for part in parts), footer
            assert footer.rstrip().endswith("? help")


def test_a_sorted_head_with_its_arrow_never_touches_the_next() -> None:
    for width in range(60, 240):
        placed = place(COLUMNS, 6, width)
        for one, after in pairwise(placed):
            if one.column.right and one.column.sort:
                assert len(one.column.head) + 1 < one.width + GUTTER, (width, one.column.head)
            assert one.x + one.width + GUTTER == after.x


async def test_the_list_keeps_its_row_while_the_focus_is_in_the_facts() -> None:
    async with a_console(Seeded(size=40), "devices") as session:
        await session.type("j", "j", "\t")
        at = session.app.view.table.cursor - session.app.view.table.top  # type: ignore[attr-defined]
        assert row(session, 5 + at).startswith(f" {UNICODE.cursor}")


async def test_a_key_that_is_shown_once_is_whole_with_its_code_at_80_by_24() -> None:
    async with a_console(Seeded(size=40), "keys", terminal=a_terminal(columns=80, rows=24)) as session:
        await session.type("n", "\r")
        await session.shows("shown this once")
        lines = session.frame().splitlines()[2:-2]
        key = session.app.view._secret  # type: ignore[attr-defined]
        assert key in "".join(line.translate(dict.fromkeys(map(ord, "█▀▄ "))) for line in lines)
        assert sum("█" in line or "▀" in line for line in lines) * 2 >= 25
        assert " of " not in session.frame().splitlines()[-2], "there is nothing to scroll"


@pytest.mark.parametrize("line", ["a" * 300, "  - word " * 40, "日本語 " * 60, ""])
@pytest.mark.parametrize("width", [1, 20, 79])
def test_a_folded_line_loses_no_word(line: str, width: int) -> None:
    assert "".join("".join(folded(line, width)).split()) == "".join(line.split())


@pytest.mark.parametrize(
    ("action", "subject", "shape"),
    [
        ("devices enroll", "web-1", UNICODE.plus),
        ("certs revoke", "7", UNICODE.minus),
        ("devices tag", "web-1", UNICODE.changed),
        ("login", "refused", UNICODE.bad),
        ("login", "alice", UNICODE.none),
    ],
)
def test_what_kind_of_deed_it_was_is_told_by_a_shape(action: str, subject: str, shape: str) -> None:
    entry = AuditEntry(
        number=1, at=0, actor="alice", action=action, subject=subject, before=None, after=None, source="", hash=""
    )
    assert sign(entry, UNICODE)[0] == shape


@pytest.mark.parametrize("columns", [20, 40, 55])
async def test_a_narrow_terminal_says_only_what_it_must_and_nothing_over_another(columns: int) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=columns, rows=12)) as session:
        for digit in SCREENS:
            await session.type(digit)
            crumb = row(session, 1).split()
            assert crumb[-1] == "14:02Z"
            assert crumb[-3:-1] == [UNICODE.on, "live"]
            assert row(session, -1).rstrip().endswith("? help")


async def test_what_an_empty_list_says_to_press_stands_out() -> None:
    async with a_console(Seeded(size=40), "names") as session:
        await session.type("/zzzz\r")
        line = next(line for line in session.app.view._links if "clears the filter" in str(line))
        assert line._styles[2] == ("accent", "b")


LISTS = {
    "devices": devices.COLUMNS,
    "users": users.COLUMNS,
    "names": names.COLUMNS,
    "certificates": certificatecolumns.COLUMNS,
    "activity": COLUMNS,
    "keys": enrollment.COLUMNS,
}


@pytest.mark.parametrize("columns", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("wide", [0, 60], ids=["short texts", "long texts"])
def test_a_column_has_room_for_something_or_is_not_there(columns: Sequence[Column], wide: int) -> None:
    widest = {column.head: wide for column in columns}
    needed = next(column for column in columns if not column.drop)
    for width in range(12, 240):
        first, *others = place(columns, 6, width, widest)
        assert any(one.column is needed for one in (first, *others))
        assert all(2 * one.width >= one.column.least for one in others), (width, others)
        assert max(one.x + one.width for one in (first, *others)) <= max(width, 7)


async def test_when_a_generation_was_made_stands_beside_its_key_at_80_columns() -> None:
    async with a_console(Seeded(size=40), "certs", terminal=a_terminal(columns=80, rows=24)) as session:
        heads, *generations = session.frame().splitlines()[4:10]
        at = heads.index("Made")
        assert [line[at : at + 11].strip() for line in generations] == [
            "22 Aug", "12 Mar", "3 Sep 2025", "4 Jan", "4 Jan 2025",
        ]  # fmt: skip


@pytest.mark.parametrize("columns", [80, 112, 120])
async def test_the_last_change_of_a_device_is_told_whole(columns: int) -> None:
    backend = Seeded(size=40)
    name = next(entry.subject for entry in reversed(backend.entries) if entry.action == "devices approve")
    backend.clock += 9 * 86400
    async with a_console(backend, "devices", name, terminal=a_terminal(columns=columns, rows=50)) as session:
        await session.type("\r")
        await session.shows("Last change")
        lines = session.frame().splitlines()
        at = next(at for at, line in enumerate(lines) if "Last change" in line)
        assert "…" not in lines[at].partition("Last change")[2] + lines[at + 1][columns * 6 // 10 :]
        assert "22 Aug" in lines[at + 1] or "21 Aug" in lines[at + 1]
