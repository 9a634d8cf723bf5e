"""Parts of long lists: filtered by words and columns, sorted by any column, found by index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from model.errors import Invalid
from model.ids import quoted
from model.records import Page, Record
from store.conditions import Clause, Condition, Filter, any_of, compares, contains, equals, equals_number, where
from store.mapping import Rows

if TYPE_CHECKING:
    from store.transaction import Reader

__all__ = ["Condition", "Filter", "Listing", "Query", "compares", "equals", "equals_number"]

R = TypeVar("R", bound=Record)

MAX_LIMIT = 1000
_TRIGRAM = 3
"""Characters that a word needs for the text index to find it; shorter ones are looked for in the rows."""
_FEW = 4000
"""Matches of one condition up to which all of them are judged and sorted: a few milliseconds."""
_WALK = 4096
"""Rows of the sorted list that are looked at for a page before all rows are: a few milliseconds, too."""


_KEY = re.compile(r"[a-z][a-z_-]*")
_HEX = re.compile(r"[0-9a-f]+")
"""What begins an IPv6 address."""


class Query(msgspec.Struct, frozen=True):
    """What part of a list is wanted.

    `filter` holds words that must all appear in a row's visible text, in any case, and `key:value` words for the
    list's own filters (`state:expired`). `where` gives the same filters as values; a tuple of them means any of it.
    An empty `sort` is the list's own order. At most `MAX_LIMIT` rows come at once; a limit of 0 asks for the total.

    Where many rows match, counting them takes longer than finding some: who does not need the number says so by
    `exact`, and gets a page whose `more` tells whether its total is only what is known so far.
    """

    filter: str = ""
    sort: str = ""
    descending: bool = False
    offset: int = 0
    limit: int = 50
    where: Mapping[str, object] = {}
    exact: bool = True
    strict: bool = False
    """Refuses a `key:value` word whose key is none of the list's filters, but could be meant as one; else such a word
    is looked for in the text, as it is while somebody types."""


class _Order(NamedTuple):
    """By a column, ties broken by the key."""

    column: str
    key: str
    down: bool

    def sql(self, *, sorts: bool = False) -> str:
        """`sorts` keeps SQLite from walking the column's index: a `+` before a column does."""
        by = [self.column] if self.column == self.key else [self.column, self.key]
        plus, direction = "+" if sorts else "", " DESC" if self.down else ""
        return " ORDER BY " + ", ".join(f'{plus}"{column}"{direction}' for column in by)


