"""What the rows of a list are filtered by, as SQL: in a form that finds rows, and in one that judges a row at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from store.mapping import decimal

if TYPE_CHECKING:
    from store.transaction import Reader

Clause = tuple[str, tuple[object, ...]]
"""An SQL expression and its parameters."""


class Condition(NamedTuple):
    """In two forms: `seek` finds the rows by an index of its own, None where there is none; `scan` judges a row."""

    seek: Clause | None
    scan: Clause
    alone: Clause | None = None
    """What to count rows of where there is no other condition: a table, and a WHERE with it; None for `seek`."""


Filter = Callable[["Reader", Any], Condition]


def compares(seek: str, scan: str | None = None) -> Filter:
    """A condition whose parameters, one or several, are all the value itself."""

    def condition(_: Reader, value: Any) -> Condition:
        found, judged = ((form, (value,) * form.count("?")) for form in (seek, scan or seek))
        return Condition(found, judged)

    return condition


def equals(column: str) -> Filter:
    """A `+` before a column keeps SQLite from seeking by it."""
    return compares(f'"{column}" = ?', f'+"{column}" = ?')


def equals_number(column: str) -> Filter:
    """The same for a column of numbers: a text equals none where a condition judges, which knows no column's type."""
    same = equals(column)
    return lambda r, value: same(r, int(value) if isinstance(value, bool) else decimal(str(value)))


def any_of(conditions: Iterable[Condition]) -> Condition:
    """Holds where one of them does; nowhere where there is none."""
    parts = list(conditions)
    sought = [part.seek for part in parts if part.seek is not None]
    seek = joined("OR", sought) if len(sought) == len(parts) else None
    return Condition(seek, joined("OR", (part.scan for part in parts)))


def contains(text: str, words: Iterable[str]) -> Clause:
    """That the expression `text` has all the words in it, whatever their case."""
    escaped = [word.casefold().replace("^", "^^").replace("%", "^%").replace("_", "^_") for word in words]
    return " AND ".join([f"{text} LIKE ? ESCAPE '^'"] * len(escaped)), tuple(f"%{word}%" for word in escaped)


def joined(word: str, clauses: Iterable[Clause]) -> Clause:
    parts = list(clauses)
    return (
        f" {word} ".join(f"({condition})" for condition, _ in parts) or "0",
        tuple(parameter for _, parameters in parts for parameter in parameters),
    )


def where(clauses: Iterable[Clause]) -> Clause:
    """A WHERE of all of them; empty where there is none."""
    parts = list(clauses)
    if not parts:
        return "", ()
    condition, parameters = joined("AND", parts)
    return f" WHERE {condition}", parameters
