"""Parts of long lists: filtered by words and columns, sorted by any column, found by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from model.errors import Invalid
from model.ids import quoted
from model.records import Page, Record
from store.mapping import Rows

if TYPE_CHECKING:
    from store.transaction import Reader

R = TypeVar("R", bound=Record)
Clause = tuple[str, tuple[object, ...]]
"""A condition and its parameters."""
Filter = Callable[["Reader", Any], Clause]

MAX_LIMIT = 1000
_TRIGRAM = 3
"""Characters that a word needs for the text index to find it; shorter ones are looked for in the rows."""


class Query(msgspec.Struct, frozen=True):
    """What part of a list is wanted.

    `filter` holds words that must all appear in a row's visible text, in any case, and `key:value` words for the
    list's own filters (`state:expired`). `where` gives the same filters as values; a tuple of them means any of it.
    An empty `sort` is the list's own order.
    """

    filter: str = ""
    sort: str = ""
    descending: bool = False
    offset: int = 0
    limit: int = 50
    where: Mapping[str, object] = {}


def equals(column: str) -> Filter:
    def clause(_: Reader, value: Any) -> Clause:
        return f'"{column}" = ?', (value,)

    return clause


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
        """Raises `Invalid` for a sort or filter that the list does not have."""
        where, parameters = self._where(r, query)
        table = self.rows.table
        total = r.sql.execute(f"SELECT count(*) FROM {table}{where}", parameters).fetchone()[0]  # noqa: S608
        limit, offset = max(0, min(query.limit, MAX_LIMIT)), max(0, query.offset)
        found = r.sql.execute(
            f"{self.rows.select}{where}{self._order(query)} LIMIT ? OFFSET ?", (*parameters, limit, offset)
        ).fetchall()
        records = self.decode(r, found) if self.decode else tuple(map(self.rows.decode, found))
        return Page(rows=records, offset=offset, total=total)

    def _order(self, query: Query) -> str:
        if query.sort and query.sort not in self.sorts:
            raise Invalid(f"{quoted(query.sort)} is not sorted by", hint=f"sort by one of: {', '.join(self.sorts)}")
        column = self.sorts[query.sort] if query.sort else next(iter(self.sorts.values()))
        down = query.descending or (self.newest_first and not query.sort)
        direction = " DESC" if down else ""
        tie = f', "{self.rows.key}"{direction}' if column != self.rows.key else ""
        return f' ORDER BY "{column}"{direction}{tie}'

    def _where(self, r: Reader, query: Query) -> Clause:
        clauses = [*self._words(r, query.filter), *self._columns(r, query.where)]
        if not clauses:
            return "", ()
        conditions = " AND ".join(f"({condition})" for condition, _ in clauses)
        return f" WHERE {conditions}", tuple(value for _, values in clauses for value in values)

    def _words(self, r: Reader, text: str) -> Iterator[Clause]:
        long: list[str] = []
        for word in text.split():
            key, colon, value = word.partition(":")
            if colon and value and key in self.filters:
                yield self.filters[key](r, value)
            elif self.index and len(word) >= _TRIGRAM:
                long.append(word)
            else:
                yield f"instr(lower({self.text}), ?) > 0", (word.lower(),)
        if long:
            phrase = " AND ".join('"' + word.replace('"', '""') + '"' for word in long)
            yield (
                f'"{self.rows.key}" IN (SELECT rowid FROM {self.index} WHERE {self.index} MATCH ?)',  # noqa: S608
                (phrase,),
            )

    def _columns(self, r: Reader, where: Mapping[str, object]) -> Iterator[Clause]:
        for key, value in where.items():
            if key not in self.filters:
                raise Invalid(f"{quoted(key)} is not filtered by", hint=f"one of: {', '.join(self.filters)}")
            values = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
            parts = [self.filters[key](r, one) for one in values]
            yield (
                " OR ".join(condition for condition, _ in parts) or "0",
                tuple(parameter for _, parameters in parts for parameter in parameters),
            )
