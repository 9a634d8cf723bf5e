"""What can be set for a network: one table of key, type, default and meaning. An unknown key is refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

import sshca
from gate.login import issuers
from model.errors import Invalid, NotFound
from model.ids import domain, prefix, quoted
from store.settings import CLAIMS

_DURATION = re.compile(r"(\d+)([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(text: str) -> int:
    """Seconds of `90s`, `15m`, `16h`, `30d`, `2w` or sums such as `1h30m`."""
    compact = text.strip().lower()
    parts = _DURATION.findall(compact)
    if not parts or "".join(n + u for n, u in parts) != compact or len(compact) > 16:
        raise Invalid(f"{quoted(text)} is not a duration", hint="write it like 90s, 15m, 16h, 30d or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _seconds(low: int, high: int) -> Callable[[object], object]:
    def parse(value: object) -> object:
        seconds = value if isinstance(value, int) and not isinstance(value, bool) else duration(str(value))
        if not low <= seconds <= high:
            raise Invalid(f"{seconds} s is outside {low} to {high} s")
        return seconds

    return parse


def _number(low: int, high: int) -> Callable[[object], object]:
    def parse(value: object) -> object:
        text = str(value)
        if not text.isdigit() or not low <= int(text) <= high:
            raise Invalid(f"{quoted(text)} is not a number from {low} to {high}")
        return int(text)

    return parse


def _choice(*choices: str) -> Callable[[object], object]:
    def parse(value: object) -> object:
        if value not in choices:
            raise Invalid(f"{quoted(str(value))} is none of {', '.join(choices)}")
        return value

    return parse


def _switch(value: object) -> object:
    if value in {True, "on", "true", "yes"}:
        return True
    if value in {False, "off", "false", "no"}:
        return False
    raise Invalid(f"{quoted(str(value))} is neither on nor off")


def _fixed(value: object) -> object:
    raise Invalid("this was settled at init and stays", hint="a new network is made with: wardgate init")


def _addresses(value: object) -> object:
    items = value if isinstance(value, list) else str(value).replace(",", " ").split()
    for item in items:
        host, _, port = str(item).rpartition(":") if str(item).count(":") == 1 else (str(item), "", "")
        if not re.fullmatch(r"[A-Za-z0-9.:_\[\]-]{1,255}", host) or (port and not _is_port(port)):
            raise Invalid(f"{quoted(str(item))} is not HOST or HOST:PORT", hint="a port is a number from 1 to 65535")
    return [str(item) for item in items]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def host_of(address: str) -> str:
    """HOST of HOST, HOST:PORT, [V6]:PORT."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _json(value: object) -> object:
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError as fault:
            raise Invalid(
                f"this is not JSON: {fault}",
                hint="a shell takes quotes away, and ssh goes through one more: give - and send it on stdin",
            ) from None
    return value


def _claims(value: object) -> object:
    """A table as `sshca.claims` has it, in builtins."""
    try:
        table = msgspec.convert(_json(value), tuple[sshca.Claim, ...])
    except msgspec.ValidationError as fault:
        raise Invalid(
            f"this is not a table of claims: {fault}",
            hint='it reads like [{"kind": "user", "tag": "tag:ci", "default": 900, "maximum": 3600}]',
        ) from None
    sshca.check_claims(table)
    return msgspec.to_builtins(table)


def _issuers(value: object) -> object:
    found = _json(value)
    issuers.parse(found)
    return found


def _frees_of_consent(before: object, after: object) -> str | None:
    """An admin who could drop the claim, sign, and put it back would need nobody's consent."""
    if _consents(before) == _consents(after):
        return None
    return "which certificates wait for a second operator is not for one admin to decide"


def _consents(table: object) -> frozenset[sshca.Claim]:
    """What of a table asks for consent, whatever else its rows say, and in whatever order."""
    rows = msgspec.convert(table, tuple[sshca.Claim, ...])
    return frozenset(
        sshca.Claim(
            kind=row.kind, role=row.role, tag=row.tag, approval=row.approval,
            approval_for=row.approval_for and tuple(sorted(row.approval_for)),
        )
        for row in rows if row.approval is not None
    )  # fmt: skip


class Setting(msgspec.Struct, frozen=True):
    parse: Callable[[object], object]
    default: object
    about: str
    secret: bool = False
    """Shown as set or not set, never as it is."""
    owners: Callable[[object, object], str | None] = lambda before, after: None
    """Why owners alone put the second value in the place of the first; None where admins may."""


_YEAR = 366 * 86400
SETTINGS: Mapping[str, Setting] = MappingProxyType({
    "domain": Setting(_fixed, None, "the domain that device names stand under"),
    "user-domain": Setting(lambda v: domain(str(v)), None, "the domain that a bare user name is taken as one of"),
    "ipv4": Setting(lambda v: _fixed(prefix(str(v))), None, "the range of IPv4 addresses"),
    "ipv6": Setting(lambda v: _fixed(prefix(str(v))), None, "the range of IPv6 addresses"),
    "gate.addresses": Setting(_addresses, [], "where the gate is reached; its host certificate names them"),
    "devices.approval": Setting(
        _choice("automatic", "by-role", "by-hand"), "by-role",
        "devices that people enroll are approved at once: automatic always, by-role for operators, by-hand never",
    ),
    "devices.key-life": Setting(_seconds(3600, 10 * _YEAR), 180 * 86400, "how long a person's device stays approved"),
    "devices.per-person": Setting(_number(1, 10000), 100, "devices that one person may have"),
    "devices.follow-login": Setting(_switch, False, "a person's devices expire when their last login ends"),
    "devices.ephemeral-after": Setting(_seconds(60, _YEAR), 1800, "how long an ephemeral device may be offline"),
    "login.passwords": Setting(_switch, True, "people may log in with passwords"),
    "login.second-factor": Setting(
        _choice("off", "operators", "all"), "off", "who must give a second factor with a password"
    ),
    "login.life": Setting(_seconds(60, 30 * 86400), 16 * 3600, "how long a login lasts"),
    "login.issuers": Setting(
        _issuers, {}, "OpenID Connect providers, by name; set by owners alone", secret=True,
        owners=lambda before, after: "a provider says who someone is, owners too",
    ),
    CLAIMS: Setting(
        _claims, [], "lives, extensions and forced commands of certificates, by kind, role and tag",
        owners=_frees_of_consent,
    ),
    "names.resolvers": Setting(_addresses, [], "DNS servers that devices ask for all other names"),
})  # fmt: skip


def parse(key: str, value: object) -> object:
    """The checked value of setting `key`. Raises `NotFound` for an unknown key, `Invalid` for a bad value."""
    setting = find(key)
    try:
        return setting.parse(value)
    except Invalid as fault:
        raise Invalid(f"{key}: {fault.message}", hint=fault.hint) from None


def find(key: str) -> Setting:
    if key not in SETTINGS:
        near = difflib.get_close_matches(key, SETTINGS, 1)
        raise NotFound(
            f"no setting is called {quoted(key)}",
            hint=f"did you mean {near[0]}?" if near else "`wardgate settings list` shows them all",
        )
    return SETTINGS[key]
