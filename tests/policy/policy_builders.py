"""Plain builders of networks and policies for the tests of the policy room."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from model.ids import Address, DeviceID, DeviceName, Domain, Prefix, Tag, UserID, UserName
from model.keys import WireGuardKey
from model.network import Network
from model.records import Device, DeviceState, Role, Route, RouteState, User, UserState
from policy import Compiled, check


def a_user(name: str = "alice@example.com", number: int = 1, **fields: Any) -> User:
    role = Role(fields.pop("role", "member"))
    state = UserState(fields.pop("state", "active"))
    groups = tuple(fields.pop("groups", ()))
    return User(id=UserID(str(number)), name=UserName(name), role=role, state=state, groups=groups, created_at=0)


def a_device(
    number: int, user: str | None = "alice@example.com", tags: Sequence[str] = (), routes: Iterable[str] = (),
    **more: Any,
) -> Device:  # fmt: skip
    """Device `number` has the addresses 100.64.0.NUMBER and fd7a:115c:a1e0::NUMBER; `routes` are approved."""
    advertised = more.pop("advertised", ())
    return Device(
        id=DeviceID(str(number)), name=DeviceName(more.pop("name", f"device-{number}")),
        user=None if tags or user is None else UserName(user), tags=tuple(Tag(tag) for tag in tags),
        ipv4=Address(f"100.64.{number // 256}.{number % 256}"), ipv6=Address(f"fd7a:115c:a1e0::{number:x}"),
        wireguard_key=WireGuardKey(""), state=DeviceState.APPROVED, created_at=0,
        routes=tuple(Route(Prefix(each), RouteState.APPROVED) for each in routes)
        + tuple(Route(Prefix(each), RouteState.ADVERTISED) for each in advertised),
        **more,
    )  # fmt: skip


def a_network(*devices: Device, users: Sequence[User] | None = None, **more: Any) -> Network:
    """With a user for every owner, in order of first mention, unless `users` says who there is."""
    if users is None:
        names = dict.fromkeys(device.user for device in devices if device.user is not None)
        users = [a_user(name, number) for number, name in enumerate(names, 1)]
    return Network(users=tuple(users), devices=devices, domain=Domain("net.example.com"), **more)


def a_policy(**sections: Any) -> str:
    """The text of a policy; tags that its rules use are defined, owned by nobody."""
    text = json.dumps(sections)
    used = {word for word in text.replace('"', " ").replace(",", " ").split() if word.startswith("tag:")}
    owners = {":".join(word.split(":")[:2]): [] for word in used} | sections.get("tagOwners", {})
    return json.dumps({**sections, "tagOwners": owners})


def allow(src: str | Sequence[str], dst: str | Sequence[str], **more: Any) -> dict[str, Any]:
    """An ACL entry."""
    return {"action": "accept", "src": [src] if isinstance(src, str) else src,
            "dst": [dst] if isinstance(dst, str) else dst, **more}  # fmt: skip


def grant(src: str | Sequence[str], dst: str | Sequence[str], **more: Any) -> dict[str, Any]:
    more.setdefault("ip", ["*"])
    return {"src": [src] if isinstance(src, str) else src, "dst": [dst] if isinstance(dst, str) else dst, **more}


def compiled(network: Network, **sections: Any) -> Compiled:
    return check(a_policy(**sections), network)


def routed(compiled: Compiled, viewer: Device, peer: Device) -> list[str] | None:
    """The prefixes beyond its own addresses that `peer` carries for `viewer`; None where it is no peer."""
    found = compiled.peers(viewer.id).get(peer.id)
    own = {f"{peer.ipv4}/32", f"{peer.ipv6}/128"}
    return None if found is None else [prefix for prefix in found if prefix not in own]


def told(compiled: Compiled, id: DeviceID) -> tuple[object, ...]:
    """All that a device learns of the policy."""
    return compiled.filter(id), dict(compiled.peers(id)), list(compiled.peers(id)), compiled.logins(id)
