"""Devices."""

from __future__ import annotations

from collections.abc import Sequence

import click

from console.commandline import shapes
from console.commandline.command import DURATION, FILE, argument, option, verb
from console.commandline.render import Column, age, facts, until
from console.commandline.run import Run
from console.commandline.tags import unknown
from console.commandline.taken import of_device
from gate.services import devices as service
from gate.services import hosting
from gate.services.queries import Query
from model.change import Change
from model.errors import Invalid
from model.keys import ssh_key
from model.records import Device, DeviceState

NAME = argument("name")
NAMES = argument("names", many=True, metavar="NAME ...")
EVERYTHING = 1 << 31


def document(run: Run, device: Device) -> dict[str, object]:
    return shapes.device(device, run.gate.presence.online)


def answer(run: Run, found: Sequence[Device], done: str, changes: Sequence[Change] = ()) -> None:
    """What became of one device, or of each of several, and what that took away."""
    lost = [of_device(changes, device.id) for device in found]
    shaped = [
        {**document(run, device), "certificates_revoked": one.certificates}
        for device, one in zip(found, lost, strict=True)
    ]
    said = [f"{done} {device.name}{one.said()}\n" for device, one in zip(found, lost, strict=True)]
    run.result(shaped[0] if len(shaped) == 1 else shaped, "".join(said))


@verb(
    "list", "list devices",
    option("--filter", "words", help="Words and key:value pairs, like state:pending or tag:db.", default=""),
    option("--sort", help="A column to sort by.", default="name"),
    option("--limit", help="At most so many.", type=click.IntRange(1), default=EVERYTHING, show_default=False),
    operation="devices list", examples=("devices list", "devices list --filter state:pending"),
)  # fmt: skip
async def list_devices(run: Run, words: str, sort: str, limit: int) -> None:
    page = await run.perform(service.list_devices, query=Query(filter=words, sort=sort, limit=limit, strict=True))
    found = [row for row in page.rows if isinstance(row, Device)]
    await run.listed(
        [Column("NAME", flexible=True), Column("OWNER OR TAGS", flexible=True), Column("IPV4"), Column("STATE"),
         Column("SEEN", "right"), Column("EXPIRES", "right")],
        found,
        lambda d: [
            d.name, d.user or " ".join(d.tags), d.ipv4, d.state.value,
            "now" if run.gate.presence.online(d.id) else age(d.last_seen), until(d.expires_at),
        ],
        lambda device: document(run, device),
        empty="no device matches" if words else "no devices yet; make a key for one: enrollment-keys create",
    )  # fmt: skip


@verb("show", "show a device", NAME, operation="devices show", examples=("devices show laptop",))
async def show(run: Run, name: str) -> None:
    device = await run.perform(service.show, name=name)
    host = await run.perform(hosting.host, name=device.name)
    newest = host.certificate
    shown = newest and {"serial": newest.serial, "valid_before": shapes.timestamp(newest.valid_before)}
    told = {**(shown or {}), "problem": host.problem, "hint": host.hint}
    run.result({**document(run, device), "host_certificate": told}, _facts(run, device, host))


def _host(host: hosting.HostView) -> list[tuple[str, str]]:
    newest = host.certificate
    has = f"{newest.serial}, for {until(newest.valid_before)}" if newest else "none"
    why = f"{host.problem} ({host.hint})" if host.hint else host.problem
    return [("host certificate", has), *([("", why)] if why else [])]


def _facts(run: Run, device: Device, host: hosting.HostView) -> str:
    online = run.gate.presence.online(device.id)
    return facts([
        ("id", device.id), ("name", f"{device.name}.{run.gate.snapshot.domain}"),
        ("owner", device.user) if device.user else ("tags", " ".join(device.tags)),
        ("state", device.state.value), ("IPv4", device.ipv4), ("IPv6", device.ipv6),
        ("WireGuard", device.wireguard_key),
        ("SSH key", device.ssh_key.fingerprint if device.ssh_key else "–"),
        ("seen", "now" if online else age(device.last_seen)), ("expires", until(device.expires_at)),
        ("system", " ".join(filter(None, (device.os, device.agent_version))) or "–"),
        *_host(host),
        *(("endpoint", endpoint) for endpoint in device.endpoints),
        *(("route", f"{route.prefix} {route.state.said}") for route in device.routes),
        *(("attribute", f"{key} = {value}") for key, value in device.attributes.items()),
    ])  # fmt: skip


@verb(
    "add", "add a device that does not enroll by itself, such as a phone", NAME,
    option("--user", help="Its owner; you yourself, where your role adds no others."),
    option("--tag", "tags", help="A tag, instead of an owner; repeatable.", multiple=True),
    option("--wireguard-key", "wireguard", help="Its WireGuard public key.", required=True),
    option("--ssh-key", "ssh_key_file", help="The public key that it shows at the agents' door.", type=FILE),
    operation="devices add",
    examples=("devices add phone --user alice --wireguard-key KEY", "devices add phone --wireguard-key KEY"),
)  # fmt: skip
async def add(
    run: Run, name: str, user: str | None, tags: tuple[str, ...], wireguard: str, ssh_key_file: str | None
) -> None:
    key = ssh_key(await run.text(ssh_key_file, 65536)) if ssh_key_file else None
    device = await run.perform(service.add, name=name, wireguard=wireguard, user=user, tags=tags, ssh_key=key)
    shaped = {**document(run, device), "tags_unknown": unknown(run, device.tags)}
    waits = "; it waits for approval" if device.state is DeviceState.PENDING else ""
    run.result(shaped, f"added {device.name} at {device.ipv4} and {device.ipv6}{waits}")


