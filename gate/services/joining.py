"""What holds for whatever joins the network, however it comes: whose it is, its keys, its name, how many, how long."""

from __future__ import annotations

from collections.abc import Sequence

from gate import present
from gate.operation import Call
from gate.roles import PERMISSIONS
from gate.services.authority import addresses_of
from gate.settings import host_of
from model.errors import Conflict, Invalid, Limited
from model.ids import DeviceID, DeviceName, DNSName, Tag, UserName, quoted, tag
from model.keys import SSHKey, WireGuardKey
from model.records import Device, EnrollmentKey, NameType
from store import Reader, Transaction, addresses, devices, user_keys, users
from store import names as records

MAY_REST = 16
"""Addresses of devices that one removed, however few one may have at once: machines are replaced."""
_MAY_APPROVE = PERMISSIONS["devices approve"].network


def owner_or_tags(
    r: Reader, call: Call, user: str | None, tags: Sequence[str]
) -> tuple[UserName | None, tuple[Tag, ...]]:
    """Exactly one of both: a tagged device has no owner."""
    if bool(user) == bool(tags):
        raise Invalid("a device has either an owner or tags", hint="give --user NAME, or --tag tag:ROLE (repeatable)")
    if user:
        return users.find(r, user, call.snapshot.user_domain).name, ()
    return None, tuple(sorted({tag(text) for text in tags}))


def not_another_s(r: Reader, call: Call, name: DeviceName, key: WireGuardKey) -> None:
    """Refuses a name and a key that a device of others has, without a word about whose: who may not list devices is
    told that one is taken, and no more."""
    known = call.snapshot
    theirs = known.devices.get(known.by_name.get(name, DeviceID("0"))), devices.by_wireguard_key(r, key)
    for found, what in zip(theirs, (f"the name {quoted(name)}", "this WireGuard key"), strict=True):
        if found is not None and found.user != call.actor.user:
            raise Conflict(f"{what} is taken", hint="choose another")


def proved(tx: Transaction, key: WireGuardKey) -> Device | None:
    """The device that has to go for one that proved `key`: one that somebody added by the key alone. Anybody can do
    that with the key of a machine that they are not, and whose it is must get in. `Conflict` where it proved it too."""
    held = devices.by_wireguard_key(tx, key)
    if held is not None and (held.ssh_key is not None or held.tags):
        raise Conflict("this WireGuard key is another device's", hint="make a new one with: wg genkey")
    return held


def free_ssh_key(r: Reader, call: Call, key: SSHKey) -> None:
    """Refuses a key that is a person's or a CA's: one key is one identity."""
    if user_keys.users_with(r, key):
        raise Conflict("this SSH key is a person's", hint="a device has a key of its own; make one with ssh-keygen")
    if any(generation.key == key for generation in present.generations(r, call.snapshot)):
        raise Invalid("this is a CA key of this network, not a device's")


def holder(r: Reader, call: Call, name: DeviceName) -> str | None:
    """Whose `name` is, where no device may have it: it would be certified as that host, and reached in its place."""
    whole_name = DNSName(f"{name}.{call.snapshot.domain}")
    if {str(name), str(whole_name)} & {host_of(address).lower().rstrip(".") for address in addresses_of(call.snapshot)}:
        return "the gate itself"
    if any(record.type in {NameType.A, NameType.AAAA, NameType.CNAME} for record in records.of(r, whole_name)):
        return "a record that was set: `names list` shows it"
    return None


def room_for_one_more(r: Reader, call: Call, owner: UserName, *, own_word: bool) -> None:
    """Raises `Limited` where the person has as many devices as one may; and who brings one in by nobody's word but
    `own_word`, where as many that they removed still keep their addresses from others."""
    limit = int(str(present.settings(r, call.snapshot)["devices.per-person"]))
    if len(devices.of_user(r, owner)) >= limit:
        raise Limited(f"{owner} has {limit} devices, the most", hint="remove one: wardgate devices remove NAME")
    if own_word and (resting := addresses.resting_of(r, owner)) >= max(limit, MAY_REST):
        raise Limited(
            f"{resting} devices of {owner} were removed lately, and their addresses rest",
            hint="ask an operator to add it: wardgate devices add, or enrollment-keys create",
        )


def approves_itself(r: Reader, call: Call, owner: UserName | None) -> bool:
    """Whether a device that the actor brings in for themselves needs nobody else."""
    if owner is None or owner != call.actor.user:
        return False
    rule = present.settings(r, call.snapshot)["devices.approval"]
    return rule == "automatic" or (rule == "by-role" and call.actor.role in _MAY_APPROVE)


def by_own_word(r: Reader, key: EnrollmentKey) -> bool:
    """Whether nobody but its owner, who has no say over others' devices, made the key."""
    owner = users.by_name(r, key.user) if key.user is not None and key.created_by == key.user else None
    return owner is not None and owner.role not in _MAY_APPROVE


def expiry(tx: Transaction, call: Call, *, tagged: bool) -> int | None:
    """When a device approved now expires; tagged ones are servers, and do not by themselves."""
    return None if tagged else tx.now + int(str(present.settings(tx, call.snapshot)["devices.key-life"]))
