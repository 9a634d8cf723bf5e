"""HuJSON: JSON with comments and trailing commas, as <https://github.com/tailscale/hujson> describes it.

What is read keeps its place: strings, arrays and objects carry `at`, their offset into the text, so that a refusal
names line and column. Objects keep their members in order; a name that comes twice is refused at every level.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from policy.fault import Fault, go_quoted

MAX_BYTES = 4 * 1024 * 1024
"""Of a policy's text in UTF-8, comments included."""
MAX_DEPTH = 32
"""Of arrays and objects within one another."""
MAX_VALUES = 200_000
"""Of strings, numbers, arrays, objects and member names together."""
MAX_NUMBER = 32
"""Characters of one number."""


class Text(str):
    """A string and where it begins."""

    __slots__ = ("at",)
    at: int


class Array(list["Value"]):
    __slots__ = ("at",)
    at: int


class Object(dict[Text, "Value"]):
    __slots__ = ("at",)
    at: int


Value: TypeAlias = "Text | Array | Object | float | int | bool | None"

# Possessive, so that ten megabytes of comments leave nothing to backtrack into.
# Possessive groups would say more, but match wrongly before Python 3.11.4; nothing follows here that could backtrack.
_SPACE = re.compile(r"(?:[ \t\r\n]++|//[^\n]*+|/\*[\s\S]*?\*/)*")
_BLANK = frozenset(" \t\r\n/")
_PLAIN = re.compile(r'"([^"\\\x00-\x1f]*+)"')
_STRING = re.compile(r'"([^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*)"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![0-9A-Za-z_.+-])")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def text_at(value: str, at: int) -> Text:
    word = Text(value)
    word.at = at
    return word


def parse(text: str) -> Value:
    """The one value that `text` holds. Raises `Fault`; refuses what goes beyond the limits above."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Fault(f"the policy is longer than {MAX_BYTES} bytes", hint="comments count too; shorten it")
    for position, character in enumerate(text) if not text.isascii() else ():
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise Fault("the policy is not valid UTF-8", position)
    reader = _Reader(text)
    at = reader.space(0)
    if at == len(text):
        raise Fault("the policy is empty", 0, '{} is the policy that lets everything pass; {"acls": []} lets nothing')
    value, at = reader.value(at, 0)
    at = reader.space(at)
    if at != len(text):
        raise Fault("there is something after the end of the policy", at)
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.left = MAX_VALUES

    def space(self, at: int) -> int:
        if self.text[at : at + 1] not in _BLANK:
            return at
        match = _SPACE.match(self.text, at)
        assert match is not None
        at = match.end()
        if self.text.startswith("/*", at):
            raise Fault("a comment is not closed", at, "end it with */")
        return at

    def spend(self, at: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise Fault(f"the policy has more than {MAX_VALUES} values", at, "name sets of things by groups and tags")

    def value(self, at: int, depth: int) -> tuple[Value, int]:
        self.spend(at)
        first = self.text[at : at + 1]
        if first == '"':
            return self.string(at)
        if first in ("{", "["):
            if depth == MAX_DEPTH:
                raise Fault(f"the policy nests deeper than {MAX_DEPTH} levels", at)
            return self.object(at, depth + 1) if first == "{" else self.array(at, depth + 1)
        number = _NUMBER.match(self.text, at)
        if number:
            return self.number(number.group(), at), number.end()
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, at) and not self.text[at + len(word) : at + len(word) + 1].isalnum():
                return meaning, at + len(word)
        raise self.unexpected(at, "a value")

    def number(self, digits: str, at: int) -> float | int:
        if len(digits) > MAX_NUMBER:
            raise Fault(f"a number has more than {MAX_NUMBER} characters", at)
        return int(digits) if digits.lstrip("-").isdigit() else float(digits)

    def string(self, at: int) -> tuple[Text, int]:
        match = _PLAIN.match(self.text, at)
        if match:
            return text_at(match.group(1), at), match.end()
        match = _STRING.match(self.text, at)
        if match is None:
            raise Fault("a string is not closed, or holds a control character", at, 'close it with " on its line')
        return text_at(self.unescaped(match.group(1), at + 1), at), match.end()

    def unescaped(self, raw: str, at: int) -> str:
        def one(match: re.Match[str]) -> str:
            code, short = match.groups()
            if code is not None:
                return chr(int(code, 16))
            if short not in _SHORT:
                raise Fault(f"\\{short} is not an escape in a string", at + match.start())
            return _SHORT[short]

        plain = _ESCAPE.sub(one, raw)
        # Two \u escapes may be the halves of one character; a half alone is no text.
        try:
            return plain.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise Fault("a string holds half of a surrogate pair", at) from None

    def array(self, at: int, depth: int) -> tuple[Array, int]:
        array = Array()
        array.at = at
        at = self.space(at + 1)
        while not self.text.startswith("]", at):
            value, at = self.value(at, depth)
            array.append(value)
            at = self.after(at, "]")
        return array, at + 1

    def object(self, at: int, depth: int) -> tuple[Object, int]:
        members = Object()
        members.at = at
        at = self.space(at + 1)
        while not self.text.startswith("}", at):
            if not self.text.startswith('"', at):
                raise self.unexpected(at, "a name in double quotes")
            self.spend(at)
            name, at = self.string(at)
            if name in members:
                raise Fault(f"duplicate object member name {go_quoted(name)}", name.at)
            at = self.space(at)
            if not self.text.startswith(":", at):
                raise self.unexpected(at, 'a ":"')
            members[name], at = self.value(self.space(at + 1), depth)
            at = self.after(at, "}")
        return members, at + 1

    def after(self, at: int, close: str) -> int:
        """Past an element: behind its comma, or at what closes the array or object."""
        at = self.space(at)
        if self.text.startswith(",", at):
            return self.space(at + 1)
        if not self.text.startswith(close, at):
            raise self.unexpected(at, f'a "," or "{close}"')
        return at

    def unexpected(self, at: int, wanted: str) -> Fault:
        found = self.text[at : at + 1]
        return Fault(f"{go_quoted(found) if found else 'the end'} stands where {wanted} should be", at)
