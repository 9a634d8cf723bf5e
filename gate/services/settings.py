"""The settings of the network: each is parsed by its own rule, and some are owners' alone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gate import settings as table
from gate.network import hosts_of
from gate.operation import Call, reads, writes
from gate.services.authority import addresses_of
from model import change as c
from model.errors import Conflict, Denied
from model.records import Role
from store import Reader, Transaction
from store import settings as rows


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
    before = rows.get(tx, key, None)
    why = table.find(key).owners(before if before is not None else table.find(key).default, checked)
    if why is not None and call.actor.role is not Role.OWNER:
        raise Denied(f"this in {key} is for owners alone to set: {why}", hint="ask an owner of this network")
    rows.put(tx, key, checked)
    tx.record(c.SettingSet(key=key, value=checked))
    hidden = table.find(key).secret
    call.audit(tx, key, before=None if hidden else {"value": before}, after=None if hidden else {"value": checked})
    setting = table.find(key)
    return SettingView(key=key, value="set" if hidden else checked, default=setting.default, about=setting.about)
