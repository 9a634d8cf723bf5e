"""The machines in the network, with their routes."""

from __future__ import annotations

import ipaddress
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from model.errors import Ambiguous, Conflict, NotFound, WardgateError
from model.ids import Address, DeviceID, DeviceName, Endpoint, Tag, UserName, quoted
from model.keys import SSHKey, WireGuardKey
from model.records import Device, DeviceState, Page, Route, RouteState
from store import addresses, settings
from store.faults import violated
from store.mapping import Rows, decimal
from store.paging import Condition, Listing, Query, compares, equals, equals_number

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(Device, "devices", decimal_text=("id",), elsewhere=("routes",))
_LABEL = 63
_ROUTE_STATES = {state.value: state for state in RouteState}


def add(
    tx: Transaction,
    *,
    name: DeviceName,
    user: UserName | None,
    tags: Sequence[Tag] = (),
    wireguard_key: WireGuardKey,
    ssh_key: SSHKey | None = None,
    state: DeviceState = DeviceState.PENDING,
    ephemeral: bool = False,
    expires_at: int | None = None,
    os: str = "",
    agent_version: str = "",
    endpoints: Sequence[Endpoint] = (),
    routes: Sequence[Route] = (),
    attributes: Mapping[str, str] | None = None,
    ipv4: Address | None = None,
    ipv6: Address | None = None,
) -> Device:
    """Registers a device under the next id and deals its addresses, these very ones where they are given.

    Raises `Conflict` where its name, a key or an address is taken, `NotFound` for an unknown user, `Limited` where
    no address is left.
    """
    ipv4, ipv6 = addresses.take(tx) if ipv4 is None else addresses.claim(tx, ipv4, ipv6)
    device = Device(
        id=DeviceID("0"),
        name=name,
        user=user,
        tags=tuple(tags),
        ipv4=ipv4,
        ipv6=ipv6,
        wireguard_key=wireguard_key,
        ssh_key=ssh_key,
        state=state,
        created_at=tx.now,
        approved_at=tx.now if state is DeviceState.APPROVED else None,
        expires_at=expires_at,
        ephemeral=ephemeral,
        endpoints=tuple(endpoints),
        os=os,
        agent_version=agent_version,
        attributes=dict(attributes or {}),
    )
    columns = _columns(device)
    del columns["id"]
    try:
        id = _ROWS.insert(tx, columns)
    except sqlite3.IntegrityError as fault:
        raise _refusal(tx, fault, device) from fault
    _put_tags(tx, id, device.tags)
    _put_routes(tx, id, routes)
    return by_id(tx, DeviceID(str(id)))


def free_name(r: Reader, wanted: DeviceName, kept_from: Callable[[DeviceName], bool] = lambda _: False) -> DeviceName:
    """`wanted`, or where that is taken, the first of `wanted-2`, `wanted-3` … that a doubling search finds free.

    `kept_from` says which names count as taken though no device has them.
    """

    def name(number: int) -> DeviceName:
        ending = f"-{number}"
        return DeviceName(wanted[: _LABEL - len(ending)].rstrip("-") + ending)

    def taken(candidate: DeviceName) -> bool:
        known = r.sql.execute("SELECT 1 FROM devices WHERE name = ?", (candidate,)).fetchone() is not None
        return known or kept_from(candidate)

    if not taken(wanted):
        return wanted
    low, high = 1, 2
    while taken(name(high)):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(name(middle)) else (low, middle)
    return name(high)


def find(r: Reader, text: str) -> Device:
    """The device that a person means by `text`: its name, id, fully qualified name, or one of its addresses.

    Raises `NotFound`, or `Ambiguous` where one device's name is another's id.
    """
    meant = text.strip().rstrip(".").lower()
    found = {device.id: device for device in (*_named(r, meant), *_numbered(r, meant), *_addressed(r, meant))}
    if not found:
        raise NotFound(f"no device is called {quoted(text)}", hint="`wardgate devices list` shows them")
    if len(found) > 1:
        ids = " and ".join(f"{device.name} (device {device.id})" for device in found.values())
        raise Ambiguous(f"{quoted(text)} may be {ids}", hint="give the other one's name, or a name with its domain")
    return next(iter(found.values()))


