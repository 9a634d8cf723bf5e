"""A refusal on its way to whoever asked: what is wrong and where in the text."""

from __future__ import annotations

from model.errors import PolicyRefused


class Fault(Exception):
    """What is wrong, at an offset into the policy's text; `located` makes the public refusal of it."""

    def __init__(self, message: str, at: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint


def located(fault: Fault, text: str) -> PolicyRefused:
    """`fault` with the line and column (from 1, in characters) that its offset has in `text`."""
    if fault.at is None:
        return PolicyRefused(fault.message, hint=fault.hint)
    line, column = line_and_column(text, fault.at)
    return PolicyRefused(fault.message, line=line, column=column, hint=fault.hint)


def line_and_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def go_quoted(text: str) -> str:
    """`text` as Go's `%q` prints it: refusals are compared word for word with those of the field."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f",
            "\v": "\\v"}  # fmt: skip


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
