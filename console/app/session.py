"""One console session, from its first byte to the end of the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from console.app.app import ConsoleApp, report
from console.app.backend import Backend
from gate.faces import ConsoleChannel
from model.errors import WardgateError

if TYPE_CHECKING:
    from console.app.gatebackend import Runner
    from gate.actor import Actor
    from gate.gate import Gate

log = logging.getLogger("wardgate.console")

CRASHES, WITHIN = 3, 60.0
"""So many failures in so many seconds end a session; fewer are survived."""


async def run_console(
    gate: Gate, actor: Actor, channel: ConsoleChannel, words: Sequence[str] = (), runner: Runner | None = None
) -> int:
    """Paints the console on `channel` until the person leaves it; 0 then.

    Cancelling ends it and restores the terminal.
    """
    from console.app.gatebackend import GateBackend

    if runner is None:
        from console.commandline.face import execute

        runner = partial(execute, program="")
    with gate.sweep.console():
        backend = GateBackend(gate, actor, channel.terminal, runner)
        preferences: dict[str, str] = {}
        with contextlib.suppress(WardgateError):
            preferences = await backend.preferences()
        return await run_on(backend, channel, words, preferences)


TEXTUALS = (
    "textual.drivers.linux_driver", "textual.layouts.factory", "textual.layouts.horizontal", "textual.layouts.stream",
    "textual.scrollbar",
)  # fmt: skip
"""What Textual imports when an app begins."""
OTHERS = ("console.app.screens.help", "console.app.screens.output", "importlib.metadata")


def warm() -> None:
    """Imports what the first session would wait for; it takes about half a second, in any thread."""
    from importlib import import_module

    from rich.cells import cell_len

    from console.app.screens import MODULES

    cell_len("…–")  # Unicode's widths are a module that rich imports when they are first asked for
    for name in (*TEXTUALS, "console.app.gatebackend", "console.app.everywhere", *OTHERS):
        import_module(name)
    for name in MODULES:
        import_module(f"console.app.screens.{name}")


async def run_on(
    backend: Backend, channel: ConsoleChannel, words: Sequence[str] = (), preferences: dict[str, str] | None = None
) -> int:
    """The same over any backend. A failure in a screen begins the app anew, with the error's number in sight."""
    crashes: list[float] = []
    message = ""
    while True:
        app = ConsoleApp(backend, channel, words, preferences)
        if message:
            app.say_refused(message)
        try:
            status = await app.run_on_channel()
        except Exception as error:
            app.crash = app.crash or report(error)
            status = 1
        if (task := asyncio.current_task()) and task.cancelling():
            raise asyncio.CancelledError  # Textual took it for a reason to leave, and went on
        if app.crash is None:
            return status
        now = time.monotonic()
        crashes = [at for at in crashes if now - at < WITHIN] + [now]
        message = f"error {app.crash}: a screen failed and was opened anew; the gate's log has it by this number"
        if len(crashes) >= CRASHES:
            channel.write(
                f"\r\nthe console failed, error {app.crash}: the gate's log has it by this number\r\n".encode()
            )
            return 1
        words = ()
        await asyncio.sleep(0)
