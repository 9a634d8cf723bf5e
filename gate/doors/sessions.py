"""One session of a person: the console where there is a terminal and no command, else that command.

What names a screen of the console, and is no command (`devices db-1`), opens it there where there is a terminal.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncssh

from gate import reached
from gate.actor import Actor
from gate.doors.streams import ChannelStreams, TerminalChannel, described
from gate.faces import Terminal
from model.errors import Limited, WardgateError

if TYPE_CHECKING:
    from gate.faces import Faces
    from gate.gate import Gate

log = logging.getLogger("wardgate.doors")

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
MAX_COMMAND = 64 * 1024

WAYS = (
    ("{typed}", "the console, in a terminal that can move its cursor (TERM is set)"),
    ("{typed} devices NAME", "the same, at a screen and a thing on it"),
    ("{ssh} help", "all commands"),
    ("{ssh} devices list", "one of them; --json gives JSON"),
    ("{ssh} cert < KEY.pub", "a certificate for your key"),
)
"""What a person without a terminal is told: what to type, and what it gives."""


class PersonSession(asyncssh.SSHServerSession[bytes]):
    """`actor` gives who asks, with the role of the moment; `on_end` is told when it is over."""

    def __init__(
        self, gate: Gate, faces: Faces, actor: Callable[[], Actor], on_end: Callable[[PersonSession], None]
    ) -> None:
        self._gate = gate
        self._faces = faces
        self._actor = actor
        self._on_end = on_end
        self._command: str | None = None
        self._pty: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._console: TerminalChannel | None = None
        self._interrupted = False
        self._reason = ""

    # What the client asks for.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:
        self._pty = term_type
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """None here: no SFTP, and `peers` and `enroll` have doors of their own."""
        return False

    def session_started(self) -> None:
        self._streams = ChannelStreams(self._channel, terminal=self._pty is not None, on_interrupt=self._interrupt)
        self._task = asyncio.get_running_loop().create_task(self._run())

    # What comes from it.

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._console:
            self._console.feed(data)
        else:
            self._streams.feed(data)

    def eof_received(self) -> bool:
        """True keeps the channel: what the command says still has to go out."""
        if not self._console:
            self._streams.feed_end()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._console:
            self._console.resize(width, height)

    def signal_received(self, signal: str) -> None:
        if signal in {"INT", "TERM", "HUP"} and not self._console:
            self._interrupt()

    def pause_writing(self) -> None:
        self._flow(False)

    def resume_writing(self) -> None:
        self._flow(True)

    def _flow(self, on: bool) -> None:
        self._streams.flow(on)
        if self._console:
            self._console.flow(on)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end(self)
        if self._task:
            self._streams.close()
            if self._console:
                self._console.close()
            self._task.cancel()

    # What it is.

    def _interrupt(self) -> None:
        self._interrupted = True
        if self._task:
            self._task.cancel()

    async def leave(self, reason: str) -> None:
        """Ends the face in its own way, then says why."""
        self._reason = reason
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        status = FAILED
        try:
            status = await self._serve()
        except asyncio.CancelledError:
            if self._reason:
                self._streams.write_error(f"\n{self._reason}\n")
            status = INTERRUPTED if self._interrupted else FAILED
        except WardgateError as error:
            self._streams.write_error(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        except ConnectionError:
            pass
        except Exception:
            log.exception("a session failed")
            self._streams.write_error("error: the gate failed at this; its log says why\n")
        self._streams.flush()
        self._channel.exit(status)

    async def _serve(self) -> int:
        if self._command is not None and len(self._command) > MAX_COMMAND:
            raise Limited(f"a command has at most {MAX_COMMAND} characters", hint="do it in several, or send a file")
        words = self._words()
        if words is None:
            self._streams.write_error("error: the command's quotes do not balance\n")
            self._streams.write_error("hint: quote it once for your own shell and once for the gate\n")
            return USAGE
        terminal = self._terminal()
        if self._command is None or (words[:1] == ["console"] and terminal is not None):
            if terminal is None or terminal.dumb:
                return self._help()
            return await self._open(terminal, words[1:])
        if terminal is not None and not terminal.dumb and self._faces.names_screen(self._gate, self._actor(), words):
            return await self._open(terminal, words)
        return await self._faces.command(self._gate, self._actor(), words, self._streams, terminal)

    async def _open(self, terminal: Terminal, words: list[str]) -> int:
        self._console = TerminalChannel(self._channel, terminal)
        return await self._faces.console(self._gate, self._actor(), self._console, words)

    def _words(self) -> list[str] | None:
        """As a POSIX shell splits them, without expansion; None where quotes do not balance."""
        if self._command is None:
            return []
        try:
            return shlex.split(self._command)
        except ValueError:
            return None

    def _terminal(self) -> Terminal | None:
        if self._pty is None:
            return None
        environment = {key.decode(): value.decode("utf-8", "replace") for key, value in self._channel._env.items()}
        columns, rows, _, _ = self._channel.get_terminal_size()
        return described(self._pty, columns, rows, environment)

    def _help(self) -> int:
        name = self._actor().name.partition("@")[0]
        settings = self._gate.snapshot.settings
        ssh, typed = reached.ssh(settings, name), reached.ssh(settings, name, "-t")
        ways = [(way.format(ssh=ssh, typed=typed), what) for way, what in WAYS]
        width = max(len(way) for way, _ in ways)
        domain = self._gate.snapshot.domain
        lines = [f"This is the gate of {domain}. It has no shell; it has a console and commands:"]
        lines += [f"  {way:<{width}}  {what}" for way, what in ways]
        self._streams.write_error("\n".join(lines) + "\n")
        return USAGE
