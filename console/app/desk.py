"""What screens ask of the app: to go somewhere, to say something, to run a command."""

from __future__ import annotations

import asyncio
import base64
import shlex
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec
from textual.app import App

from console.app.actions import Action
from console.app.backend import Backend, Outcome
from console.app.form import Form
from console.app.modes import Asked, Mode, Question
from console.app.palette import Palette
from console.app.times import plural
from console.app.toast import LASTS, Toast
from console.app.view import View

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

TRAIL = 20
"""Steps back that are kept."""


class Deed(msgspec.Struct, frozen=True):
    done: str
    """As the toast said it."""
    undo: Sequence[str] = ()
    """The command that takes it back; empty where none does."""


class Desk(App[int]):
    """The part of the app that does what people want; how it lives and paints is `ConsoleApp`'s."""

    backend: Backend
    view: View
    mode: Mode | None
    toast: Toast | None
    preferences: dict[str, str]
    deed: Deed | None
    """The last one, which may be one that cannot be taken back."""
    _trail: list[tuple[str, tuple[str, ...]]]
    _views: dict[str, View]

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        raise NotImplementedError

    def look(self) -> None:
        raise NotImplementedError

    def paint_whole(self) -> None:
        raise NotImplementedError

    def global_actions(self) -> list[Action]:
        raise NotImplementedError

    def actions_here(self) -> list[Action]:
        raise NotImplementedError

    def allowed(self, actions: Sequence[Action]) -> list[Action]:
        raise NotImplementedError

    def actions_everywhere(self) -> list[Action]:
        raise NotImplementedError

    @property
    def _whole(self) -> ConsoleApp:
        return cast("ConsoleApp", self)

    # Going about

    def screens(self) -> Sequence[tuple[str, str]]:
        from console.app.screens import screens_of

        return screens_of(self.backend.me())

    def view_of(self, title: str) -> View:
        from console.app.screens import make

        if title not in self._views:
            self._views[title] = make(title, self.backend.me())
        return self._views[title]

    def go(self, title: str, *words: str, trail: bool = True) -> None:
        """To a screen and a thing on it."""
        if trail and (title != self.view.title or words):
            self._trail = [*self._trail[-TRAIL:], (self.view.title, tuple(self.view.crumbs()[1:]))]
        self.show(self.view_of(title))
        self.view.open(words)
        self.view.reload()

    def way(self, title: str, *words: str) -> Callable[[], None] | None:
        """What goes there, where the person has that screen."""
        return partial(self.go, title, *words) if title in {name for _, name in self.screens()} else None

    def show(self, view: View) -> None:
        if view is self.view:
            return
        old, self.view = self.view, view
        old.display = False
        old.forget()
        view.display = True
        if not view.is_attached:
            self.mount(view)

    def overlay(self, view: View) -> None:
        """A view that is no screen: help, an output, a secret shown once. Esc comes back."""
        self._trail.append((self.view.title, ()))
        self._views[view.title] = view
        self.show(view)
        view.reload()

    def go_by_words(self, words: Sequence[str]) -> bool:
        """`devices`, `devices db-1`: a screen's name, and maybe a thing; not a command."""
        from console.app.screens import screen_of

        title = screen_of(self.backend.me(), words)
        if title is None:
            return False
        self.go(title, *words[1:])
        return True

    def up(self) -> None:
        """One Esc, one step."""
        if self.view.back():
            return
        if self._trail:
            title, words = self._trail.pop()
            gone = self.view
            self.show(self.view_of(title))
            if words and tuple(self.view.crumbs()[1:]) != words:  # another thing on it was looked at since
                self.view.open(words)
            self.view.reload()
            if gone.title not in {name for _, name in self.screens()}:
                self._views.pop(gone.title, None)
                gone.remove()

    # Deeds

    def say(self, text: str, *, key: str = "", label: str = "") -> None:
        self.toast = Toast(text=text, key=key, key_label=label, until=time.monotonic() + LASTS)

    def say_refused(self, text: str, hint: str = "") -> None:
        self.toast = Toast(text=_with_hint(text, hint), good=False)

    def ask(self, asked: Asked) -> None:
        self.mode = Question(self._whole, asked)

    def perform(
        self,
        words: Sequence[str],
        done: str,
        *,
        undo: Sequence[str] = (),
        undo_label: str = "undoes",
        stdin: str = "",
        then: Callable[[Outcome], object] | None = None,
        form: Form | None = None,
        refused: Callable[[], object] | None = None,
        remembered: bool = True,
    ) -> None:
        """Runs a command aside; `done` is the toast, `undo` the command that takes it back, where it is `remembered`.

        Where the gate refuses, the `form` that asked for it comes back with what was typed, unless something else
        has the keys by then.
        """
        here = self.view

        async def run() -> None:
            outcome = await self.backend.perform(words, stdin)
            if outcome.status:
                if refused:
                    refused()
                fault = outcome.error or f"it ended with {outcome.status}"
                if form is not None and self.mode is None and self.view is here:
                    form.refused(_with_hint(fault, outcome.hint))
                else:
                    self.say_refused(fault, outcome.hint)
                return
            if outcome.wrote and remembered:
                self.did(words, done, undo)
            if done:
                self.say(done, key=self._whole.cap("z") if undo else "", label=undo_label if undo else "")
            if then:
                then(outcome)
            self.view.reload()

        self.start(run())

    def undo(self) -> None:
        deed = self.deed
        if deed is None:
            self.say_refused("there is nothing to undo")
        elif not deed.undo:
            self.say_refused(f"no key undoes this: {deed.done}")
        else:
            self.deed = None  # what is being undone is not undone again
            self.perform(deed.undo, f"undone: {deed.done}", refused=lambda: self._not_undone(deed), remembered=False)

    def _not_undone(self, deed: Deed) -> None:
        """Where the gate refused; a deed of the meantime is the last one now."""
        self.deed = self.deed or deed

    def did(self, words: Sequence[str], done: str = "", undo: Sequence[str] = ()) -> None:
        """The last deed from now on; without `undo` it cannot be taken back, and is called by its words."""
        self.deed = Deed(done or shlex.join(words), undo)

    def copy(self, text: str, what: str = "") -> None:
        """To the clipboard of the person's terminal (OSC 52)."""
        if text and self._driver is not None:
            encoded = base64.b64encode(text.encode()).decode()
            self._driver.write(f"\x1b]52;c;{encoded}\x07")
            several = text.count("\n") + 1
            self.say(f"copied {what or (text if several == 1 else plural(several, 'line'))}")

    def show_output(self, command: str, text: str) -> None:
        from console.app.screens.output import Output

        lines = text.rstrip("\n").splitlines()
        if len(lines) <= 1:
            self.say(lines[0] if lines else f"done: {command}")
            self.view.reload()
        else:
            self.overlay(Output(command, text))

    def palette(self) -> None:
        every = self.allowed([*self.actions_here(), *self.actions_everywhere()])
        self.mode = Palette(self._whole, [one for one in every if one.possible])

    def set_preference(self, key: str, value: str) -> None:
        """One that changes the look."""
        self.keep_preference(key, value)
        self.look()
        self.paint_whole()

    def keep_preference(self, key: str, value: str) -> None:
        """Now and for later sessions; an empty `value` takes the choice back."""
        self.preferences[key] = value
        if not value:
            del self.preferences[key]
        self.start(self.backend.prefer(key, value))


def _with_hint(text: str, hint: str) -> str:
    return f"{text}; {hint}" if hint else text
