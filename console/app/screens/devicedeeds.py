"""What is done to devices: each the words of a command, with the command that takes it back where there is one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.app.actions import Action
from console.app.form import Field, Form
from console.app.lineedit import LineEdit
from console.app.screens import bulk, meanwhile, sampledeeds
from console.app.times import plural
from model.records import Device, DeviceState, RouteState

if TYPE_CHECKING:
    from console.app.screens.devices import DevicesView


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
        *sampledeeds.actions(view, empty=view.pages.total == 0 and not member and not view.filter_text),
    ]


def _names(devices: Sequence[Device]) -> list[str]:
    return [device.name for device in devices]


def _told(names: Sequence[str], one: str) -> str:
    """What follows for `one`, whom the title names; for several by their names."""
    if len(names) == 1:
        return one
    several = re.sub(r"\bits\b", "their", re.sub(r"\bit\b", "them", one))
    return f"{bulk.shown(names)}   {several}"


def approve(view: DevicesView) -> None:
    devices = [device for device in view.devices() if device.state is not DeviceState.APPROVED]
    if not devices:
        view.console_app.say_refused("nothing here waits to be approved")
        return
    names = _names(devices)
    words, done, undo = ["devices", "approve", *names], f"approved {bulk.shown(names)}", ["devices", "disable", *names]
    if len(names) > bulk.MANY:
        bulk.ask(
            view,
            words,
            done,
            title=f"Approve {bulk.called(names, 'device')}?",
            follows=f"{bulk.shown(names)}   they reach, and are reached, as the policy lets them",
            can="can be undone: disable them",
            deed="Approve",
            names=names,
            undo=undo,
            plane="warn",
        )
        return
    bulk.perform(view, words, done, undo=undo, undo_label="disables again")


def tag(view: DevicesView) -> None:
    """What several have in common stands there already; who owns a device loses it, so that is asked."""
    devices = view.devices()
    names, before = _names(devices), {device.tags for device in devices}
    owners = sorted({device.user for device in devices if device.user})
    same = before.pop() if len(before) == 1 else ()
    field = Field(label="Tags", edit=LineEdit(" ".join(same)), hint="like tag:web tag:eu", needed=True)

    def command(form: Form) -> list[str]:
        return ["devices", "tag", *names, *form.value("Tags").split()]

    def submit(form: Form) -> None:
        words, done = command(form), f"tagged {bulk.shown(names)}"
        undo = ["devices", "tag", *names, *same] if same and not owners else []
        if not owners:
            bulk.perform(view, words, done, undo=undo, form=form)
            return
        loses = f"{bulk.called(owners, 'person', 'people')} {'loses' if len(owners) == 1 else 'lose'}"
        what = "this device, and its" if len(names) == 1 else "these devices, and their"
        bulk.ask(
            view,
            words,
            done,
            title=f"Take {bulk.called(names, 'device')} from {bulk.called(owners, 'person', 'people')}?",
            follows=f"{loses} {what} certificates are revoked",
            can="cannot be undone; only who enrolls a device owns it",
            deed="Tag",
            names=names,
            plane="warn",
        )

    title = f"Tags of {bulk.called(names, 'device')}"
    view.console_app.mode = Form(
        view.console_app,
        title,
        [field],
        command=command,
        submit=submit,
        verb="tag",
        meanwhile=meanwhile.tagged(devices),
    )


def rename(view: DevicesView) -> None:
    if not bulk.only_one(view, "devices are renamed"):
        return
    device = view.devices()[0]

    def command(form: Form) -> list[str]:
        return ["devices", "rename", device.name, form.value("Name")]

    def submit(form: Form) -> None:
        new = form.value("Name")
        undo = ["devices", "rename", new, device.name]
        view.console_app.perform(command(form), f"renamed {device.name} to {new}", undo=undo, form=form)

    field = Field(label="Name", edit=LineEdit(device.name), needed=True)
    view.console_app.mode = Form(
        view.console_app,
        f"Rename {device.name}",
        [field],
        command=command,
        submit=submit,
        verb="rename",
        meanwhile=meanwhile.renamed(device),
    )


def expire(view: DevicesView) -> None:
    names = _names(view.devices())
    whom = bulk.called(names, "device")
    field = Field(label="In", hint="now, 12h, 30d", needed=True)

    def now(form: Form) -> bool:
        return form.value("In") in {"now", "0", ""}

    def command(form: Form) -> list[str]:
        return ["devices", "expire", *names, *([] if now(form) else ["--in", form.value("In")])]

    def submit(form: Form) -> None:
        if not now(form):
            verb = "expires" if len(names) == 1 else "expire"
            bulk.perform(view, command(form), f"{bulk.shown(names)} {verb} in {form.value('In')}", form=form)
            return
        bulk.ask(
            view,
            command(form),
            f"expired {bulk.shown(names)}",
            title=f"Let {whom} expire now?",
            follows=_told(names, f"peers drop it at once; {view.cap('a')} lets it in again"),
            can="can be undone: approve again; certificates stay revoked",
            deed="Expire",
            names=names,
            undo=["devices", "approve", *names],
            plane="warn",
        )

    verb = "does" if len(names) == 1 else "do"
    view.console_app.mode = Form(
        view.console_app, f"When {verb} {whom} expire?", [field], command=command, submit=submit, verb="set"
    )


def remove(view: DevicesView) -> None:
    names = _names(view.devices())
    bulk.ask(
        view,
        ["devices", "remove", *names],
        f"removed {bulk.shown(names)}",
        title=f"Remove {bulk.called(names, 'device')}?",
        follows=_told(names, "peers drop it, its certificates are revoked, its addresses rest"),
        can=f"cannot be undone; {'it' if len(names) == 1 else 'they'} would have to enroll again",
        deed="Remove",
        names=names,
    )


def disable(view: DevicesView) -> None:
    devices = view.devices()
    names = _names(devices)
    if all(device.state is DeviceState.DISABLED for device in devices):
        bulk.perform(
            view,
            ["devices", "enable", *names],
            f"enabled {bulk.shown(names)}",
            undo=["devices", "disable", *names],
        )
        return
    bulk.ask(
        view,
        ["devices", "disable", *names],
        f"disabled {bulk.shown(names)}",
        title=f"Disable {bulk.called(names, 'device')}?",
        follows=_told(names, "peers drop it, its certificates are revoked"),
        can=f"enabling brings {'it' if len(names) == 1 else 'them'} back; certificates stay revoked",
        deed="Disable",
        names=names,
        undo=["devices", "enable", *names],
        plane="warn",
    )


def routes(view: DevicesView) -> None:
    if not bulk.only_one(view, "routes are approved"):
        return
    device = view.devices()[0]
    waiting = [route.prefix for route in device.routes if route.state is RouteState.ADVERTISED]
    if not waiting:
        view.console_app.say_refused(f"{device.name} advertises no route that is not approved")
        return
    what = "everything" if any(route.exit for route in device.routes if route.prefix in waiting) else "it"
    bulk.ask(
        view,
        ["devices", "routes", device.name, *(word for prefix in waiting for word in ("--approve", prefix))],
        f"approved {', '.join(waiting)}",
        title=f"Approve {plural(len(waiting), 'route')} of {device.name}?",
        follows=f"{', '.join(waiting)}   traffic for {what} goes through this device, where the policy lets it",
        can="can be undone: withdraw the route",
        deed="Approve",
        undo=["devices", "routes", device.name, *(word for prefix in waiting for word in ("--withdraw", prefix))],
        plane="warn",
    )


def new(view: DevicesView) -> None:
    from console.app.screens.enrollment import new_key

    new_key(view.console_app)
