"""The screens by their digits. Each is imported when it is first opened."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from console.app.backend import Me
from console.app.view import View

if TYPE_CHECKING:
    from gate.actor import Actor
    from gate.gate import Gate

_MODULES = {
    "Overview": ("overview", "OverviewView"),
    "Users": ("users", "UsersView"),
    "Devices": ("devices", "DevicesView"),
    "Access": ("access", "AccessView"),
    "Names": ("names", "NamesView"),
    "Certificates": ("certificates", "CertificatesView"),
    "Activity": ("activity", "ActivityView"),
    "Keys": ("enrollment", "EnrollmentKeysView"),
    "Settings": ("settings", "SettingsView"),
}
_MEMBERS_MODULES = {"Overview": ("member", "MemberView"), "Keys": ("userkeys", "UserKeysView")}
MODULES = tuple(dict.fromkeys(module for module, _ in (*_MODULES.values(), *_MEMBERS_MODULES.values())))
_OPERATORS = ("Overview", "Users", "Devices", "Access", "Names", "Certificates", "Activity", "Keys", "Settings")
_MEMBERS = ("Overview", "Devices", "Keys", "Certificates", "Settings")
_BY_NOUN = {
    "overview": "Overview",
    "users": "Users",
    "devices": "Devices",
    "policy": "Access",
    "access": "Access",
    "names": "Names",
    "certs": "Certificates",
    "certificates": "Certificates",
    "ca": "Certificates",
    "audit": "Activity",
    "activity": "Activity",
    "enrollment-keys": "Keys",
    "keys": "Keys",
    "settings": "Settings",
}


def screens_of(me: Me) -> tuple[tuple[str, str], ...]:
    """Digit and title of each screen that the role has."""
    return tuple((str(at), title) for at, title in enumerate(_MEMBERS if me.member else _OPERATORS, 1))


def screen_of(me: Me, words: Sequence[str]) -> str | None:
    """The screen that words name: `devices`, or `devices db-1`; None where they are a command."""
    title = _title(me, words)
    if len(words) > 2 or any(word.startswith("-") for word in words):
        return None
    if title is None or (len(words) == 2 and is_verb(words[0], words[1])):
        return None
    return title


def _title(me: Me, words: Sequence[str]) -> str | None:
    title = _BY_NOUN.get(words[0].lower()) if words else None
    return title if title in {shown for _, shown in screens_of(me)} else None


def is_verb(noun: str, word: str) -> bool:
    import click

    from console.commandline.face import COMMANDS

    context = click.Context(COMMANDS, info_name="wardgate")
    group = COMMANDS.get_command(context, noun.lower())
    return isinstance(group, click.Group) and word in group.list_commands(context)


def is_link(gate: Gate, actor: Actor, words: Sequence[str]) -> bool:
    """Whether `ssh -t GATE WORDS` names a screen. What is a command stays one: `keys` lists one's own."""
    from console.app.gatebackend import me
    from console.commandline.nouns import MINE

    return bool(words) and words[0] not in MINE and screen_of(me(gate, actor), words) is not None


def first_screen(me: Me, words: Sequence[str]) -> str:
    """What a console opens with: `words` are no command here, so that a device may be called like a verb."""
    return _title(me, words) or screens_of(me)[0][1]


def make(title: str, me: Me) -> View:
    module, name = (_MEMBERS_MODULES if me.member else {}).get(title) or _MODULES[title]
    view = getattr(import_module(f"console.app.screens.{module}"), name)()
    assert isinstance(view, View)
    return view
