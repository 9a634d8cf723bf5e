"""The app: one session of one person, with the frame, the view in sight, and the mode that holds the keys."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

from rich.console import Console
from textual import events
from textual._compositor import ChopsUpdate
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.driver import Driver
from textual.filter import LineFilter
from textual.widget import Widget

from console.app import frame
from console.app.backend import Backend
from console.app.canvas import Canvas
from console.app.columns import Context
from console.app.desk import Deed
from console.app.driver import ChannelDriver
from console.app.glyphs import Glyphs, glyphs_for
from console.app.keyboard import HELD_KEYS, Keyboard
from console.app.keymap import PREFERENCE, Keymap
from console.app.modes import Mode
from console.app.row import Row
from console.app.sgr import Colours, colours_of
from console.app.spans import Spans
from console.app.theme import DARK, LIGHT, SIXTEEN, Theme
from console.app.toast import Toast
from console.app.view import View
from gate.faces import ConsoleChannel
from model.change import Committed
from model.errors import WardgateError

log = logging.getLogger("wardgate.console")

REPAINTS_A_SECOND = 4
AGES = 10
"""Seconds after which ages on the screen are drawn anew."""
FIRST = 0.05
"""Seconds that the first frame waits for what stands on it; without, the frame comes first."""
RULES: LRUCache[tuple[Any, ...], list[RuleSet]] = LRUCache(64)
"""Style sheets as they were read for the first session: all have the same, since none sets variables of its own."""


class ConsoleApp(Keyboard):
    """How a session lives and paints."""

    CSS = """
    Screen { layers: base over; }
    TopLine, CrumbLine, Footer { height: 1; }
    View { width: 100%; height: 1fr; }
    Footer { dock: bottom; }
    Band { layer: over; dock: bottom; margin-bottom: 1; height: 0; display: none; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []
    ALLOW_SELECT = False
    AUTO_FOCUS = None

    def __init__(
        self,
        backend: Backend,
        channel: ConsoleChannel,
        words: Sequence[str] = (),
        preferences: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.stylesheet._parse_cache = RULES
        self._disable_tooltips = self._disable_notifications = True
        self.backend = backend
        self.channel = channel
        self.preferences = dict(preferences or {})
        self.look()
        self.animation_level = "none"
        self.mode: Mode | None = None
        self.toast: Toast | None = None
        self.history: list[str] = []
        self.paused = False
        self.crash: str | None = None
        """The number of the error that ended it, where one did."""
        self.deed: Deed | None = None
        self._trail: list[tuple[str, tuple[str, ...]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._held: deque[events.Key | events.Paste] = deque(maxlen=HELD_KEYS)
        self._unfollow: Callable[[], None] | None = None
        self._batch: list[Committed] = []
        self._views: dict[str, View] = {}
        self._band_height = 0
        self._keys = 0
        self._settling = False
        self._ticks = 0
        self._canvas = Canvas()
        self._band = frame.Band()
        self._frame = (frame.TopLine(), frame.CrumbLine(), frame.Footer())
        self._own_the_process_less()
        from console.app.screens import first_screen

        self.view = self.view_of(first_screen(backend.me(), words))
        self._words = tuple(words)

    def _own_the_process_less(self) -> None:
        """What Textual does to a process that is its own: redirect its output, read its environment."""
        self._capture_stdout = sys.stdout  # type: ignore[assignment]
        self._capture_stderr = sys.stderr  # type: ignore[assignment]
        self.no_color = False
        self.console = Console(
            color_system="truecolor", file=self.console.file, force_terminal=True, legacy_windows=False, _environ={}
        )

    def get_line_filters(self) -> Sequence[LineFilter]:
        return ()

    def look(self) -> None:
        """Colours, theme and glyphs from the terminal's words and the person's settings."""
        terminal, chosen = self.channel.terminal, self.preferences
        self.keymap = Keymap.read(chosen.get(PREFERENCE, ""))
        self.colours = colours_of(terminal, chosen.get("colours", "auto"))
        if self.colours <= Colours.SIXTEEN:
            self.theme_in_use: Theme = SIXTEEN
        else:
            self.theme_in_use = LIGHT if chosen.get("theme") == "light" else DARK
        environment = terminal.environment
        locale = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
        encoding = "ASCII" if locale in {"C", "POSIX"} else locale.partition(".")[2]
        self.glyphs: Glyphs = glyphs_for(terminal.term, encoding, chosen.get("glyphs", "auto"))
        if isinstance(self._driver, ChannelDriver):
            self._driver.colours = self.colours

    def terminal_is(self, *, dark: bool) -> None:
        """The terminal told its background; a person's own choice of theme stands."""
        if self.preferences.get("theme", "auto") == "auto" and not self.theme_in_use.flat:
            theme = DARK if dark else LIGHT
            if theme is not self.theme_in_use:
                self.theme_in_use = theme
                self.paint_whole()

    # Life

    def _build_driver(self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        if headless:
            return super()._build_driver(headless, inline, mouse, size)
        mouse = self.preferences.get("mouse", "on") != "off"
        self._driver = ChannelDriver(self, self.channel, colours=self.colours, mouse=mouse)
        return self._driver

    async def run_on_channel(self) -> int:
        """Until the person leaves, the channel closes, or the task is cancelled.

        Like `run_async` without what that does to the loop, which is the gate's.
        """
        self._thread_init()  # type: ignore[no-untyped-call]
        self._loop = asyncio.get_running_loop()
        with self._context():
            try:
                await self._process_messages()
            finally:
                widgets = [node for node in self._registry if isinstance(node, Widget)]
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(self._shutdown())
                self._forget(widgets)
                self._loop = None
                self._thread_id = 0
        return self.return_code or 0

    def _forget(self, widgets: Sequence[Widget]) -> None:
        """What was on the screen is given back at once, the rest when circles are looked for.

        A cached method of Textual's holds the last thousand caches of lines for good: they stay empty.
        """
        for one in widgets:
            one._styles_cache.clear()
            one._styles_cache._simple_strip = None
        for widget in (*self._views.values(), *self._frame, self._band):
            widget.forget()

    def get_default_screen(self) -> Canvas:
        return self._canvas

    def compose(self) -> ComposeResult:
        top, crumbs, footer = self._frame
        yield top
        yield crumbs
        yield self.view
        yield footer
        yield self._band

    async def on_mount(self) -> None:
        self._unfollow = self.backend.follow(self._changes)
        self.set_interval(1, self._tick)
        if self._words:
            self.view.open(self._words[1:])
        first = self.view.reload()
        if first is not None:
            await asyncio.wait({first}, timeout=FIRST)
        self.call_later(self._begin)  # once frames are no longer kept back

    def _begin(self) -> None:
        self._canvas.show()
        if self.toast is not None:  # why there is a new beginning may take a band
            self.settled()

    async def on_unmount(self) -> None:
        if self._unfollow:
            self._unfollow()
        for task in self._tasks:
            task.cancel()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        """Runs `work` aside and paints what came of it; what it raises becomes a line, never the app's end."""

        async def run() -> None:
            try:
                await work
            except WardgateError as refused:
                self.say_refused(refused.message, refused.hint or "")
            except Exception as error:
                if self._exit:  # what it worked with may be closed already, and nobody waits for it
                    return
                self.say_refused(f"error {report(error)}: this did not work", "the gate's log has it by its number")
            self.soon()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # it may have been cancelled before it began
        return task

    def _handle_exception(self, error: Exception) -> None:
        self._return_code = 1
        if self.crash is None:
            self.crash = report(error)
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    @property
    def unconfirmed(self) -> tuple[int, int] | None:
        return self.backend.unconfirmed()

    # Painting

    @property
    def top(self) -> frame.TopLine:
        return self._frame[0]

    def context(self) -> Context:
        return Context(
            now=self.backend.now(),
            glyphs=self.glyphs,
            me=self.backend.me(),
            online=self.backend.online,
            behind=self.backend.behind,
            calm=self.preferences.get("motion") == "reduced",
        )

    def settled(self) -> None:
        """After anything happened: draws anew, and sends what differs."""
        if not self._running or self._exit:
            return
        self._size_band()
        self.view.before_drawing()
        for widget in (self.view, *self._frame, self._band):
            widget.repaint()
        self._send_now()

    def _send_now(self) -> None:
        """What was marked goes out in this turn of the loop: Textual's own timer would wait up to 16 ms."""
        screen = self.screen
        if screen._layout_required or self._batch_count:
            return
        screen._dirty_widgets.update(widget for widget in (self.view, *self._frame, self._band) if widget.is_attached)
        screen._on_timer_update()

    def _size_band(self) -> None:
        height = len(self.band_rows())
        if height != self._band_height:
            self._band_height = height
            self._band.styles.height = height
            self._band.display = height > 0
            self._band.forget()

    def band_rows(self) -> list[Row]:
        """What stands over the bottom of the screen."""
        width, height = self.size
        if self.mode is not None:
            return self.mode.draw(width)
        if self.toast is not None and not self.toast.fits(self.view.status_width):
            return self.toast.whole(width, max(1, height // 2), self.glyphs)
        return []

    def paint_whole(self) -> None:
        """Every cell again: after frames were dropped, and for another theme."""
        for widget in (self.view, *self._frame, self._band):
            widget.forget()
        self.screen.refresh()
        for widget in (self.view, *self._frame, self._band):
            widget.refresh()

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(self._driver, ChannelDriver) and self._driver.paused:
            return
        super()._display(screen, Spans(renderable) if isinstance(renderable, ChopsUpdate) else renderable)

    def _tick(self) -> None:
        """The clock each second; the rest when something is due, and now and then for the ages."""
        self._ticks += 1
        over = self.toast is not None and self.toast.good and time.monotonic() > self.toast.until
        if over:
            self.toast = None
        due = self.view.tick()
        if over or due or self.unconfirmed is not None or self._ticks % AGES == 0:
            self.settled()
        elif self._running and not self._exit:
            self._frame[1].repaint()
            self._send_now()

    # Live

    def _changes(self, changes: Sequence[Committed]) -> None:
        if not self._batch:
            asyncio.get_running_loop().call_later(1 / REPAINTS_A_SECOND, self._deliver)
        self._batch.extend(changes)

    def _deliver(self) -> None:
        changes, self._batch = tuple(self._batch), []
        if not self._running:
            return
        if self.mode is not None:
            self.mode.changed(changes)
            self.soon()
        if not self.paused:
            self.view.changed(changes)

    def pause(self) -> None:
        self.paused = not self.paused
        if not self.paused:
            self.view.reload()

    def soon(self) -> None:
        """`settled`, once for all that comes together."""
        if not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        """What it raises ends the app, and is no task's untold exception."""
        self._settling = False
        with self._context():
            try:
                self.settled()
            except Exception as error:
                self._handle_exception(error)


def report(error: BaseException) -> str:
    """Logs where `error` came from, without the values that were there; the number that a person may quote."""
    number = secrets.token_hex(3)
    frames = "".join(
        traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=False).format()
    )
    log.error("console error %s: %s\n%s", number, type(error).__name__, frames)
    return number
