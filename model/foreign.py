"""What another told a host's sshd about whom it trusts: found before anything of ours is there, so that neither side
overrides the other. A function of values; the script for hosts without an agent asks the same (`sshca/host.sh`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from model.ids import Prefix
from model.sshd import DEFAULT_PATHS, Paths

_WORDS: Final = re.compile(r'[^\s="]+')
_TRUST: Final = "trustedusercakeys"
_PRINCIPALS: Final = "authorizedprincipalsfile"


class Foreign(msgspec.Struct, frozen=True):
    """A setting that another file gave sshd."""

    setting: str
    value: str
    where: str = ""
    """The file and the block, where it is not for all connections."""

    def __str__(self) -> str:
        return f"{self.setting} is {self.value}" + (f" in {self.where}" if self.where else "")


def foreign_settings(effective: str, paths: Paths = DEFAULT_PATHS) -> tuple[Foreign, ...]:
    """What stands in our way in `effective`, the output of `sshd -T` without our drop-in, or with it.

    sshd takes the first value that it meets. Nothing is overridden: where this is not empty, nothing is written, and
    the merge is shown.
    """
    ours = {
        _TRUST: paths.user_ca, "revokedkeys": paths.krl, _PRINCIPALS: f"{paths.logins}/%u",
        "authorizedprincipalscommand": "none",  # ours stands in a block, and another's would be asked about root
    }  # fmt: skip
    found = []
    for line in effective.splitlines():
        setting, _, value = line.strip().partition(" ")
        wanted = ours.get(setting.lower())
        if wanted is not None and value not in {"none", "", wanted}:
            found.append(Foreign(setting, value))
    return tuple(found)


def foreign_blocks(name: str, lines: Iterable[str], paths: Paths = DEFAULT_PATHS) -> tuple[Foreign, ...]:
    """The `Match` blocks of a configuration file `name` that trust another CA and leave the principals to us.

    `sshd -T` does not show them. In such a block our lists of principals would be asked about the other CA's
    certificates; one that names a list of its own stands by itself.
    """
    found = []
    for criteria, settings in _match_blocks(lines):
        value = settings.get(_TRUST, "none")
        if value not in {"none", paths.user_ca} and settings.get(_PRINCIPALS, "none") == "none":
            found.append(Foreign(_TRUST, value, f"{name}, Match {criteria}"))
    return tuple(found)


def _match_blocks(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Criteria and settings of each: the first value of a setting counts."""
    criteria, settings = "", dict[str, str]()
    for line in lines:
        words = _WORDS.findall(line)
        if not words or words[0].startswith("#"):
            continue
        if words[0].lower() == "match":
            if criteria:
                yield criteria, settings
            criteria, settings = " ".join(words[1:]), {}
        else:
            settings.setdefault(words[0].lower(), " ".join(words[1:]))
    if criteria:
        yield criteria, settings


def included(lines: Iterable[str]) -> tuple[str, ...]:
    """The patterns that a configuration file's lines include."""
    words = (_WORDS.findall(line) for line in lines)
    return tuple(pattern for each in words if each and each[0].lower() == "include" for pattern in each[1:])


def merge(ranges: Iterable[Prefix]) -> str:
    """What the host's administrator can do, in one line. `ranges` are the network's."""
    return (
        f"keep such a setting for connections around the tunnel, under `Match Address {around(ranges)}`, with an "
        "AuthorizedPrincipalsFile of its own where it names a CA"
    )


def around(ranges: Iterable[Prefix]) -> str:
    """sshd's pattern for all addresses but the network's."""
    return ",".join(("*", *(f"!{prefix}" for prefix in ranges)))
