"""What can be done on every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.app.actions import Action
from console.app.command import CommandRow
from console.app.filter import FilterRow

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


def actions(app: ConsoleApp) -> list[Action]:
    from console.app.screens.help import Help

    def command() -> None:
        app.mode = CommandRow(app)

    def filter_() -> None:
        app.mode = FilterRow(app, app.view)

    def help_() -> None:
        if not isinstance(app.view, Help):
            app.overlay(Help(app.view, app.allowed(app.actions_here()), app.allowed(app.actions_everywhere())))

    def keys() -> None:
        from console.app.keysmode import KeysMode

        app.mode = KeysMode(app, app.view.of if isinstance(app.view, Help) else app.view)

    def theme() -> None:
        app.set_preference("theme", "light" if app.theme_in_use.dark else "dark")

    def how_to_leave() -> None:
        app.say(f"nothing to cancel; {app.cap('ctrl+q')} leaves the console")

    go = [
        Action(
            key=digit,
            label=title,
            about=f"go to {title}",
            shown=False,
            run=lambda title=title: app.go(title),  # type: ignore[misc]
        )
        for digit, title in app.screens()
    ]
    return [
        Action(key="colon", label="command", about="a command, or a screen's name", run=command),
        Action(
            key="slash", label="filter", about="show only what matches", run=filter_, when=lambda: app.view.filterable
        ),
        Action(key="question_mark", label="help", about="the keys of this screen", run=help_),
        Action(key="f1", label="help", about="the same, from inside the editor too", run=help_, shown=False),
        *go,
        Action(key="escape", label="back", about="one step back", run=app.up, shown=False),
        Action(key="ctrl+p", label="palette", about="everything that can be done here", run=app.palette, shown=False),
        Action(key="z", label="undo", about="take the last change back", run=app.undo, shown=False, writes=True),
        Action(key="P", label="pause", about="hold still, or follow again", run=app.pause, shown=False),
        Action(
            key="ctrl+t",
            label="theme",
            about="dark or light",
            run=theme,
            shown=False,
            when=lambda: not app.theme_in_use.flat,
        ),
        Action(key="ctrl+k", label="keys", about="move a key of this screen, or of all", run=keys, shown=False),
        Action(key="ctrl+l", label="repaint", about="paint the whole screen anew", run=app.paint_whole, shown=False),
        Action(key="ctrl+c", label="cancel", about="what holds the keys, as Esc does", run=how_to_leave, shown=False),
        Action(key="ctrl+q", label="leave", about="end this console", run=lambda: app.exit(return_code=0), shown=False),
    ]