def by_id(r: Reader, id: DeviceID) -> Device:
    found = _many(r, "WHERE id = ?", decimal(id))
    if not found:
        raise NotFound(f"no device has the id {quoted(id)}", hint="`wardgate devices list` shows them")
    return found[0]


def by_ssh_key(r: Reader, key: SSHKey) -> Device | None:
    return _first(_many(r, "WHERE ssh_key = ?", key.blob))


def by_wireguard_key(r: Reader, key: WireGuardKey) -> Device | None:
    return _first(_many(r, "WHERE wireguard_key = ?", key))


def all(r: Reader) -> tuple[Device, ...]:
    """In order of id."""
    return _many(r, "ORDER BY id")


def of_user(r: Reader, name: UserName) -> tuple[Device, ...]:
    """Those that a person owns, in order of id."""
    return _many(r, 'WHERE "user" = ? ORDER BY id', name)


def approved_of(r: Reader, name: UserName) -> tuple[Device, ...]:
    """Those of a person that are approved, in order of id."""
    return _many(r, "WHERE \"user\" = ? AND state = 'approved' ORDER BY id", name)


def due(r: Reader, now: int) -> tuple[Device, ...]:
    """Approved devices whose time was over at `now`, the longest over first."""
    return _many(r, "WHERE expires_at <= ? AND state = 'approved' ORDER BY expires_at", now)


def put(tx: Transaction, device: Device) -> None:
    """Writes the whole record, tags and routes included, over the one with its id.

    Raises `NotFound`, `Conflict` as `add` does. Addresses that it gives up rest.
    """
    old = by_id(tx, device.id)
    if old.addresses != device.addresses:
        _release(tx, old)
        addresses.claim(tx, device.ipv4, device.ipv6)
    columns = _columns(device)
    try:
        _ROWS.update(tx, columns.pop("id"), columns)
    except sqlite3.IntegrityError as fault:
        raise _refusal(tx, fault, device) from fault
    if old.tags != device.tags:
        _put_tags(tx, int(device.id), device.tags)
    if old.routes != device.routes:
        _put_routes(tx, int(device.id), device.routes)


def remove(tx: Transaction, device: Device) -> None:
    """Removes the device with its routes; its addresses rest. Its certificates stay on record. Raises `NotFound`."""
    _release(tx, by_id(tx, device.id))
    _ROWS.delete(tx, int(device.id))


def seen(tx: Transaction, moments: Mapping[DeviceID, int]) -> None:
    """Notes when devices were last heard of, many at a time. Ids that are gone are passed over."""
    tx.sql.executemany(
        "UPDATE devices SET last_seen = ? WHERE id = ?", [(at, decimal(id)) for id, at in moments.items()]
    )


def _release(tx: Transaction, device: Device) -> None:
    row = tx.sql.execute(
        "SELECT coalesce(max(valid_before), 0) FROM certificates WHERE device_id = ?", (int(device.id),)
    ).fetchone()
    addresses.release(tx, device.ipv4, device.ipv6, named_until=row[0], user=device.user)


def _columns(device: Device) -> dict[str, Any]:
    return {**_ROWS.encode_record(device), "address": int(ipaddress.IPv4Address(device.ipv4))}


def _first(found: tuple[Device, ...]) -> Device | None:
    return found[0] if found else None


def _named(r: Reader, text: str) -> tuple[Device, ...]:
    label, _, under = text.partition(".")
    if under and under != settings.get(r, settings.DOMAIN):
        return ()
    return _many(r, "WHERE name = ?", label)


def _numbered(r: Reader, text: str) -> tuple[Device, ...]:
    number = decimal(text)
    return () if number is None else _many(r, "WHERE id = ?", number)


def _addressed(r: Reader, text: str) -> tuple[Device, ...]:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        return ()
    return _many(r, f"WHERE ipv{6 if ':' in address else 4} = ?", address)


_FEW = 200
"""Devices whose routes are asked for one by one rather than all at once."""


def _many(r: Reader, tail: str, *parameters: object) -> tuple[Device, ...]:
    return _with_routes(r, r.sql.execute(f"{_ROWS.select} {tail}", parameters).fetchall())


