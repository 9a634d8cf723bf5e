"""The settings of the network, and its audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from gate import settings as table
from gate.actor import GATE, Actor
from gate.network import hosts_of
from gate.operation import Call, reads, writes
from gate.services.authority import addresses_of
from gate.services.queries import whole
from gate.snapshot import Snapshot
from model import change as c
from model.errors import Conflict, Denied
from model.ids import user_name
from model.records import AuditEntry, Page, Role
from store import Query, Reader, Transaction, audit, settings

if TYPE_CHECKING:
    from gate.gate import Gate

FOLLOW_EVERY = 0.5
"""Seconds between looks at the trail by one who follows it: not every entry is a change."""


class SettingView(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: object
    default: object
    about: str


@reads("settings list")
def list_settings(r: Reader, call: Call) -> tuple[SettingView, ...]:
    return tuple(_view(call, key) for key in table.SETTINGS)


@reads("settings show")
def show_setting(r: Reader, call: Call, *, key: str) -> SettingView:
    table.find(key)
    return _view(call, key)


def _view(call: Call, key: str) -> SettingView:
    setting = table.SETTINGS[key]
    value = call.snapshot.settings.get(key, setting.default)
    return SettingView(
        key=key, value="set" if setting.secret and value else value, default=setting.default, about=setting.about
    )


@writes("settings set")
def set_setting(tx: Transaction, call: Call, *, key: str, value: object, anyway: bool = False) -> SettingView:
    """`anyway` is needed where it takes an address from the gate by which somebody may reach it."""
    return _set(tx, call, key, value, anyway=anyway)


@writes("settings set")
def apply_settings(
    tx: Transaction, call: Call, *, values: Mapping[str, object], anyway: bool = False
) -> tuple[SettingView, ...]:
    """All of them, or none."""
    return tuple(_set(tx, call, key, value, anyway=anyway) for key, value in values.items())


def _keeps_addresses(call: Call, wanted: object) -> None:
    """People, agents and their pinned trust know the gate by its names: its certificate must go on naming them."""
    addresses = tuple(msgspec.convert(wanted, list[str]))
    kept = hosts_of(addresses)
    gone = [address for address in addresses_of(call.snapshot) if table.host_of(address) not in kept]
    if gone:
        raise Conflict(
            f"the gate's host certificate would name {', '.join(hosts_of(tuple(gone)))} no more: people and devices"
            " that reach it so would refuse it",
            hint=f"name the old as well: {','.join([*addresses, *gone])}; or say --anyway once nobody uses it",
        )


def _set(tx: Transaction, call: Call, key: str, value: object, *, anyway: bool) -> SettingView:
    checked = table.parse(key, value)
    if key == "gate.addresses" and not anyway:
        _keeps_addresses(call, checked)
    if table.find(key).owners and call.actor.role is not Role.OWNER:
        raise Denied(
            f"{key} is set by owners alone: a provider says who someone is, owners too",
            hint="ask an owner of this network",
        )
    before = settings.get(tx, key, None)
    settings.put(tx, key, checked)
    tx.record(c.SettingSet(key=key, value=checked))
    hidden = table.find(key).secret
    call.audit(tx, key, before=None if hidden else {"value": before}, after=None if hidden else {"value": checked})
    setting = table.find(key)
    return SettingView(key=key, value="set" if hidden else checked, default=setting.default, about=setting.about)


@reads("audit list")
def list_audit(r: Reader, call: Call, *, query: Query) -> Page:
    where = query.where
    if "actor" in where:
        named = actor_named(call.snapshot, str(where["actor"]))
        query = msgspec.structs.replace(query, where={**where, "actor": named})
    return whole(r, audit.page, query)


def actor_named(snapshot: Snapshot, name: str) -> str:
    """What the audit trail calls `name`: a person by the bare name too, as everywhere; anyone else as written."""
    if ":" in name or name == GATE.name:
        return name
    return user_name(name, snapshot.user_domain)


@reads("audit show")
def show_audit(r: Reader, call: Call, *, number: int) -> AuditEntry:
    return audit.by_number(r, number)


@reads("audit verify", heavy=True)
def verify_audit(r: Reader, call: Call) -> int | None:
    """The first entry whose hash does not follow from what it says and the one before; None where all do."""
    return audit.verify(r)


@reads("audit follow")
def audit_since(r: Reader, call: Call, *, number: int) -> tuple[AuditEntry, ...]:
    return audit.since(r, number)


async def follow_audit(gate: Gate, actor: Actor, *, of: str = "") -> AsyncIterator[AuditEntry]:
    """Entries as they come (those `of` one actor, where one is named), from the newest ten on.

    Authorizes each time: a demoted person's following ends.
    """
    wanted = actor_named(gate.snapshot, of) if of else ""
    page = await gate.perform(list_audit, actor, query=Query(limit=10, where={"actor": wanted} if wanted else {}))
    newest = [row for row in reversed(page.rows) if isinstance(row, AuditEntry)]
    last = newest[-1].number if newest else 0
    for entry in newest:
        yield entry
    while True:
        await asyncio.sleep(FOLLOW_EVERY)
        for entry in await gate.perform(audit_since, actor, number=last):
            last = entry.number
            if wanted in ("", entry.actor):
                yield entry
