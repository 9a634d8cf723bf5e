"""Postures: conditions on what a device's agent reports and an operator sets (`node:os == 'linux'`)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from policy.document import Document
from policy.fault import Fault, go_quoted
from policy.hujson import Text

_ATTRIBUTE = r"(?P<name>[a-zA-Z][a-zA-Z0-9_-]*:[a-zA-Z0-9_./-]+)"
_VALUE = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|-?[0-9]+(?:\.[0-9]+)*|true|false)"
_CONDITION = re.compile(
    rf"\s*{_ATTRIBUTE}\s*(?:"
    rf"(?P<operator>==|!=|>=|<=|>|<)\s*(?P<value>{_VALUE})"
    rf"|(?P<membership>IN|NOT\s+IN)\s*[\[(]\s*(?P<values>{_VALUE}(?:\s*,\s*{_VALUE})*)\s*,?\s*[\])]"
    r"|(?P<presence>IS\s+SET|NOT\s+SET)"
    r")\s*",
)
_EACH = re.compile(_VALUE)
_HINT = "a condition reads like node:os == 'linux', node:osVersion >= '14', custom:tier IN ['a', 'b'], custom:x IS SET"
_ORDERED = frozenset({">", "<", ">=", "<="})


class Condition(msgspec.Struct, frozen=True):
    """`operator` is one of == != > < >= <= IN `NOT IN` `IS SET` `NOT SET`."""

    attribute: str
    operator: str
    values: tuple[str, ...]

    def holds(self, attributes: Mapping[str, str]) -> bool:
        have = attributes.get(self.attribute)
        if self.operator in ("IS SET", "NOT SET"):
            return (have is not None) is (self.operator == "IS SET")
        if have is None:
            # What is not known is not known to differ either.
            return False
        if self.operator in ("==", "IN"):
            return have in self.values
        if self.operator in ("!=", "NOT IN"):
            return have not in self.values
        return _ordered(self.operator, have, self.values[0])


def _ordered(operator: str, have: str, value: str) -> bool:
    left, right = _version(have), _version(value)
    if operator == ">":
        return left > right
    if operator == "<":
        return left < right
    return left >= right if operator == ">=" else left <= right


def _version(text: str) -> tuple[tuple[int, int, str], ...]:
    """`text` for comparing as a version: numbers by value, words by spelling, and a word before any number."""
    parts = re.findall(r"[0-9]{1,18}|[a-zA-Z]+", text)
    found = [(1, int(part), "") if part[0].isdigit() else (0, 0, part.lower()) for part in parts]
    while found and found[-1] == (1, 0, ""):
        found.pop()
    return tuple(found)


Postures = Mapping[str, tuple[Condition, ...]]


def postures(document: Document) -> Postures:
    """The document's postures, each the conditions that must all hold. Raises `Fault`."""
    found: dict[str, tuple[Condition, ...]] = {}
    for name, conditions in document.postures.items():
        if not name.startswith("posture:"):
            raise Fault(f"posture must start with 'posture:', got: {go_quoted(name)}", name.at)
        found[str(name)] = tuple(_condition(text) for text in conditions)
    return found


def _condition(text: Text) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise Fault(f"posture condition is not understood: {go_quoted(text)}", text.at, _HINT)
    if match["presence"]:
        return Condition(match["name"], " ".join(match["presence"].split()), ())
    if match["membership"]:
        values = tuple(_plain(value) for value in _EACH.findall(match["values"]))
        return Condition(match["name"], " ".join(match["membership"].split()), values)
    return Condition(match["name"], match["operator"], (_plain(match["value"]),))


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] in "'\"" else value


def satisfied_by(names: tuple[str, ...], known: Postures, attributes: Mapping[str, str]) -> bool:
    """Whether `attributes` satisfy one of the postures `names`."""
    return any(all(condition.holds(attributes) for condition in known[name]) for name in names)
