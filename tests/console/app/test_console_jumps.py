"""From a name on one screen to the screen that the thing stands on."""

import asyncio
from pathlib import Path

import pytest
from channels import Session, a_console, until
from gates import LOCAL, a_console_at, a_gate, a_person
from seeded import Seeded

from gate.services import settings
from model.records import Role

RIGHT = "\x1b[C"
DOWN, ENTER, TAB, ESC = "\x1b[B", "\r", "\t", "\x1b"


@pytest.mark.parametrize(
    ("words", "screen", "crumb"),
    [
        (("users", "bob@example.com"), "Users", "bob@example.com"),
        (("devices", "web-fra-5"), "Devices", "web-fra-5"),
        (("names",), "Names", ""),
        (("certs",), "Certificates", ""),
        (("audit",), "Activity", ""),
        (("settings",), "Settings", ""),
    ],
)
async def test_the_command_row_goes_to_a_thing_by_its_name(words: tuple[str, ...], screen: str, crumb: str) -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type(":" + " ".join(words) + ENTER)
        await until(lambda: session.app.view.title == screen)
        await session.shows(f"{screen} › {crumb}" if crumb else screen)
        await session.type(ESC)
        await until(lambda: session.app.view.title == "Overview")


@pytest.mark.parametrize(("key", "screen"), [("D", "Devices"), ("C", "Certificates")])
async def test_a_person_leads_to_what_is_theirs_and_esc_comes_back(key: str, screen: str) -> None:
    async with a_console(Seeded(size=60), "users", "bob@example.com") as session:
        await session.type(key)
        await session.shows("/ user:bob@example.com")
        assert session.app.view.title == screen
        await session.type(ESC, ESC)
        await until(lambda: session.app.view.title == "Users")


def place(session: Session) -> tuple[str, ...]:
    return tuple(session.app.view.crumbs())


async def go_by(session: Session, text: str) -> None:
    """Follows the line of the pane in sight that holds `text`."""
    pane = session.app.view.pane  # type: ignore[attr-defined]

    def under_cursor() -> str:
        lines = pane.tabs[pane.at].lines
        return "" if pane.on is None else " ".join([lines[pane.on].label, *(text for text, _ in lines[pane.on].spans)])

    for _ in range(40):
        if text in under_cursor():
            break
        await session.type(DOWN)
    assert text in under_cursor(), session.frame()
    await session.type(ENTER)


FROM_A_PANE = [
    pytest.param(("devices", "desk"), "", "Owner", ("Users", "alice@example.com"), id="owner"),
    pytest.param(("devices", "web-fra-5"), "", "Name", ("Names", "web-fra-5.example.com"), id="name"),
    pytest.param(("devices", "web-fra-1"), "", "Certificate", ("Certificates", "20428"), id="host-certificate"),
    pytest.param(("devices", "web-fra-5"), "", "Handshake", ("Devices", "db-fra-1"), id="handshake"),
    pytest.param(("devices", "web-fra-5"), RIGHT, "db-fra-3", ("Devices", "db-fra-3"), id="peer"),
    pytest.param(("devices", "web-fra-5"), RIGHT * 3, "20417", ("Certificates", "20417"), id="certificate"),
    pytest.param(("devices", "web-fra-12"), RIGHT * 4, "devices approve", ("Activity", "48212"), id="change"),
    pytest.param(("users", "mara@example.com"), "", "laptop", ("Devices", "laptop"), id="device-of-a-person"),
    pytest.param(
        ("users", "mara@example.com"), RIGHT, "20412", ("Certificates", "20412"), id="certificate-of-a-person"
    ),
    pytest.param(("certs", "20412"), "", "Device", ("Devices", "laptop"), id="device-of-a-certificate"),
    pytest.param(("certs", "20412"), "", "User", ("Users", "mara@example.com"), id="user-of-a-certificate"),
    pytest.param(("audit", "48212"), "", "Subject", ("Devices", "web-fra-12"), id="subject"),
    pytest.param(("audit", "48212"), "", "Actor", ("Users", "bob@example.com"), id="actor"),
]


@pytest.mark.parametrize(("words", "tab", "line", "to"), FROM_A_PANE)
async def test_a_name_in_a_pane_leads_to_its_screen_and_esc_comes_back(
    words: tuple[str, ...], tab: str, line: str, to: tuple[str, str]
) -> None:
    async with a_console(Seeded(size=60), *words) as session:
        await until(lambda: len(place(session)) > 1 or session.app.view.title == "Certificates")
        await session.type(ENTER)
        before = place(session)
        await session.type(tab)
        await go_by(session, line)
        await until(lambda: session.app.view.title == to[0] and session.app.view.names() == [to[1]])  # type: ignore[attr-defined]
        for _ in range(3):
            if place(session) != before:
                await session.type(ESC)
                await asyncio.sleep(0.1)
                await session.type("")
        await until(lambda: place(session) == before)


async def test_a_tag_and_a_rule_lead_to_their_lines_of_the_policy() -> None:
    async with a_console(Seeded(size=60), "devices", "web-fra-5") as session:
        await session.type(ENTER)
        await go_by(session, "tag:web")
        await until(lambda: session.app.view.title == "Access")
        editor = session.app.view.editor  # type: ignore[attr-defined]
        await until(lambda: '"tag:web"' in editor.buffer.lines[editor.buffer.line])
        await session.type(ESC, RIGHT, RIGHT)
        await go_by(session, "5432")
        await until(lambda: session.app.view.title == "Access" and editor.buffer.line == 15)


@pytest.mark.parametrize(
    ("words", "to"),
    [
        (("names", "web-fra-5.example.com"), ("Devices", "web-fra-5")),
        (("enrollment-keys", "k-0189"), ("Users", "mara@example.com")),
    ],
)
async def test_a_row_without_facts_of_its_own_leads_to_whose_it_is(words: tuple[str, ...], to: tuple[str, str]) -> None:
    async with a_console(Seeded(size=60), *words) as session:
        await session.type(ENTER)
        await until(
            lambda: len(place(session)) > 1 and place(session)[0] == to[0] and place(session)[1].startswith(to[1])
        )


async def test_a_member_is_led_to_no_screen_that_they_do_not_have() -> None:
    async with a_console(Seeded(size=60, role=Role.MEMBER, me="mara"), "devices", "laptop") as session:
        await session.shows("Devices › laptop")
        assert session.app.way("Users", "mara@example.com") is None
        assert session.app.way("Devices", "laptop") is not None


async def test_an_old_entry_is_found_by_its_number(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        for number in range(300):
            await gate.perform(settings.set_setting, LOCAL, key="devices.key-life", value=f"{number + 30}d")
        async with a_console_at(gate, await a_person(gate, "alice", Role.OWNER), "audit", "7") as session:
            await session.shows("Activity › 7")
            await session.type(ENTER)
            await go_by(session, "Subject")
            await until(lambda: session.app.view.title == "Settings")
