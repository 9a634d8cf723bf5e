"""Textual on a channel: touches no terminal of the process, handles no signal, starts no thread, writes no file."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO

from textual import constants, events
from textual._xterm_parser import BRACKETED_PASTE_END
from textual.driver import Driver
from textual.geometry import Size
from textual.message import Message

from console.app.escapes import Parser
from console.app.sequences import START, STOP
from console.app.sgr import Colours, turned_down
from gate.faces import ConsoleChannel, Listener, terminal_size

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

_ASK_SYNC = "\x1b[?2026$p"
_ASK_BACKGROUND = "\x1b]11;?\x1b\\"
_STRING_REPLY = re.compile(r"\x1b[\]P_^X]([^\x07\x1b]*)(?:\x07|\x1b\\)")
_OPEN_STRING = re.compile(r"\x1b[\]P_^X][^\x07\x1b]*\x1b?\Z")
_BACKGROUND = re.compile(r"11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
MAX_UNPARSED = 1 << 20
"""Characters that may come without one message out of them (a paste that never ends)."""
MAX_WAITING = 1024
"""Input messages that may wait; a client that types faster than that is not a person."""


class ChannelDriver(Driver):
    """Paints an app on a `ConsoleChannel` and feeds it with what the client types.

    While the client does not read, frames are dropped (`paused`); when it reads again, one whole frame follows.
    """

    def __init__(self, app: ConsoleApp, channel: ConsoleChannel, *, colours: Colours, mouse: bool = True) -> None:
        size = terminal_size(channel.terminal.columns, channel.terminal.rows)
        super().__init__(app, debug=False, mouse=mouse, size=size)
        self.console_app = app
        self.channel = channel
        self.colours = colours
        self.paused = False
        self.closed = False
        self._started = False
        self._out: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parser = Parser(self.console_app.has_alt)
        self._held = ""
        self._unparsed = 0
        self._flooded = False

    # Out

    def write(self, data: str) -> None:
        """Gathers what one turn of the loop writes into one packet."""
        if self.closed:
            return
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(data)

    def flush(self) -> None:
        if self._out and not self.closed:
            text = "".join(self._out)
            self._out.clear()
            self.channel.write(turned_down(text, self.colours).encode("utf-8", "replace"))

    def start_application_mode(self) -> None:
        self._started = True
        start = START if self._mouse else re.sub(r"\x1b\[\?100[026]h", "", START)
        asks = _ASK_SYNC + (_ASK_BACKGROUND if self.colours > Colours.SIXTEEN else "")
        self.write(start + (asks if self.channel.terminal.term != "linux" else ""))
        self.channel.listen(
            Listener(on_input=self.feed, on_resize=self.resize, on_flow=self.flow, on_closed=self.client_is_gone)
        )

    def disable_input(self) -> None:
        """Nothing typed from here on is looked at. The end frees the parser's events, and the app with them."""
        self._started = False
        parser, self._parser = self._parser, Parser(self.console_app.has_alt)
        if not parser.is_eof:
            list(parser.feed(""))

    def stop_application_mode(self) -> None:
        """The last that is written: what comes after would be for a terminal that is no longer the console's."""
        self.disable_input()
        self.write(STOP)
        self.close()

    def close(self) -> None:
        self.flush()
        self.closed = True

    # In

    def feed(self, data: bytes) -> None:
        """Bytes as the client sent them, whole or cut anywhere."""
        if not self._started or self._loop.is_closed() or self.console_app._message_queue.qsize() > MAX_WAITING:
            return
        text = self._without_replies(self._held + self._decoder.decode(data))
        if self._flooded:
            text = self._after_flood(text)
        if not text:
            return  # the parser takes an empty text for the end
        self._unparsed += len(text)
        waiting: Callable[[], int] = self.console_app._message_queue.qsize
        try:
            for message in self._parser.feed(text):
                self._unparsed = 0
                if waiting() <= MAX_WAITING:
                    self.process_message(message)
        except (ValueError, OverflowError, IndexError, KeyError, RuntimeError, StopIteration):
            self._parser = Parser(self.console_app.has_alt)
        if self._unparsed > MAX_UNPARSED:
            self._parser, self._unparsed, self._flooded = Parser(self.console_app.has_alt), 0, True
        if self._parser._timeout_time is not None:
            self._loop.call_later(constants.ESCAPE_DELAY + 0.005, self._tick)

    def _after_flood(self, text: str) -> str:
        """Of a paste that was too long, the rest is dropped up to its end."""
        _, end, rest = text.partition(BRACKETED_PASTE_END)
        self._flooded = not end
        return rest

    def _without_replies(self, text: str) -> str:
        """Answers in string sequences taken out: the parser would read them as typed."""
        self._held = ""
        if "\x1b" not in text:
            return text
        for match in _STRING_REPLY.finditer(text):
            self._answered(match[1])
        text = _STRING_REPLY.sub("", text)
        if (open_ := _OPEN_STRING.search(text)) and len(text) - open_.start() < 256:
            self._held, text = text[open_.start() :], text[: open_.start()]
            if len(self._held) == 2:
                self._loop.call_later(constants.ESCAPE_DELAY, self._let_go, self._held)
        return text

    def _let_go(self, held: str) -> None:
        """Esc and a key looked like the beginning of a string."""
        if self._held == held and self._started:
            self._held = ""
            for message in self._parser.feed(held):
                self.process_message(message)
            self._loop.call_later(constants.ESCAPE_DELAY + 0.005, self._tick)

    def _answered(self, body: str) -> None:
        if match := _BACKGROUND.match(body):
            red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in match.groups())
            self.console_app.terminal_is(dark=0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5)

    def _tick(self) -> None:
        if self._started:
            for message in self._parser.tick():
                self.process_message(message)

    def send_message(self, message: Message) -> None:
        self._app.post_message(message)

    def resize(self, columns: int, rows: int) -> None:
        if self._started:
            self._size = terminal_size(columns, rows)
            size = Size(*self._size)
            self._app.post_message(events.Resize(size, size))

    def flow(self, reads: bool) -> None:
        was, self.paused = self.paused, not reads
        if was and reads and self._started:
            self.console_app.paint_whole()

    def client_is_gone(self) -> None:
        self.closed = True
        self._out.clear()
        if self._started:
            self._app.exit(return_code=1)

    # What must not reach the server

    def open_url(self, url: str, new_tab: bool = True) -> None:
        """Not on this side of the connection."""

    def deliver_binary(
        self,
        binary: BinaryIO | TextIO,
        *,
        delivery_key: str,
        save_path: Path,
        open_method: Literal["browser", "download"] = "download",
        encoding: str | None = None,
        mime_type: str | None = None,
        name: str | None = None,
    ) -> Any:
        """Nothing is written on the gate's disk."""
        binary.close()
