"""What the doors ask of the faces (command line, console), which live above the gate and are handed in at the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from gate.actor import Actor
    from gate.gate import Gate

MAX_COLUMNS, MAX_ROWS = 400, 150


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """A client's terminal as it described itself, checked and clamped at the door."""

    term: str
    columns: int = 80
    rows: int = 24
    environment: Mapping[str, str] = {}
    """Of what the client sent, only COLORTERM, NO_COLOR, LANG, LC_ALL and LC_CTYPE."""

    @property
    def dumb(self) -> bool:
        return self.term in {"", "dumb", "unknown"}


def terminal_size(columns: int, rows: int) -> tuple[int, int]:
    """0 means unknown (80x24 is taken); what is absurd is clamped. The wire's numbers are uint32."""
    return min(columns or 80, MAX_COLUMNS), min(rows or 24, MAX_ROWS)


class Streams(Protocol):
    """The three streams of one command. Writing never blocks; the door does flow control and line ends."""

    async def read(self, limit: int) -> bytes:
        """All of standard input. Raises `Limited` above `limit` bytes."""
        ...

    def write(self, text: str) -> None: ...

    def write_bytes(self, data: bytes) -> None:
        """Binary output, refused by a door that has a terminal at its end."""
        ...

    def write_error(self, text: str) -> None: ...

    async def drain(self) -> None:
        """Waits until more may be written. Raises `ConnectionError` once the client is gone."""
        ...


def _nothing(*_: object) -> None: ...


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about what comes from a terminal. All calls come on the event loop."""

    on_input: Callable[[bytes], None] = _nothing
    on_resize: Callable[[int, int], None] = _nothing
    on_flow: Callable[[bool], None] = _nothing
    """Called with False when the client stops reading, with True when it reads again."""
    on_closed: Callable[[], None] = _nothing


NOBODY: Final = Listener()
"""Until a console listens."""


class ConsoleChannel(Protocol):
    """A terminal that a console is painted on."""

    terminal: Terminal

    def write(self, data: bytes) -> None:
        """Hands bytes to the client; silently dropped once it is gone."""
        ...

    def listen(self, listener: Listener) -> None: ...


class Faces(Protocol):
    """`command` and `console` are coroutines that return an exit status; cancelling them is how a door ends them."""

    def names_screen(self, gate: Gate, actor: Actor, words: Sequence[str]) -> bool:
        """Whether `words` are a screen of the console (`devices db-1`), not a command; asked if there is a terminal."""
        ...

    async def command(
        self, gate: Gate, actor: Actor, words: Sequence[str], streams: Streams, terminal: Terminal | None
    ) -> int: ...

    async def console(self, gate: Gate, actor: Actor, channel: ConsoleChannel, words: Sequence[str]) -> int:
        """`words` name a screen and a thing on it (`devices db-1`); empty opens Overview."""
        ...
