"""What another told a host's sshd about whom it trusts: looked for before anything of ours is there, and whenever that
configuration changes, so that neither side overrides the other. The script for hosts without an agent asks the same
(`sshca/host.sh`). A function of values: who asks hands in the files.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from model.errors import Unavailable
from model.ids import Prefix
from model.sshd import DEFAULT_PATHS, Paths

_LINE: Final = re.compile(r'\s*"?([^\s="#][^\s="]*)"?\s*=?\s*(.*)')
_TRUST: Final = "trustedusercakeys"
_REVOKED: Final = "revokedkeys"
_PRINCIPALS: Final = "authorizedprincipalsfile"
_DEEPEST: Final = 16
"""Files within files that sshd includes."""

Included = Callable[[str], Iterable[tuple[str, Iterable[str]]]]
"""The files that a pattern of Include stands for, in sshd's order, with their lines."""


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

    sshd takes the first value that it meets, and nothing is overridden.
    """
    ours = {
        _TRUST: paths.user_ca, _REVOKED: paths.krl, _PRINCIPALS: f"{paths.logins}/%u",
        "authorizedprincipalscommand": "none",  # ours stands in a block, and another's would be asked about root
    }  # fmt: skip
    found = []
    for line in effective.splitlines():
        setting, _, value = line.strip().partition(" ")
        wanted = ours.get(setting.lower())
        if wanted is not None and value not in {"none", "", wanted}:
            found.append(Foreign(setting, value))
    return tuple(found)


def foreign_blocks(
    name: str, lines: Iterable[str], included: Included, paths: Paths = DEFAULT_PATHS
) -> tuple[Foreign, ...]:
    """The `Match` blocks of a configuration, by its file's name, that trust another CA and leave the principals to us,
    or that have revocations of their own and leave the CA to us.

    `sshd -T` does not show them. In the one our lists of principals would be asked about the other CA's certificates,
    in the other ours would be in whatever we revoke; one that names a CA and a list of its own stands by itself.
    `Unavailable` for files that include one another deeper than sshd goes.
    """
    found = []
    for block in [*_blocks(name, lines, included)]:
        alone = _another(block.value(_TRUST), paths.user_ca)
        own_list = _another(block.value(_PRINCIPALS), None)
        for setting, ours, stands in ((_TRUST, paths.user_ca, own_list), (_REVOKED, paths.krl, alone)):
            value, where = block.settings.get(setting, ("none", ""))
            if _another(value, ours) and not stands:
                found.append(Foreign(setting, value, f"{where}, {block.criteria}"))
    return tuple(found)


def _another(value: str | None, ours: str | None) -> bool:
    return value is not None and value.lower() != "none" and value != ours


class _Block(msgspec.Struct, eq=False):
    """A `Match` and what stands in it. One in a file that a block includes holds where both do."""

    criteria: str
    outer: _Block | None
    settings: dict[str, tuple[str, str]] = {}
    """Value and file of each: the first counts."""

    def value(self, setting: str) -> str | None:
        if setting in self.settings:
            return self.settings[setting][0]
        return self.outer.value(setting) if self.outer else None


def _blocks(
    name: str, lines: Iterable[str], included: Included, outer: _Block | None = None, depth: int = 0
) -> Iterator[_Block]:
    """Each is whole once all are through. A file is read in the block that includes it, and its own end with it."""
    if depth > _DEEPEST:
        raise Unavailable(f"{name} is included more than {_DEEPEST} files deep")
    block = outer
    for line in lines:
        setting, values = _words(line)
        if setting == "match":
            criteria = " ".join(["Match", *values])
            block = _Block(f"{outer.criteria}, {criteria}" if outer else criteria, outer)
            yield block
        elif setting == "include":
            for file, text in [each for pattern in values for each in included(pattern)]:
                yield from _blocks(file, text, included, block, depth + 1)
        elif block is not None and values and block.value(setting) is None:
            block.settings[setting] = values[0], name


def _words(line: str) -> tuple[str, list[str]]:
    """A line's setting, in lower case, and its values. sshd lets them be quoted, and a comment follow."""
    found = _LINE.match(line)
    if found is None:
        return "", []
    lexer = shlex.shlex(found[2], posix=True)
    lexer.commenters, lexer.whitespace_split = "", True
    values: list[str] = []
    with contextlib.suppress(ValueError):  # a quote that does not end, as in a comment's "it's"
        values += itertools.takewhile(lambda value: not value.startswith("#"), lexer)
    return found[1].lower(), values


def merge(ranges: Iterable[Prefix]) -> str:
    """What the host's administrator can do, in one line. `ranges` are the network's."""
    return (
        f"keep such a setting for connections around the tunnel, under `Match Address {around(ranges)}`, with an "
        "AuthorizedPrincipalsFile of its own where it names a CA"
    )


def around(ranges: Iterable[Prefix]) -> str:
    """sshd's pattern for all addresses but the network's."""
    return ",".join(("*", *(f"!{prefix}" for prefix in ranges)))
