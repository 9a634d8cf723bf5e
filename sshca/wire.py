"""The SSH wire's building blocks (RFC 4251, section 5), and a reader that refuses what is left over."""

from __future__ import annotations

import struct
from typing import Final

from model.errors import Invalid

_UINT32: Final = struct.Struct(">I").unpack_from


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def text(value: str) -> bytes:
    return string(value.encode())


def mpint(value: int) -> bytes:
    """A non-negative number, with the zero byte in front that keeps its sign."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


def take_strings(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """`count` strings of `data` from the offset `at`, and the offset after them. The quick way through long data."""
    found = []
    try:
        for _ in range(count):
            start = at + 4
            at = start + _UINT32(data, at)[0]
            found.append(data[start:at])
    except struct.error:
        raise _cut_off() from None
    if at > len(data):
        raise _cut_off()
    return found, at


def strings(data: bytes) -> list[bytes]:
    """The strings that make up `data`, which they must fill exactly."""
    found, at, size = [], 0, len(data)
    try:
        while at < size:
            start = at + 4
            at = start + _UINT32(data, at)[0]
            found.append(data[start:at])
    except struct.error:
        raise _cut_off() from None
    if at > size:
        raise _cut_off()
    return found


def _cut_off() -> Invalid:
    return Invalid("the data ends in the middle of a value")


class Reader:
    """Takes values off the front of `data`; `Invalid` where it ends too early."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise _cut_off()
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def string(self) -> bytes:
        (found,), self.at = take_strings(self.data, self.at, 1)
        return found

    def text(self) -> str:
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise Invalid("a text is not UTF-8") from None

    def uint8(self) -> int:
        return self.take(1)[0]

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def uint64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    @property
    def more(self) -> bool:
        return self.at < len(self.data)

    def finish(self) -> None:
        if self.more:
            raise Invalid("bytes are left over after the last value")
