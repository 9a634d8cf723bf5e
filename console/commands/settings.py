"""Settings."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from console.commandline import shapes
from console.commandline.command import FILE, STDIN_OR_WORD, argument, option, verb
from console.commandline.render import Column, facts
from console.commandline.run import Run
from gate.consenting import without_a_second
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


@verb("get", "print one setting's value alone", KEY, operation="settings show", examples=("settings get login.life",))
async def get(run: Run, key: str) -> None:
    one = await run.perform(service.show_setting, key=key)
    run.result(one.value, written(one.value))


@verb(
    "set", "set one setting; JSON over ssh goes best on standard input, VALUE being -", KEY,
    argument("value", type=STDIN_OR_WORD), ANYWAY,
    operation="settings set",
    examples=(
        "settings set login.life 8h", "settings set devices.approval by-hand",
        "settings set certificates.claims - < claims.json",
    ),
)  # fmt: skip
async def set_setting(run: Run, key: str, value: str, anyway: bool) -> None:
    if value == "-":
        value = (await run.text("-")).strip()
    one = await run.perform(service.set_setting, key=key, value=value, anyway=anyway)
    warnings = _warned(run, [one.key])
    run.result({**shapes.builtins(one), "warnings": warnings}, f"{one.key} is {written(one.value)} now")


def _warned(run: Run, keys: Iterable[str]) -> list[str]:
    """What follows from settings as they are now that nobody may have meant."""
    snapshot = run.gate.snapshot
    said = without_a_second(snapshot.claims, snapshot.users.values()) if "certificates.claims" in keys else None
    if said is None:
        return []
    run.note(f"warning: {said}")
    return [said]


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
    warnings = _warned(run, values)
    shaped = [
        {**shapes.builtins(one), "warnings": warnings if one.key == "certificates.claims" else []} for one in found
    ]
    run.result(shaped, "".join(f"{one.key} is {written(one.value)} now\n" for one in found))


VERBS = (list_settings, show, get, set_setting, apply)
