"""The screens by their digits. Each is imported when it is first opened."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from console.app.backend import Me
from console.app.view import View

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
_MEMBERS = ("Overview", "Devices", "Keys", "Certificates")
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
    titles = {title for _, title in screens_of(me)}
    title = _BY_NOUN.get(words[0].lower()) if words else None
    if title not in titles or len(words) > 2:
        return None
    if len(words) == 2 and words[1] in VERBS:
        return None
    return title


VERBS = frozenset(
    {
        "list",
        "show",
        "add",
        "approve",
        "rename",
        "tag",
        "set",
        "expire",
        "disable",
        "enable",
        "remove",
        "routes",
        "config",
        "netmap",
        "create",
        "revoke",
        "check",
        "diff",
        "test",
        "explain",
        "reach",
        "history",
        "rollback",
        "confirm",
        "lookup",
        "sign",
        "krl",
        "rotate",
        "promote",
        "retire",
        "trust",
        "apply",
        "verify",
        "follow",
        "set-role",
        "set-password",
        "totp",
        "keys",
        "invite",
        "unlock",
    }
)


def first_screen(me: Me, words: Sequence[str]) -> str:
    return screen_of(me, words) or screens_of(me)[0][1]


def make(title: str, me: Me) -> View:
    module, name = (_MEMBERS_MODULES if me.member else {}).get(title) or _MODULES[title]
    view = getattr(import_module(f"console.app.screens.{module}"), name)()
    assert isinstance(view, View)
    return view
