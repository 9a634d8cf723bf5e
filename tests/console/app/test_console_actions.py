"""Every action of every screen, pressed: what stands on the screen then. One that no row names fails here."""

import pytest
from channels import Session, a_console
from seeded import Seeded

from model.records import Role

KEYS = {"enter": "\r", "tab": "\t", "space": " ", "down": "\x1b[B", "right": "\x1b[C", "ctrl+o": "\x0f"}
LIST = {
    "space": "1 selected",
    "v": "1 selected",
    "enter": "▌",
    "tab": "▌",
    "o": "▲",
    "O": "▼",
    "ctrl+o": "Columns of",
    "c": "✓ copied",
}
"""What is the same in every list."""
SHOWS: dict[tuple[Role, str], dict[str, str]] = {
    (Role.OWNER, "Overview"): {
        "down": "▌ × 1 devices expired",
        "enter": "/ state:pending",
        "a": "devices approve ci-fra-7",
        "s": "1 snoozed",
        "w": "2 devices ask to join",
        "n": "Make an enrollment key",
    },
    (Role.OWNER, "Users"): {
        "n": "Add a person",
        "R": "What may alice@example.com do?",
        "d": "Disable alice@example.com?",
        "x": "Remove alice@example.com?",
        "D": "/ user:alice@example.com",
        "C": "/ user:alice@example.com",
        **LIST,
    },
    (Role.OWNER, "Devices"): {
        "a": "nothing here waits to be approved",
        "t": "Tags of app-ber-2",
        "r": "Rename app-ber-2",
        "e": "When does app-ber-2 expire?",
        "x": "Remove app-ber-2?",
        "d": "Disable app-ber-2?",
        "R": "app-ber-2 advertises no route",
        "n": "Make an enrollment key",
        **LIST,
    },
    (Role.OWNER, "Names"): {
        "n": "Set a name",
        "L": "Look a name up",
        "x": "Remove _acme-challenge.example.com?",
        **LIST,
    },
    (Role.OWNER, "Certificates"): {
        "r": "Revoke certificate 20398?",
        "p": "Let user-4 sign from now on?",
        "T": "Retire host-1?",
        "h": "revoked",
        "K": "fetch it over ssh",
        **LIST,
    },
    (Role.OWNER, "Activity"): {"p": "○ paused", "V": "✓ done", **LIST, "O": "enrollment-keys create"},
    (Role.OWNER, "Keys"): {
        "n": "Make an enrollment key",
        "r": "Revoke k-0188?",
        **LIST,
        "O": "▲",
        "enter": "Who reaches what",
    },
    (Role.OWNER, "Settings"): {"enter": "settings set domain"},
    (Role.MEMBER, "Overview"): {
        "n": "wge_",
        "q": "Add a phone",
        "r": "Rename ci-fra-7",
        "x": "Remove ci-fra-7?",
        "c": "✓ copied 100.64.0.28",
    },
    (Role.MEMBER, "Devices"): {
        "r": "Rename ci-fra-7",
        "e": "When does ci-fra-7 expire?",
        "x": "Remove ci-fra-7?",
        "d": "Disable ci-fra-7?",
        "n": "Make an enrollment key",
        **LIST,
    },
    (Role.MEMBER, "Keys"): {"n": "Add a key of yours", "x": "Remove yubikey 5C?", "c": "✓ copied SHA256:"},
    (Role.MEMBER, "Certificates"): {"r": "Revoke certificate 20412?", "h": "20388", **LIST},
    (Role.MEMBER, "Settings"): {"enter": "dark"},
}
FIRST = {"w": "s"}
"""Pressed before it, where an action is there only then."""


def a_network(role: Role) -> Seeded:
    return Seeded(size=40, role=role, me="mara" if role is Role.MEMBER else "alice")


async def at(session: Session, title: str) -> None:
    session.app.go(title)
    await session.type("")


@pytest.mark.parametrize(("role", "title"), SHOWS, ids=[f"{role.value}-{title}" for role, title in SHOWS])
async def test_each_action_of_a_screen_does_what_it_says(role: Role, title: str) -> None:
    async with a_console(a_network(role)) as session:
        await at(session, title)
        await session.type("".join(key for key in FIRST.values() if title == "Overview" and role is Role.OWNER))
        keys = [action.key for action in session.app.view.actions() if action.possible]
    for key in dict.fromkeys(keys):
        assert key in SHOWS[role, title], f"{title}: no test says what {key} does"
        async with a_console(a_network(role)) as session:
            await at(session, title)
            await session.type(FIRST.get(key, ""))
            before = session.frame()
            await session.type(KEYS.get(key, key))
            await session.shows(SHOWS[role, title][key])
            assert session.frame() != before, f"{title}: {key} changes nothing"


@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER])
async def test_every_screen_has_its_actions_pressed(role: Role) -> None:
    """Access has tests of its own."""
    async with a_console(a_network(role)) as session:
        titles = {title for _, title in session.app.screens()} - {"Access"}
    assert titles == {title for known, title in SHOWS if known is role}
