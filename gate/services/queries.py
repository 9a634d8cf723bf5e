"""What part of a long list is wanted: the store's own question, for the faces, and lists longer than one page."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from model.records import Page, Record
from store import Query, Reader

__all__ = ["Query", "whole"]


def whole(r: Reader, page: Callable[[Reader, Query], Page], query: Query) -> Page:
    """As many rows as `query` asks for, page by page, all as of one moment."""
    rows: list[Record] = []
    while True:
        part = page(r, msgspec.structs.replace(query, offset=query.offset + len(rows), limit=query.limit - len(rows)))
        rows += part.rows
        if not part.rows or len(rows) >= query.limit or query.offset + len(rows) >= part.total:
            return msgspec.structs.replace(part, rows=tuple(rows), offset=query.offset)
