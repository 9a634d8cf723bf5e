"""What is done to the CAs: a new generation, its promotion, and the end of an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.app.backend import Authorities
from console.app.form import Field, Form
from console.app.lineedit import LineEdit
from console.app.modes import Asked
from console.app.screens import authorities as part
from console.app.times import count, plural

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


def promote(app: ConsoleApp, authorities: Authorities) -> None:
    found = part.pending(authorities)
    if found is None:
        return
    kind = found.generation.kind.value
    behind = found.of - found.trusted_by
    app.ask(
        Asked(
            title=f"Let {found.generation.id} sign from now on?",
            follows=f"certificates come from it; {plural(behind, 'device does', 'devices do')} not trust it yet",
            command=f"ca promote {kind}",
            undo="cannot be undone; a further rotation would follow",
            deed="Promote",
            typed=found.generation.id,
            plane="warn",
            run=lambda: app.perform(["ca", "promote", kind], f"{found.generation.id} signs now"),
        )
    )


def rotate(app: ConsoleApp) -> None:
    field = Field(label="Authority", edit=LineEdit("user"), choices=("user", "host"))

    def command(form: Form) -> list[str]:
        return ["ca", "rotate", form.value("Authority")]

    app.mode = Form(
        app,
        "Make a new CA generation: it is trusted first, and signs when promoted",
        [field],
        command=command,
        verb="make it",
        submit=lambda form: app.perform(command(form), f"made a new {form.value('Authority')} generation", form=form),
    )


def retire(app: ConsoleApp, authorities: Authorities) -> None:
    found = part.retirable(authorities)
    if found is None:
        return
    id = found.generation.id
    app.ask(
        Asked(
            title=f"Retire {id}?",
            follows=f"{count(found.signed)} valid certificates of it are refused from then on",
            command=f"ca retire {id}",
            undo="cannot be undone",
            deed="Retire",
            typed=id,
            run=lambda: app.perform(["ca", "retire", id], f"retired {id}"),
        )
    )