@verb(
    "approve",
    "let pending or expired devices in",
    NAMES,
    operation="devices approve",
    examples=("devices approve web-1 web-2",),
)
async def approve(run: Run, names: tuple[str, ...]) -> None:
    answer(run, await run.perform(service.approve, names=names), "approved")


@verb(
    "rename",
    "give a device another name",
    NAME,
    argument("new"),
    operation="devices rename",
    examples=("devices rename laptop alices-laptop",),
)
async def rename(run: Run, name: str, new: str) -> None:
    device, changes = await run.perform_told(service.rename, name=name, new=new)
    lost = of_device(changes, device.id)
    shaped = {**document(run, device), "certificates_revoked": lost.certificates}
    run.result(shaped, f"{name} is {device.name} now{lost.said()}")


@verb(
    "tag", "give devices their tags, in place of an owner or of other tags; their certificates are revoked",
    argument("words", many=True, metavar="NAME ... TAG ..."),
    operation="devices tag", examples=("devices tag db-1 tag:db tag:prod", "devices tag web-1 web-2 tag:web"),
)  # fmt: skip
async def tag(run: Run, words: tuple[str, ...]) -> None:
    tags = [word for word in words if word.startswith("tag:")]
    names = list(dict.fromkeys(word for word in words if not word.startswith("tag:")))
    if not names:
        raise Invalid("no device was named", hint="devices tag NAME ... TAG ...")
    found, changes = await run.perform_told(service.retag, names=names, tags=tags)
    unheard = unknown(run, tags)
    lost = [of_device(changes, device.id) for device in found]
    shaped = [
        {**document(run, device), "owner_lost": one.owner, "certificates_revoked": one.certificates,
         "tags_unknown": unheard}
        for device, one in zip(found, lost, strict=True)
    ]  # fmt: skip
    said = [
        f"{device.name} is {' '.join(device.tags)} now{one.said()}\n" for device, one in zip(found, lost, strict=True)
    ]
    run.result(shaped[0] if len(shaped) == 1 else shaped, "".join(said))


@verb(
    "set", "set posture attributes of a device; an empty value removes one", NAME,
    argument("pairs", many=True, metavar="KEY=VALUE ..."),
    operation="devices set", examples=("devices set laptop custom:tier=prod",),
)  # fmt: skip
async def set_attributes(run: Run, name: str, pairs: tuple[str, ...]) -> None:
    attributes = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise Invalid(f"{pair!r} has no =", hint="write KEY=VALUE")
        attributes[key] = value
    device = await run.perform(service.set_attributes, name=name, attributes=attributes)
    run.result(document(run, device), f"set on {device.name}: {' '.join(pairs)}")


@verb(
    "expire", "end a device's approval, now or in a while", NAMES,
    option("--in", "within", help="From now on, like 30d; at once without it.", type=DURATION),
    operation="devices expire", examples=("devices expire laptop", "devices expire laptop --in 30d"),
)  # fmt: skip
async def expire(run: Run, names: tuple[str, ...], within: int | None) -> None:
    found, changes = await run.perform_told(service.expire, names=names, within=within)
    answer(run, found, "set the expiry of" if within else "expired", changes)


@verb(
    "disable",
    "shut devices out until they are enabled again",
    NAMES,
    operation="devices disable",
    examples=("devices disable laptop",),
)
async def disable(run: Run, names: tuple[str, ...]) -> None:
    found, changes = await run.perform_told(service.disable, names=names)
    answer(run, found, "disabled", changes)


@verb("enable", "let disabled devices in again", NAMES, operation="devices enable", examples=("devices enable laptop",))
async def enable(run: Run, names: tuple[str, ...]) -> None:
    answer(run, await run.perform(service.enable, names=names), "enabled")


@verb(
    "remove",
    "remove devices; their addresses rest, and their certificates are revoked",
    NAMES,
    operation="devices remove",
    examples=("devices remove laptop phone",),
)
async def remove(run: Run, names: tuple[str, ...]) -> None:
    found, changes = await run.perform_told(service.remove, names=names)
    answer(run, found, "removed", changes)


@verb(
    "routes", "list a device's routes, approve them, or take approval back", NAME,
    option("--approve", help="A prefix to approve; repeatable.", multiple=True),
    option("--withdraw", help="A prefix whose approval ends; repeatable.", multiple=True),
    operation="devices routes", examples=("devices routes gw-1", "devices routes gw-1 --approve 10.20.0.0/16"),
)  # fmt: skip
async def routes(run: Run, name: str, approve: tuple[str, ...], withdraw: tuple[str, ...]) -> None:
    if approve or withdraw:
        device = await run.perform(service.routes, name=name, approve=approve, withdraw=withdraw)
    else:
        device = await run.perform(service.show, name=name)
    run.rows(
        [Column("PREFIX"), Column("STATE")],
        [[route.prefix, route.state.said] for route in device.routes],
        [{"prefix": route.prefix, "state": route.state.value} for route in device.routes],
        empty=f"{device.name} offers no routes",
    )


@verb(
    "config", "print a device's WireGuard configuration; its private key is its own to fill in", NAME,
    option("--qr", help="As a QR code for a phone.", is_flag=True),
    operation="devices netmap", examples=("devices config phone", "devices config phone --qr"),
)  # fmt: skip
async def config(run: Run, name: str, qr: bool) -> None:
    from console.commandline.wireguard import configuration, qr_code

    netmap = await run.perform(service.netmap, name=name)
    text = configuration(netmap)
    run.result({"config": text}, qr_code(text) if qr else text)


VERBS = (
    list_devices, show, add, approve, rename, tag, set_attributes, expire, disable, enable, remove, routes, config,
)  # fmt: skip
