"""Settings."""

from __future__ import annotations

import msgspec

from console.commandline import shapes
from console.commandline.command import FILE, argument, option, verb
from console.commandline.render import Column, facts
from console.commandline.run import Run
from gate.services import settings as service
from model.errors import Invalid

KEY = argument("key")
ANYWAY = option("--anyway", help="Although it takes an address from the gate's host certificate.", is_flag=True)


def written(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@verb("list", "list what can be set", operation="settings list", examples=("settings list",))
async def list_settings(run: Run) -> None:
    found = await run.perform(service.list_settings)
    run.rows(
        [Column("KEY"), Column("VALUE", flexible=True), Column("MEANING", flexible=True)],
        [[one.key, written(one.value), one.about] for one in found],
        [shapes.builtins(one) for one in found],
    )


@verb("show", "show one setting", KEY, operation="settings show", examples=("settings show login.life",))
async def show(run: Run, key: str) -> None:
    one = await run.perform(service.show_setting, key=key)
    run.result(
        shapes.builtins(one),
        facts([("value", written(one.value)), ("default", written(one.default)), ("meaning", one.about)]),
    )


@verb(
    "set", "set one setting", KEY, argument("value"), ANYWAY,
    operation="settings set", examples=("settings set login.life 8h", "settings set devices.approval by-hand"),
)  # fmt: skip
async def set_setting(run: Run, key: str, value: str, anyway: bool) -> None:
    one = await run.perform(service.set_setting, key=key, value=value, anyway=anyway)
    run.result(shapes.builtins(one), f"{one.key} is {written(one.value)} now")


@verb(
    "apply", "set many at once, from a JSON object of key to value; all or nothing",
    argument("file", type=FILE, metavar="FILE"), ANYWAY,
    operation="settings set", examples=("settings apply settings.json",),
)  # fmt: skip
async def apply(run: Run, file: str, anyway: bool) -> None:
    try:
        values = msgspec.json.decode(await run.text(file), type=dict[str, object])
    except msgspec.DecodeError as fault:
        raise Invalid(f"this is not a JSON object of settings: {fault}") from None
    found = await run.perform(service.apply_settings, values=values, anyway=anyway)
    run.result(
        [shapes.builtins(one) for one in found], "".join(f"{one.key} is {written(one.value)} now\n" for one in found)
    )


VERBS = (list_settings, show, set_setting, apply)
