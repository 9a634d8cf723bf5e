"""The names in certificates. A user certificate names the person or the tags, never a login of a host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from model.errors import Invalid
from model.ids import Address, DeviceName, DNSName, Domain, Serial, Tag, UserName


def fresh_principal(seconds: int, name: UserName) -> str:
    """What a host lists where a check rule of that period decides."""
    return f"fresh:{seconds}:{name}"


def user_principals(
    name: UserName, *, valid_before: int, fresh_at: int | None = None, windows: Iterable[int] = ()
) -> tuple[str, ...]:
    """The person's name, and `fresh:SECONDS:NAME` for each window within which the certificate ends.

    `fresh_at` is when the person last showed that it is they (second factor, provider, touch); None where never.
    `windows` are the check periods, in seconds, that the policy holds for this person.
    """
    fresh = sorted({seconds for seconds in windows if fresh_at is not None and valid_before <= fresh_at + seconds})
    return name, *(fresh_principal(seconds, name) for seconds in fresh)


def tag_principals(tags: Iterable[Tag]) -> tuple[str, ...]:
    """Those of a tagged device as an automation identity."""
    principals = tuple(sorted(set(tags)))
    if not principals:
        raise Invalid(
            "a device without tags has no identity of its own", hint="its owner's name is in its certificates"
        )
    return principals


def host_principals(
    name: DeviceName, domain: Domain, addresses: Iterable[Address], other_names: Iterable[DNSName] = ()
) -> tuple[str, ...]:
    """The whole name, the short one, other names that resolve to the host, and its addresses; each once."""
    numbers = sorted(set(addresses), key=lambda text: (ipaddress.ip_address(text).version, text))
    names = [f"{name}.{domain}", str(name), *sorted(other_names), *numbers]
    return tuple(dict.fromkeys(names))


def user_key_id(name: UserName | None, device: DeviceName, serial: Serial) -> str:
    """`alice@example.com/laptop/1042`; a tagged device has no person before its name."""
    return f"{name}/{device}/{serial}" if name else f"{device}/{serial}"


def host_key_id(device: DeviceName, domain: Domain, serial: Serial) -> str:
    return f"{device}.{domain}/{serial}"
