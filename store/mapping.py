"""How a record stands in its table: one column a field, of the same name, by the field's type."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from model.keys import SSHKey
from model.records import Record

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

R = TypeVar("R", bound=Record)
Convert = Callable[[Any], Any]

_json = msgspec.json.Encoder().encode


def decimal(text: str) -> int | None:
    """The row number that an id stands for; None where `text` is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _plain(hint: Any) -> tuple[Any, bool]:
    """The type under NewType and `| None`, and whether None is allowed."""
    optional = False
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
        optional = True
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint, optional


def _converters(hint: Any, decimal_text: bool) -> tuple[Convert, Convert] | None:
    """To and from the column for a type; None where the value goes in as it is. An unknown type is refused."""
    if decimal_text:
        return int, str
    if hint is SSHKey:
        return lambda key: key.blob, SSHKey
    if hint is bool:
        return int, bool
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = {member.value: member for member in hint}
        return lambda member: member.value, members.__getitem__
    if typing.get_origin(hint) in {tuple, dict}:
        return lambda value: _json(value).decode(), msgspec.json.Decoder(hint).decode
    if hint in {str, int}:
        return None
    raise TypeError(f"no column holds a {hint}")


def _maybe(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


class Rows(Generic[R]):
    """The rows of `table` as records. `decimal_text` fields are integers in the table, text in the record."""

    def __init__(
        self,
        record: type[R],
        table: str,
        *,
        key: str = "id",
        decimal_text: Sequence[str] = (),
        elsewhere: Sequence[str] = (),
    ) -> None:
        hints = typing.get_type_hints(record)
        self.record = record
        self.table = table
        self.key = key
        self.fields = tuple(name for name in record.__struct_fields__ if name not in elsewhere)
        self.columns = ", ".join(f'{table}."{name}"' for name in self.fields)
        self.select = f"SELECT {self.columns} FROM {table}"  # noqa: S608 - names from our own records
        self._insert = self._insertion(self.fields)
        self._values = attrgetter(*self.fields)
        self._into: list[tuple[str, Convert]] = []
        self._from: list[tuple[str, Convert]] = []
        for name in self.fields:
            hint, optional = _plain(hints[name])
            converters = _converters(hint, name in decimal_text)
            if converters is not None:
                into, out = (_maybe(c) if optional else c for c in converters)
                self._into.append((name, into))
                self._from.append((name, out))
        self._places = [(self.fields.index(name), into) for name, into in self._into]

    def decode(self, row: Sequence[Any], **elsewhere: Any) -> R:
        values = dict(zip(self.fields, row, strict=True))
        for name, convert in self._from:
            values[name] = convert(values[name])
        return self.record(**values, **elsewhere)

    def encode(self, **fields: Any) -> dict[str, Any]:
        """Columns for some fields of the record."""
        for name, convert in self._into:
            if name in fields:
                fields[name] = convert(fields[name])
        return fields

    def encode_record(self, record: R) -> dict[str, Any]:
        return dict(zip(self.fields, self._row(record), strict=True))

    def _row(self, record: R) -> list[Any]:
        """All columns, in the order of `fields`."""
        values = list(self._values(record))
        for place, convert in self._places:
            values[place] = convert(values[place])
        return values

    def one(self, r: Reader, where: str, *parameters: object) -> R | None:
        row = r.sql.execute(f"{self.select} WHERE {where}", parameters).fetchone()
        return None if row is None else self.decode(row)

    def many(self, r: Reader, tail: str = "", *parameters: object) -> tuple[R, ...]:
        return tuple(map(self.decode, r.sql.execute(f"{self.select} {tail}", parameters)))

    def _insertion(self, names: Iterable[str]) -> str:
        names = list(names)
        quoted, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
        return f"INSERT INTO {self.table} ({quoted}) VALUES ({marks})"  # noqa: S608 - names from our own records

    def insert(self, tx: Transaction, columns: dict[str, Any]) -> int:
        """Adds a row and gives its number. Raises `sqlite3.IntegrityError`."""
        return self._inserted(tx, self._insertion(columns), tuple(columns.values()))

    def insert_record(self, tx: Transaction, record: R) -> int:
        """`insert` for all fields of a record at once."""
        return self._inserted(tx, self._insert, self._row(record))

    def insertion(self, record: R) -> tuple[str, list[Any]]:
        """The statement that adds a record, and its values: for `Later.row`."""
        return self._insert, self._row(record)

    def _inserted(self, tx: Transaction, insertion: str, values: Sequence[Any]) -> int:
        cursor = tx.sql.execute(insertion, values)
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def update(self, tx: Transaction, key: object, columns: dict[str, Any]) -> bool:
        """Writes the columns of one row; False where there is no such row. Raises `sqlite3.IntegrityError`."""
        settings = ", ".join(f'"{name}" = ?' for name in columns)
        cursor = tx.sql.execute(
            f'UPDATE {self.table} SET {settings} WHERE "{self.key}" = ?',  # noqa: S608 - names from our own records
            (*columns.values(), key),
        )
        return cursor.rowcount == 1

    def delete(self, tx: Transaction, key: object) -> bool:
        cursor = tx.sql.execute(f'DELETE FROM {self.table} WHERE "{self.key}" = ?', (key,))  # noqa: S608
        return cursor.rowcount == 1
