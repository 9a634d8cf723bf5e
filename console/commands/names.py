"""DNS names."""

from __future__ import annotations

import ipaddress

import click

from console.commandline import shapes
from console.commandline.command import argument, option, verb
from console.commandline.render import Column
from console.commandline.run import Run
from gate.services import names as service
from gate.services.names import Answer
from model.records import NameType

NAME = argument("name")


class TypeParameter(click.ParamType[NameType]):
    """A record type, in any case."""

    name = "type"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> NameType:
        try:
            return NameType(str(value).upper())
        except ValueError:
            self.fail(f"{value!r} is no record type; NAME is followed by one of {', '.join(NameType)}", param, ctx)


TYPES = TypeParameter()


async def show_answers(run: Run, found: tuple[Answer, ...], empty: str) -> None:
    """A value a row; as JSON, an answer with its values."""
    values = [(answer, value) for answer in found for value in (answer.values if not run.as_json else ("",))]
    await run.listed(
        [Column("NAME", flexible=True), Column("TYPE"), Column("VALUE", flexible=True), Column("TTL", "right"),
         Column("MADE BY", flexible=True)],
        values,
        lambda one: [one[0].name, one[0].type, one[1], str(one[0].ttl), one[0].made_by],
        lambda one: shapes.builtins(one[0]),
        empty=empty,
    )  # fmt: skip


@verb("list", "list names: devices' own, and those that were set", operation="names list", examples=("names list",))
async def list_names(run: Run) -> None:
    await show_answers(run, await run.perform(service.list_names), "no names yet; a device brings its own")


@verb(
    "lookup", "look a name up as devices of the network do", NAME,
    argument("type", type=TYPES, required=False, metavar="[TYPE]"),
    operation="names lookup", examples=("names lookup db-1", "names lookup db-1.example.com AAAA"),
)  # fmt: skip
async def lookup(run: Run, name: str, type: NameType | None) -> None:
    await show_answers(run, await run.perform(service.lookup, name=name, type=type), "")


@verb(
    "set", "set a record; a bare NAME stands under the network's domain, and an address needs no TYPE", NAME,
    argument("words", many=True, metavar="[TYPE] VALUE"),
    option("--ttl", help="Seconds that it may be kept.", type=int, default=300, show_default=True),
    operation="names set",
    examples=(
        "names set wiki A 100.64.0.9", "names set wiki 100.64.0.9", "names set www CNAME web-1.example.com",
    ),
)  # fmt: skip
async def set_name(run: Run, name: str, words: tuple[str, ...], ttl: int) -> None:
    type, value = _typed(words)
    record = await run.perform(service.set_name, name=name, type=type, value=value, ttl=ttl)
    run.result(shapes.builtins(record), f"set {record.name} {record.type.value} {record.value}")


def _typed(words: tuple[str, ...]) -> tuple[NameType, str]:
    """The type and the value; an address alone says by itself of which type it is."""
    if len(words) == 1:
        try:
            return (NameType.A, NameType.AAAA)[ipaddress.ip_address(words[0]).version == 6], words[0]
        except ValueError:
            raise click.UsageError(
                f"{words[0]!r} is no address, so it needs a type before it: one of {', '.join(NameType)}"
            ) from None
    if len(words) != 2:
        raise click.UsageError("give a name, a type and one value; quote a value that has spaces")
    return TYPES.convert(words[0], None, None), words[1]


@verb(
    "remove", "remove records that were set", NAME,
    argument("type", type=TYPES, required=False, metavar="[TYPE]"),
    argument("value", required=False, metavar="[VALUE]"),
    operation="names remove", examples=("names remove wiki", "names remove wiki A 100.64.0.9"),
)  # fmt: skip
async def remove(run: Run, name: str, type: NameType | None, value: str | None) -> None:
    gone = await run.perform(service.remove, name=name, type=type, value=value)
    run.result(
        [shapes.builtins(one) for one in gone],
        "".join(f"removed {one.name} {one.type.value} {one.value}\n" for one in gone),
    )


VERBS = (list_names, lookup, set_name, remove)
