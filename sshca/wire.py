"""The SSH wire's building blocks (RFC 4251, section 5), and a reader that refuses what is left over."""

from __future__ import annotations

from model.errors import Invalid


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def text(value: str) -> bytes:
    return string(value.encode())


def mpint(value: int) -> bytes:
    """A non-negative number, with the zero byte in front that keeps its sign."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


class Reader:
    """Takes values off the front of `data`; `Invalid` where it ends too early."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise Invalid("the data ends in the middle of a value")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def string(self) -> bytes:
        data, start = self.data, self.at + 4
        end = start + int.from_bytes(data[self.at : start], "big")
        if end > len(data) or start > len(data):
            raise Invalid("the data ends in the middle of a value")
        self.at = end
        return data[start:end]

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


def strings(data: bytes) -> tuple[bytes, ...]:
    """The strings that make up `data`, which they must fill exactly."""
    reader, found = Reader(data), []
    while reader.more:
        found.append(reader.string())
    return tuple(found)
