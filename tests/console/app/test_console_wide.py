"""A wide screen is used: facts stand beside every list that has some, under the authorities too."""

import pytest
from channels import Session, a_console, a_terminal, until
from seeded import Seeded

from console.app.glyphs import UNICODE

TAB, ENTER, ESC = "\t", "\r", "\x1b"


def pane(session: Session) -> str:
    """What stands right of the list, below the screens and the breadcrumb."""
    lines = session.frame().splitlines()
    return "\n".join(line[len(lines[0]) * 3 // 5 :] for line in lines[2:-1])


@pytest.mark.parametrize("size", [(160, 30), (160, 45), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("digit", "told"),
    [("2", "Role"), ("3", "WireGuard"), ("5", "Answer"), ("6", "Principals"), ("7", "Subject")],
    ids=["users", "devices", "names", "certificates", "activity"],
)
async def test_facts_stand_beside_the_list(digit: str, told: str, size: tuple[int, int]) -> None:
    async with a_console(Seeded(size=60), terminal=a_terminal(columns=size[0], rows=size[1])) as session:
        await session.type(digit)
        await until(lambda: told in pane(session))
        assert session.frame().splitlines()[1].count("›") == 2, "the thing that the facts are about is named"


async def test_the_authorities_stay_over_the_facts_while_one_is_in_them() -> None:
    async with a_console(Seeded(size=60), "certs", terminal=a_terminal(columns=160, rows=45)) as session:
        for press in (TAB, TAB, ENTER, ESC):
            await session.type(press)
            assert "Authorities" in session.frame()
            assert "Sources" in pane(session)


async def test_an_escape_is_a_step_on_a_wide_screen_too() -> None:
    async with a_console(Seeded(size=60), terminal=a_terminal(columns=160, rows=45)) as session:
        await session.type("6", ENTER, ESC)
        await until(lambda: not session.app.view.pane_focus)  # type: ignore[attr-defined]
        assert session.app.view.title == "Certificates"
        await session.type(ESC)
        await until(lambda: session.app.view.title == "Overview")


@pytest.mark.parametrize(
    ("name", "leads"),
    [("web-fra-5.example.com", "web-fra-5"), ("grafana.example.com", "mon-fra-1")],
    ids=["its own", "one set by hand"],
)
async def test_a_name_tells_which_device_it_leads_to(name: str, leads: str) -> None:
    async with a_console(Seeded(size=60), "names", name, terminal=a_terminal(columns=160, rows=45)) as session:
        await until(lambda: f"{UNICODE.on} {leads}" in pane(session) or f"{UNICODE.off} {leads}" in pane(session))


async def test_the_keys_go_to_the_list_again_where_the_screen_shrinks_below_its_facts() -> None:
    async with a_console(Seeded(size=60), "names", terminal=a_terminal(columns=160, rows=45)) as session:
        await session.type(TAB)
        session.channel.resize(80, 24)
        await session.type("j")
        await until(lambda: session.app.view.table.cursor == 1)  # type: ignore[attr-defined]
