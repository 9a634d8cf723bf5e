"""Bytes from a stream, as lines of bounded length."""

from __future__ import annotations

from collections.abc import Iterator

from model.errors import Invalid


class LineBuffer:
    """Holds the beginning of a line that has not ended. Never more than `limit` bytes of it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes, without their ends. `Invalid` once a line passes the limit."""
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._take(piece)
            yield b"".join(self._parts)
            self._parts, self._size = [], 0
        if rest:
            self._take(rest)

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self.limit:
            raise Invalid(f"a line from the gate passed {self.limit} bytes")
        self._parts.append(piece)
