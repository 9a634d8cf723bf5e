"""Sample data: offered where there is nothing else, and taken out in one step."""

from __future__ import annotations

from console.app.actions import Action
from console.app.modes import Asked
from console.app.view import View
from model.records import Role


def actions(view: View, *, empty: bool) -> list[Action]:
    """Of an `empty` network to fill it; where it was filled, to take that out again."""
    if view.backend.has_samples() and view.backend.me().role is Role.OWNER:
        label, about, run = "remove sample data", "take the sample data out again", _take_out
        return [Action(key="S", label=label, about=about, run=lambda: run(view), shown=False, writes=True)]
    about = "fill an empty network to look around"
    return [Action(key="S", label="sample data", about=about, run=lambda: _fill(view), writes=True, when=lambda: empty)]


def _fill(view: View) -> None:
    """Asked first: it would stand among what is real."""
    view.console_app.ask(
        Asked(
            title="Fill this network with sample data?",
            follows="made-up people, devices and routes; nothing of it can connect",
            command="gate sample-data",
            undo="can be undone: what nobody changed since is taken out again",
            deed="Fill",
            plane="warn",
            run=lambda: view.console_app.perform(
                ["gate", "sample-data"],
                "filled the network with sample data",
                undo=["gate", "sample-data", "--remove"],
                undo_label="takes it out",
            ),
        )
    )


def _take_out(view: View) -> None:
    app = view.console_app
    words = ["gate", "sample-data", "--remove"]
    app.ask(
        Asked(
            title="Take the sample data out?",
            follows="its people and devices, but those that somebody changed since, and nothing that is real",
            command=" ".join(words),
            undo="can be made again where no device is left",
            deed="Remove",
            plane="warn",
            run=lambda: app.perform(words, "", then=lambda outcome: app.show_output(" ".join(words), outcome.output)),
        )
    )