def _with_routes(r: Reader, rows: list[Any]) -> tuple[Device, ...]:
    if not rows:
        return ()
    if len(rows) <= _FEW:
        marks = ", ".join("?" * len(rows))
        where, ids = f"WHERE device IN ({marks})", [row[0] for row in rows]
    else:
        where, ids = "", []
    routes: dict[int, list[Route]] = {}
    for id, prefix, state in r.sql.execute(
        f"SELECT device, prefix, state FROM routes {where} ORDER BY device, prefix",  # noqa: S608 - marks alone
        ids,
    ):
        routes.setdefault(id, []).append(Route(prefix, _ROUTE_STATES[state]))
    if not routes:
        return tuple(map(_ROWS.decode, rows))
    return tuple(_ROWS.decode(row, routes=tuple(routes.get(row[0], ()))) for row in rows)


def _put_tags(tx: Transaction, id: int, tags: Sequence[Tag]) -> None:
    tx.sql.execute("DELETE FROM device_tags WHERE device = ?", (id,))
    tx.sql.executemany("INSERT INTO device_tags VALUES (?, ?)", [(tag, id) for tag in set(tags)])


def _put_routes(tx: Transaction, id: int, routes: Sequence[Route]) -> None:
    tx.sql.execute("DELETE FROM routes WHERE device = ?", (id,))
    tx.sql.executemany(
        "INSERT OR REPLACE INTO routes VALUES (?, ?, ?)", [(id, route.prefix, route.state.value) for route in routes]
    )


_TAKEN = {
    "devices.name": ("name", "device {value}", "rename one of them"),
    "devices.wireguard_key": ("wireguard_key", "the WireGuard key {value}", "make a new one with: wg genkey"),
    "devices.ssh_key": ("ssh_key", "this device's SSH key", "make a new one with: ssh-keygen -t ed25519"),
    "devices.ipv4": ("ipv4", "the address {value}", "leave it out to get a free one"),
    "devices.ipv6": ("ipv6", "the address {value}", "leave it out to get a free one"),
}


def _refusal(r: Reader, fault: sqlite3.IntegrityError, device: Device) -> WardgateError | sqlite3.IntegrityError:
    what = violated(fault)
    if what == "foreign key":
        return NotFound(f"no user is called {quoted(str(device.user))}", hint="`wardgate users list` shows them")
    if what not in _TAKEN:
        return fault
    column, subject, hint = _TAKEN[what]
    value = getattr(device, column)
    key = value.blob if isinstance(value, SSHKey) else value
    row = r.sql.execute(f"SELECT id, name FROM devices WHERE {column} = ?", (key,)).fetchone()  # noqa: S608
    holder = f" (by device {row[0]})" if column == "name" else f" (by {row[1]}, device {row[0]})"
    return Conflict(f"{subject.format(value=quoted(str(value)))} is taken{holder}", hint=hint)


_OWNER = compares(
    """("user" = ? OR ("user" >= ? || '@' AND "user" < ? || 'A'))""",
    """(+"user" = ? OR (+"user" >= ? || '@' AND +"user" < ? || 'A'))""",
)
"""A whole name, or a bare one in any domain. `@` and `A` are neighbours in ASCII."""
_TAGGED = compares(
    "id IN (SELECT device FROM device_tags WHERE tag = ?)",
    "EXISTS (SELECT 1 FROM device_tags WHERE tag = ? AND device = devices.id)",
)


def _tag(r: Reader, value: object) -> Condition:
    """With or without `tag:` before it."""
    text = str(value)
    return _TAGGED(r, text if text.startswith("tag:") else f"tag:{text}")


_LISTING = Listing(
    _ROWS,
    sorts={
        "name": "name", "user": "user", "tags": "tags", "ipv4": "address", "address": "address", "state": "state",
        "created_at": "created_at", "expires_at": "expires_at", "last_seen": "last_seen", "os": "os",
        "agent_version": "agent_version", "id": "id",
    },
    filters={
        "state": equals("state"), "user": _OWNER, "tag": _tag, "os": equals("os"),
        "ephemeral": equals_number("ephemeral"),
    },
    text="visible",
    index="devices_text",
    decode=_with_routes,
)  # fmt: skip


def page(r: Reader, query: Query) -> Page:
    """Sorted by name unless asked otherwise. Filters: state, user, tag, os, ephemeral."""
    return _LISTING.page(r, query)
