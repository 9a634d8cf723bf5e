"""Every deed acts on the selection, or else on the row under the cursor, in one command that is shown as it runs."""

import shlex

import pytest
from channels import Session, a_console, a_terminal, until
from seeded import Seeded

ENTER = "\r"
TWO = ("v", "\x1b[B", "v")
"""The first two rows of a list."""
DEEDS = [
    pytest.param("devices", ["e", "now", ENTER], "E", "devices expire {}", id="devices-expire-now"),
    pytest.param("devices", ["e", "30d"], ENTER, "devices expire {} --in 30d", id="devices-expire-later"),
    pytest.param("devices", ["x"], "R", "devices remove {}", id="devices-remove"),
    pytest.param("devices", ["d"], "D", "devices disable {}", id="devices-disable"),
    pytest.param("devices", ["t", "\x15tag:db tag:eu"], ENTER, "devices tag {} tag:db tag:eu", id="devices-tag"),
    pytest.param("users", ["R"], ENTER, "users set-role {} ", id="users-role"),
    pytest.param("users", ["d"], "D", "users disable {}", id="users-disable"),
    pytest.param("users", ["x"], "R", "users remove {}", id="users-remove"),
    pytest.param("certs", ["r"], "R", "certs revoke {}", id="certificates-revoke"),
    pytest.param("enrollment-keys", ["r"], "R", "enrollment-keys revoke {}", id="enrollment-keys-revoke"),
]


def shown_command(session: Session) -> str:
    return " ".join(" ".join(line.strip(" ▌") for line in session.frame().splitlines()).split())


@pytest.mark.parametrize("selected", [True, False], ids=["selection", "cursor"])
@pytest.mark.parametrize(("screen", "presses", "yes", "words"), DEEDS)
async def test_a_deed_is_one_command_on_all_that_is_meant(
    screen: str, presses: list[str], yes: str, words: str, selected: bool
) -> None:
    backend = Seeded(size=60)
    async with a_console(backend, screen) as session:
        if screen == "devices":
            await session.type("/tag:web\r")
        if selected:
            await session.type(*TWO)
        view = session.app.view
        names = view.names()  # type: ignore[attr-defined]
        assert len(names) == (2 if selected else 1)
        await session.type(*presses)
        expected = words.format(" ".join(names))
        await until(lambda: expected in shown_command(session))
        await session.type(yes)
        await until(lambda: backend.ran)
    assert len(backend.ran) == 1
    assert shlex.join(backend.ran[0]).startswith(expected)


async def test_several_that_wait_are_approved_in_one_command() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        await session.type("/state:pending\r", *TWO, "a")
        await until(lambda: backend.ran)
    assert backend.ran == [("devices", "approve", "ci-fra-7", "thinkpad-mara")]


async def test_a_tag_on_what_a_person_owns_says_who_loses_it_first() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "desk") as session:
        await session.type("t", "tag:db", ENTER)
        await session.shows("Take desk from")
        await session.shows("certificates are revoked")
        assert backend.ran == []
        await session.type("T")
        await until(lambda: backend.ran == [("devices", "tag", "desk", "tag:db")])


@pytest.mark.parametrize(("key", "said"), [("r", "renamed one at a time"), ("R", "approved one at a time")])
async def test_what_is_for_one_alone_refuses_a_selection(key: str, said: str) -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        await session.type(*TWO, key)
        await session.shows(said)
        assert session.app.mode is None
    assert backend.ran == []


async def test_a_long_command_is_shown_whole() -> None:
    async with a_console(Seeded(size=60), "devices", terminal=a_terminal(columns=80, rows=24)) as session:
        await session.type("v", "\x1b[B" * 12, "v", "x")
        names = session.app.view.names()  # type: ignore[attr-defined]
        await until(lambda: f"devices remove {' '.join(names)}" in shown_command(session))
