"""Short lists that the store has no pages for, filtered and ordered here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.app.backend import Query, Rows, SettingRow
from gate.services import devices, queries, settings
from gate.services import enrollment_keys as key_service
from gate.services import names as name_service
from model.ids import DNSName
from model.records import Device, EnrollmentKey, Name, NameType, Record

if TYPE_CHECKING:
    from gate.gate import Gate

Ask = Callable[..., Awaitable[Any]]
FEW = 2000
"""Devices up to which their names stand among the others in order; beyond, they follow page by page."""


async def enrollment_keys(ask: Ask, query: Query) -> Rows:
    found: Sequence[EnrollmentKey] = await ask(key_service.list_keys)
    return window(found, query, lambda key: f"{key.id} {key.user or ''} {' '.join(key.tags)} {key.created_by}")


async def names(gate: Gate, ask: Ask, query: Query) -> Rows:
    """What operators set, and what devices have by themselves."""
    snapshot = gate.snapshot

    def text(name: Name) -> str:
        return f"{name.name} {name.type} {name.value} {name.created_by}"

    if len(snapshot.devices) <= FEW:
        answers: Sequence[name_service.Answer] = await ask(name_service.list_names)
        made = {(name.name, str(name.type), str(name.value)): name.created_at for name in snapshot.names}
        made |= {(DNSName(f"{d.name}.{snapshot.domain}"), "A", d.ipv4): d.created_at for d in snapshot.devices.values()}
        return window(
            [
                _of_answer(a, value, made)
                for a in answers
                if a.type != "AAAA" or "device " not in a.made_by
                for value in a.values
            ],
            query,
            text,
        )
    by_hand = window(snapshot.names, Query(filter=query.filter, sort=query.sort, limit=len(snapshot.names) + 1), text)
    first = by_hand.rows[query.offset : query.offset + query.limit]
    page = await ask(
        devices.list_devices,
        query=queries.Query(
            filter=query.filter,
            sort="name",
            offset=max(0, query.offset - by_hand.total),
            limit=max(0, query.limit - len(first)),
            exact=query.exact,
        ),
    )
    own = [of_device(device, snapshot.domain) for device in page.rows if isinstance(device, Device)]
    return Rows((*first, *own), query.offset, by_hand.total + page.total, page.more)


def _of_answer(answer: name_service.Answer, value: str, made: Mapping[tuple[DNSName, str, str], int]) -> Name:
    by_itself = answer.made_by.startswith("device ")
    return Name(
        name=answer.name,
        type=NameType(answer.type),
        value=value,
        ttl=answer.ttl,
        created_at=made.get((answer.name, answer.type, value), 0),
        created_by="device" if by_itself else answer.made_by,
    )


def of_device(device: Device, domain: str) -> Name:
    return Name(
        name=DNSName(f"{device.name}.{domain}"),
        type=NameType.A,
        value=device.ipv4,
        ttl=60,
        created_at=device.created_at,
        created_by="device",
    )


def window(rows: Iterable[Record], query: Query, text: Callable[[Any], str]) -> Rows:
    """Filtered by words, ordered by a column, cut to a page."""
    words = query.filter.casefold().split()
    found = [row for row in rows if all(word in text(row).casefold() for word in words)]
    found.sort(key=lambda row: _order(getattr(row, query.sort, None)), reverse=query.descending)
    return Rows(tuple(found[query.offset : query.offset + query.limit]), query.offset, len(found))


def _order(value: object) -> tuple[bool, bool, int | str]:
    """Numbers before text, and what is absent last."""
    if isinstance(value, int):
        return False, False, value
    return value is None, True, str(value or "")


def setting(view: settings.SettingView) -> SettingRow:
    return SettingRow(
        key=view.key,
        value=_shown(view.key, view.value),
        default=_shown(view.key, view.default),
        about=view.about,
        changed=view.value != view.default and view.default is not None,
    )


def _shown(key: str, value: object) -> str:
    """As it is typed for `settings set`: a duration with its unit, a list with spaces."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and any(part in key for part in ("life", "after")):
        for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
            if value and value % size == 0:
                return f"{value // size}{unit}"
        return f"{value}s"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None or value == {} else str(value)
