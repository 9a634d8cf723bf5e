"""What people call things when they ask: a device or person by name, an address, a selector of the policy."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from model.errors import Ambiguous, NotFound
from model.ids import DeviceID, quoted
from policy import nets
from policy.bits import members
from policy.compiled import Compiled
from policy.fault import Fault
from policy.hujson import text_at
from policy.selectors import ADDRESSES, IDENTITIES, Kind
from policy.world import Seen


class Spot(msgspec.Struct, frozen=True):
    """A device, or an address that no device has, with the addresses that were meant."""

    label: str
    seen: Seen | None
    numbers: tuple[int, ...]


def device_names(compiled: Compiled) -> Mapping[DeviceID, str]:
    return {device.id: device.name for device in compiled.world.network.devices}


def spots(compiled: Compiled, text: str) -> tuple[Spot, ...]:
    """What `text` means. Raises `NotFound` where it means nothing here, and `Ambiguous` where it means two things."""
    number = nets.address(text)
    if number is not None:
        return (_spot(compiled, text, number),)
    names = device_names(compiled)
    found = devices(compiled, text)
    if not found and (spans := _addresses(compiled, text)):
        # Addresses that no device has: one stands for all of a prefix.
        return tuple(
            _spot(compiled, text if low == high else f"{nets.show(low)} of {text}", low) for low, high in spans
        )
    if found is not None:
        return tuple(Spot(names[seen.id], seen, seen.addresses) for seen in compiled.in_order(found))
    raise NotFound(f"{quoted(text)} is nobody and nothing in this network",
                   hint="name a device, a person, a tag, a group, a host of the policy, or an address")  # fmt: skip


def _spot(compiled: Compiled, label: str, number: int) -> Spot:
    holder = next(iter(members(compiled.world.holders(((number, number),)))), None)
    return Spot(label, compiled.world.at(holder) if holder is not None else None, (number,))


def _addresses(compiled: Compiled, text: str) -> tuple[nets.Span, ...]:
    try:
        return compiled.program.definitions.selector(text_at(text, 0)).spans
    except Fault:
        return ()


def devices(compiled: Compiled, text: str) -> int | None:
    """The devices that `text` names, as bits; None where it names none at all."""
    by_name = [device for device in compiled.world.network.devices if device.name == text.lower()]
    by_name = [device for device in by_name if compiled.world.device(device.id) is not None]
    person = person_named(compiled, text)
    if by_name and person is not None:
        raise Ambiguous(f"{quoted(text)} is a device and a person", hint=f"write {person} for the person")
    if by_name:
        seen = compiled.world.device(by_name[0].id)
        return 1 << seen.slot if seen is not None else None
    if person is not None:
        return compiled.world.owner_devices(person)
    return _by_selector(compiled, text)


def person_named(compiled: Compiled, text: str) -> str | None:
    """The person of that name, or of that local part where one alone has it."""
    names = {*compiled.world.users, *compiled.world.by_user}
    folded = text.casefold()
    if folded in names:
        return folded
    if "@" in text or ":" in text:
        return None
    alike = sorted(name for name in names if name.rpartition("@")[0] == folded)
    if len(alike) > 1:
        raise Ambiguous(f"{quoted(text)} may be {' or '.join(alike)}", hint="write the whole name")
    return alike[0] if alike else None


def _by_selector(compiled: Compiled, text: str) -> int | None:
    try:
        selector = compiled.program.definitions.selector(text_at(text, 0))
    except Fault:
        # A tag that devices carry is known by that, whether or not this policy mentions it.
        return compiled.world.by_tag.get(text)
    if selector.kind in IDENTITIES or selector.kind in ADDRESSES or selector.kind is Kind.ANY:
        return compiled.source(selector).held
    return None
