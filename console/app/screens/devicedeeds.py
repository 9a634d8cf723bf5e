"""What is done to devices: each the words of a command, with the command that takes it back where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.app.actions import Action
from console.app.lineedit import LineEdit
from console.app.modes import Asked, Field, Form
from console.app.times import plural
from model.records import Device, DeviceState, RouteState

if TYPE_CHECKING:
    from console.app.screens.devices import DevicesView

MANY = 20
"""From so many on, the count must be typed."""


def actions(view: DevicesView) -> list[Action]:
    def some() -> bool:
        return bool(view.table.chosen())

    member = view.backend.me().member
    return [
        Action(
            key="a",
            label="approve",
            about="let in what is pending or expired",
            run=lambda: approve(view),
            writes=True,
            when=lambda: some() and not member,
        ),
        Action(
            key="t",
            label="tag",
            about="give it tags in place of an owner",
            run=lambda: tag(view),
            writes=True,
            when=lambda: some() and not member,
        ),
        Action(key="r", label="rename", about="another name", run=lambda: rename(view), writes=True, when=some),
        Action(
            key="e",
            label="expire",
            about="let its key expire, now or later",
            run=lambda: expire(view),
            writes=True,
            when=some,
        ),
        Action(
            key="x",
            label="remove",
            about="out of the network, for good",
            run=lambda: remove(view),
            writes=True,
            when=some,
        ),
        Action(
            key="d",
            label="disable",
            about="cut off, or let back in",
            run=lambda: disable(view),
            writes=True,
            shown=False,
            when=some,
        ),
        Action(
            key="R",
            label="routes",
            about="approve the routes it advertises",
            run=lambda: routes(view),
            writes=True,
            shown=False,
            when=lambda: some() and not member,
        ),
        Action(
            key="n",
            label="new",
            about="an enrollment key for the next device",
            run=lambda: new(view),
            writes=True,
            shown=not some(),
        ),
        Action(
            key="S",
            label="sample data",
            about="fill an empty network to look around",
            run=lambda: sample(view),
            writes=True,
            shown=view.pages.total == 0,
            when=lambda: view.pages.total == 0 and not member and not view.filter_text,
        ),
    ]


def _names(devices: Sequence[Device]) -> list[str]:
    return [device.name for device in devices]


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6:,} more" if len(names) > 6 else "")


def approve(view: DevicesView) -> None:
    devices = [device for device in view.devices() if device.state is not DeviceState.APPROVED]
    if not devices:
        view.console_app.say_refused("nothing here waits to be approved")
        return
    names = _names(devices)
    view.table.clear()
    view.console_app.perform(
        ["devices", "approve", *names],
        f"approved {_shown(names)}",
        undo=["devices", "disable", *names],
        undo_label="disables again",
    )


def tag(view: DevicesView) -> None:
    devices = view.devices()
    names = _names(devices)
    tags = LineEdit(" ".join(devices[0].tags) if len(devices) == 1 else "")
    field = Field(label="Tags", edit=tags, hint="tag:web tag:db")

    def commands(form: Form) -> list[list[str]]:
        return [["devices", "tag", name, *form.value("Tags").split()] for name in names]

    def submit(form: Form) -> None:
        before = devices[0].tags if len(devices) == 1 else ()
        undo = ["devices", "tag", names[0], *before] if before else []
        view.table.clear()
        for words in commands(form):
            view.console_app.perform(words, f"tagged {_shown(names)}", undo=undo)

    title = f"Tags of {_shown(names)}"
    view.console_app.mode = Form(
        view.console_app, title, [field], command=lambda form: commands(form)[0], submit=submit, verb="tag"
    )


def rename(view: DevicesView) -> None:
    device = view.devices()[0]

    def command(form: Form) -> list[str]:
        return ["devices", "rename", device.name, form.value("Name")]

    def submit(form: Form) -> None:
        new = form.value("Name")
        view.console_app.perform(
            command(form), f"renamed {device.name} to {new}", undo=["devices", "rename", new, device.name]
        )

    field = Field(label="Name", edit=LineEdit(device.name))
    view.console_app.mode = Form(
        view.console_app, f"Rename {device.name}", [field], command=command, submit=submit, verb="rename"
    )


def expire(view: DevicesView) -> None:
    device = view.devices()[0]
    field = Field(label="In", edit=LineEdit(""), hint="empty is now; 30d, 12h, never")

    def command(form: Form) -> list[str]:
        when = form.value("In")
        return ["devices", "expire", device.name, *(["--in", when] if when else [])]

    def submit(form: Form) -> None:
        if form.value("In"):
            view.console_app.perform(command(form), f"{device.name} expires in {form.value('In')}")
            return
        view.console_app.ask(
            Asked(
                title=f"Let {device.name} expire now?",
                follows="its peers drop it at once; it is approved again with a",
                command=" ".join(command(form)),
                undo="can be undone: approve it again",
                deed="Expire",
                plane="warn",
                run=lambda: view.console_app.perform(
                    command(form), f"{device.name} expired", undo=["devices", "approve", device.name]
                ),
            )
        )

    view.console_app.mode = Form(
        view.console_app, f"When does {device.name} expire?", [field], command=command, submit=submit, verb="set"
    )


def remove(view: DevicesView) -> None:
    names = _names(view.devices())
    many = len(names) > MANY

    def run() -> None:
        view.table.clear()
        view.console_app.perform(["devices", "remove", *names], f"removed {_shown(names)}")

    view.console_app.ask(
        Asked(
            title=f"Remove {plural(len(names), 'device') if len(names) > 1 else names[0]}?",
            follows=f"{_shown(names)}   peers drop them, their certificates are revoked, their addresses rest",
            command=f"devices remove {' '.join(names)}",
            undo="cannot be undone; they would have to enroll again",
            deed="Remove",
            typed=str(len(names)) if many else "",
            run=run,
        )
    )


def disable(view: DevicesView) -> None:
    devices = view.devices()
    names = _names(devices)
    back = all(device.state is DeviceState.DISABLED for device in devices)
    view.table.clear()
    verb, other = ("enable", "disable") if back else ("disable", "enable")
    view.console_app.perform(["devices", verb, *names], f"{verb}d {_shown(names)}", undo=["devices", other, *names])


def routes(view: DevicesView) -> None:
    device = view.devices()[0]
    waiting = [route.prefix for route in device.routes if route.state is RouteState.ADVERTISED]
    if not waiting:
        view.console_app.say_refused(f"{device.name} advertises no route that is not approved")
        return
    approve_each = [word for prefix in waiting for word in ("--approve", prefix)]
    what = "everything" if any(route.exit for route in device.routes if route.prefix in waiting) else "it"
    view.console_app.ask(
        Asked(
            title=f"Approve {plural(len(waiting), 'route')} of {device.name}?",
            follows=f"{', '.join(waiting)}   traffic for {what} goes through this device, where the policy lets it",
            command=f"devices routes {device.name} {' '.join(approve_each)}",
            undo="can be undone: revoke the route",
            deed="Approve",
            plane="warn",
            run=lambda: view.console_app.perform(
                ["devices", "routes", device.name, *approve_each], f"approved {', '.join(waiting)}"
            ),
        )
    )


def new(view: DevicesView) -> None:
    from console.app.screens.enrollment import new_key

    new_key(view.console_app)


def sample(view: DevicesView) -> None:
    view.console_app.perform(["gate", "sample-data"], "filled the network with sample data")
