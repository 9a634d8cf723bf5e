"""What there is no room for beside each other stands elsewhere, and is not lost."""

import pytest
from channels import a_console, a_terminal
from seeded import Seeded

SIZES = [(80, 24), (100, 30), (120, 40), (200, 60)]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_who_one_is_and_every_screen_stands_at_the_top(columns: int, rows: int) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=columns, rows=rows)) as session:
        top = "\n".join(session.frame().splitlines()[:2])
        assert "alice owner" in top
        assert all(f" {digit}" in top for digit in range(1, 10))


async def test_what_a_setting_is_for_is_whole_where_it_is_changed() -> None:
    async with a_console(Seeded(size=40), "settings", terminal=a_terminal(columns=80, rows=24)) as session:
        await session.type("/approval\r", "\r")
        about = session.app.mode.title  # type: ignore[union-attr]
        text = " ".join(session.frame().replace("▌", " ").split())
        assert about in text