class Listing(Generic[R]):
    """A table as pages. `sorts` maps what callers may sort by to columns; ties are broken by the key.

    `text` is the SQL expression that words are looked for in; `index`, where given, its trigram index (FTS5).

    A page is found in one of three ways, each bounded: all matches of a condition that few rows match are judged and
    sorted; where many do, the sorted list is walked until enough of it matched; where that takes too long, since what
    matches is far down the list, every row is judged once.
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
        conditions = [*self._columns(r, query.where), *self._words(r, query.filter, strict=query.strict)]
        order = self._order(query)
        offset, limit = max(0, query.offset), max(0, min(query.limit, MAX_LIMIT))
        found = self._few(r, conditions, order)
        if found is not None:
            return Page(rows=self._records(r, found[offset : offset + limit]), offset=offset, total=len(found))
        if query.exact or not conditions or offset + limit > _WALK:
            return self._counted(r, conditions, order, offset, limit)
        keys = self._keys(r, conditions, order, offset, limit + 1, _WALK + 4 * (offset + limit))
        if not keys and offset:
            return self._counted(r, conditions, order, offset, limit)
        rows = self._records(r, keys[:limit])
        return Page(rows=rows, offset=offset, total=offset + len(keys), more=len(keys) > limit)

    def _counted(self, r: Reader, conditions: Sequence[Condition], order: _Order, offset: int, limit: int) -> Page:
        """From the nearer end of the list."""
        total = self._total(r, conditions)
        limit = min(limit, total - offset)
        if limit <= 0:
            return Page(rows=(), offset=offset, total=total)
        from_end = offset > total // 2
        skip = total - offset - limit if from_end else offset
        whole = self._total(r, ())
        expected = (skip + limit) * whole // total
        walk = _WALK + expected if expected < whole // 4 else 0
        keys = self._keys(r, conditions, order._replace(down=order.down is not from_end), skip, limit, walk)
        if from_end:
            keys.reverse()
        return Page(rows=self._records(r, keys), offset=offset, total=total)

    def _few(self, r: Reader, conditions: Sequence[Condition], order: _Order) -> list[Any] | None:
        """The keys of all that match, in order, where one of the conditions is matched by few rows; else None."""
        counts = {at: self._matches(r, condition) for at, condition in enumerate(conditions) if condition.seek}
        first = min(counts, key=lambda at: counts[at], default=None)
        if first is None or counts[first] > _FEW:
            return None
        seek = conditions[first].seek
        assert seek is not None
        judged, parameters = where([seek, *(c.scan for at, c in enumerate(conditions) if at != first)])
        return self._listed(r, f"{self.rows.table}{judged}{order.sql(sorts=True)}", parameters)

    def _matches(self, r: Reader, condition: Condition) -> int:
        """How many rows match it, counted up to `_FEW` and one more."""
        source, parameters = self._source(condition)
        return r.count(f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {_FEW + 1})", parameters)  # noqa: S608

    def _total(self, r: Reader, conditions: Sequence[Condition]) -> int:
        if len(conditions) == 1:
            source, parameters = self._source(conditions[0])
        else:
            judged, parameters = where(condition.scan for condition in conditions)
            source = f"{self.rows.table}{judged}"
        return r.count(f"SELECT count(*) FROM {source}", parameters)  # noqa: S608 - names of our own

    def _source(self, condition: Condition) -> Clause:
        """The rows that match: a table, and a WHERE with it."""
        if condition.alone is not None:
            return condition.alone
        judged, parameters = where([condition.seek or condition.scan])
        return f"{self.rows.table}{judged}", parameters

    def _keys(
        self, r: Reader, conditions: Sequence[Condition], order: _Order, offset: int, limit: int, walk: int
    ) -> list[Any]:
        """`limit` matches from `offset` on, fewer where there are no more: by walking `walk` rows, where they do."""
        judged, parameters = where(condition.scan for condition in conditions)
        if not conditions:
            return self._listed(r, f"{self.rows.table}{order.sql()}", (), offset, limit)
        if walk:
            # The subquery gives its rows in order as they are asked for; an ORDER BY around it would read them all.
            first = f"(SELECT * FROM {self.rows.table}{order.sql()} LIMIT {walk}) AS {self.rows.table}"  # noqa: S608
            keys = self._listed(r, f"{first}{judged}", parameters, offset, limit)
            if len(keys) == limit:
                return keys
        return self._listed(r, f"{self.rows.table}{judged}{order.sql(sorts=True)}", parameters, offset, limit)

    def _listed(
        self, r: Reader, source: str, parameters: tuple[object, ...], offset: int = 0, limit: int = -1
    ) -> list[Any]:
        sql = f'SELECT "{self.rows.key}" FROM {source} LIMIT ? OFFSET ?'  # noqa: S608 - names of our own
        return [key for (key,) in r.sql.execute(sql, (*parameters, limit, offset))]

    def _records(self, r: Reader, keys: Sequence[Any]) -> tuple[R, ...]:
        marks = ", ".join("?" * len(keys))
        sql = f'{self.rows.select} WHERE "{self.rows.key}" IN ({marks})'
        found = {row[self._key_at]: row for row in r.sql.execute(sql, keys)} if keys else {}
        rows = [found[key] for key in keys]
        return self.decode(r, rows) if self.decode else tuple(map(self.rows.decode, rows))

    @property
    def _key_at(self) -> int:
        return self.rows.fields.index(self.rows.key)

    def _order(self, query: Query) -> _Order:
        if not query.sort:
            first = next(iter(self.sorts.values()))
            return _Order(first, self.rows.key, query.descending or self.newest_first)
        if query.sort not in self.sorts:
            raise Invalid(f"{quoted(query.sort)} is not sorted by", hint=f"sort by one of: {', '.join(self.sorts)}")
        return _Order(self.sorts[query.sort], self.rows.key, query.descending)

    def _words(self, r: Reader, text: str, *, strict: bool) -> Iterator[Condition]:
        indexed: list[str] = []
        others: list[str] = []
        for word in text.split():
            key, colon, value = word.partition(":")
            if colon and value and key in self.filters:
                yield self.filters[key](r, value)
            elif strict and colon and value and _KEY.fullmatch(key) and not _HEX.fullmatch(key):
                raise Invalid(f"{quoted(key)} is not filtered by", hint=f"one of: {', '.join(self.filters)}")
            else:
                (indexed if self.index and len(word) >= _TRIGRAM else others).append(word)
        if indexed:
            yield self._indexed(indexed)
        if others:
            yield Condition(None, contains(self.text, others))

    def _indexed(self, words: Sequence[str]) -> Condition:
        phrases = " AND ".join('"' + word.replace('"', '""') + '"' for word in words)
        source = f"{self.index} WHERE {self.index} MATCH ?"
        seek = f'"{self.rows.key}" IN (SELECT rowid FROM {source})'  # noqa: S608 - names of our own
        return Condition((seek, (phrases,)), contains(self.text, words), (source, (phrases,)))

    def _columns(self, r: Reader, wanted: Mapping[str, object]) -> Iterator[Condition]:
        for key, value in wanted.items():
            if key not in self.filters:
                raise Invalid(f"{quoted(key)} is not filtered by", hint=f"one of: {', '.join(self.filters)}")
            values = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
            yield any_of([self.filters[key](r, one) for one in values])
