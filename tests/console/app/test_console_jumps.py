"""From a name on one screen to the screen that the thing stands on."""

import pytest
from channels import a_console, until
from seeded import Seeded

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
