"""Parts of long lists: filtered by words and columns, sorted by any column, found by index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from model.errors import Invalid
from model.ids import quoted
from model.records import Page, Record
from store.mapping import Rows

if TYPE_CHECKING:
    from store.transaction import Reader

R = TypeVar("R", bound=Record)
Clause = tuple[str, tuple[object, ...]]
"""An SQL expression and its parameters."""

MAX_LIMIT = 1000
_TRIGRAM = 3
"""Characters that a word needs for the text index to find it; shorter ones are looked for in the rows."""


class Condition(NamedTuple):
    """In two forms: `seek` finds the rows by an index of its own, `scan` judges a row at hand."""

    seek: Clause
    scan: Clause
    alone: Clause | None = None
    """What to count rows of where there is no other condition: a table, and a WHERE with it; None for `seek`."""


Filter = Callable[["Reader", Any], Condition]


class Query(msgspec.Struct, frozen=True):
    """What part of a list is wanted.

    `filter` holds words that must all appear in a row's visible text, in any case, and `key:value` words for the
    list's own filters (`state:expired`). `where` gives the same filters as values; a tuple of them means any of it.
    An empty `sort` is the list's own order. At most `MAX_LIMIT` rows come at once.
    """

    filter: str = ""
    sort: str = ""
    descending: bool = False
    offset: int = 0
    limit: int = 50
    where: Mapping[str, object] = {}


def compares(seek: str, scan: str | None = None) -> Filter:
    """A condition whose parameters, one or several, are all the value itself."""

    def condition(_: Reader, value: Any) -> Condition:
        forms = ((form, (value,) * form.count("?")) for form in (seek, scan or seek))
        return Condition(*forms)

    return condition


def equals(column: str) -> Filter:
    """A `+` before a column keeps SQLite from seeking by it."""
    return compares(f'"{column}" = ?', f'+"{column}" = ?')


class Listing(Generic[R]):
    """A table as pages. `sorts` maps what callers may sort by to columns; ties are broken by the key.

    `text` is the SQL expression that words are looked for in; `index`, where given, its trigram index (FTS5).
    """

    def __init__(
        self,
        rows: Rows[R],
        *,
        sorts: Mapping[str, str],
        filters: Mapping[str, Filter],
        text: str,
        index: str | None = None,
        newest_first: bool = False,
        decode: Callable[[Reader, list[Any]], tuple[R, ...]] | None = None,
    ) -> None:
        self.rows = rows
        self.sorts = sorts
        self.filters = filters
        self.text = text
        self.index = index
        self.newest_first = newest_first
        self.decode = decode

    def page(self, r: Reader, query: Query) -> Page:
        """Raises `Invalid` for a sort or filter that the list does not have.

        A page is looked for from the nearer end of the list, by whichever is less work: sorting what matches, or
        walking the sorted list until enough of it matched.
        """
        conditions = [*self._words(r, query.filter), *self._columns(r, query.where)]
        column, down = self._order(query)
        sought, total = self._sought(r, conditions)
        offset = max(0, query.offset)
        limit = min(query.limit, MAX_LIMIT, total - offset)
        if limit <= 0:
            return Page(rows=(), offset=offset, total=total)
        from_end = offset > total // 2
        skip = total - offset - limit if from_end else offset
        walks = total * total > (skip + limit) * self._count(r)
        where, parameters = _joined([condition.scan for condition in conditions] if walks else sought)
        found = r.sql.execute(
            f"{self.rows.select}{where}{self._order_by(column, down is not from_end)} LIMIT ? OFFSET ?",
            (*parameters, limit, skip),
        ).fetchall()
        if from_end:
            found.reverse()
        records = self.decode(r, found) if self.decode else tuple(map(self.rows.decode, found))
        return Page(rows=records, offset=offset, total=total)

    def _order(self, query: Query) -> tuple[str, bool]:
        """The column and whether it falls."""
        if not query.sort:
            return next(iter(self.sorts.values())), query.descending or self.newest_first
        if query.sort not in self.sorts:
            raise Invalid(f"{quoted(query.sort)} is not sorted by", hint=f"sort by one of: {', '.join(self.sorts)}")
        return self.sorts[query.sort], query.descending

    def _order_by(self, column: str, down: bool) -> str:
        direction = " DESC" if down else ""
        tie = f', "{self.rows.key}"{direction}' if column != self.rows.key else ""
        return f' ORDER BY "{column}"{direction}{tie}'

    def _sought(self, r: Reader, conditions: Sequence[Condition]) -> tuple[list[Clause], int]:
        """All conditions, sought by the one that the fewest rows match while the others judge; and the total."""
        if len(conditions) < 2:
            return [condition.seek for condition in conditions], self._count(r, *conditions)
        first, *others = sorted(conditions, key=lambda condition: self._count(r, condition))
        sought = [first.seek, *(condition.scan for condition in others)]
        where, parameters = _joined(sought)
        return sought, r.count(f"SELECT count(*) FROM {self.rows.table}{where}", parameters)  # noqa: S608 - our names

    def _count(self, r: Reader, condition: Condition | None = None) -> int:
        where, parameters = _joined([condition.seek] if condition else [])
        source, parameters = (condition and condition.alone) or (self.rows.table + where, parameters)
        return r.count(f"SELECT count(*) FROM {source}", parameters)  # noqa: S608 - names of our own

    def _words(self, r: Reader, text: str) -> Iterator[Condition]:
        indexed: list[str] = []
        others: list[str] = []
        for word in text.split():
            key, colon, value = word.partition(":")
            if colon and value and key in self.filters:
                yield self.filters[key](r, value)
            else:
                (indexed if self.index and len(word) >= _TRIGRAM else others).append(word)
        if indexed:
            phrase = " AND ".join('"' + word.replace('"', '""') + '"' for word in indexed)
            yield self._found("rowid", f"{self.index} WHERE {self.index} MATCH ?", (phrase,), indexed)
        if others:
            contains, parameters = self._contains(others)
            yield self._found(self.rows.key, f"{self.rows.table} WHERE {contains}", parameters, others)

    def _found(self, key: str, source: str, parameters: tuple[object, ...], words: Sequence[str]) -> Condition:
        """That the rows are among those of `source`; a table's index that holds its whole text is all that is read."""
        seek = f'"{self.rows.key}" IN (SELECT "{key}" FROM {source})'  # noqa: S608 - names of our own
        return Condition((seek, parameters), self._contains(words), (source, parameters))

    def _contains(self, words: Sequence[str]) -> Clause:
        escaped = (word.casefold().replace("^", "^^").replace("%", "^%").replace("_", "^_") for word in words)
        like = f"{self.text} LIKE ? ESCAPE '^'"
        return " AND ".join([like] * len(words)), tuple(f"%{word}%" for word in escaped)

    def _columns(self, r: Reader, where: Mapping[str, object]) -> Iterator[Condition]:
        for key, value in where.items():
            if key not in self.filters:
                raise Invalid(f"{quoted(key)} is not filtered by", hint=f"one of: {', '.join(self.filters)}")
            values = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
            parts = [self.filters[key](r, one) for one in values]
            yield Condition(_joined_by("OR", (p.seek for p in parts)), _joined_by("OR", (p.scan for p in parts)))


def _joined_by(word: str, clauses: Iterable[Clause]) -> Clause:
    parts = list(clauses)
    return (
        f" {word} ".join(f"({condition})" for condition, _ in parts) or "0",
        tuple(parameter for _, parameters in parts for parameter in parameters),
    )


def _joined(clauses: Iterable[Clause]) -> Clause:
    """A WHERE of all of them; empty where there is none."""
    parts = list(clauses)
    if not parts:
        return "", ()
    condition, parameters = _joined_by("AND", parts)
    return f" WHERE {condition}", parameters
