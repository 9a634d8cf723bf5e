"""A policy checked against a network that somebody describes in JSON, without any gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.errors import Invalid, PolicyRefused
from model.ids import DeviceID, DeviceName, Domain, Prefix, Tag, UserID, UserName, address, quoted
from model.keys import WireGuardKey
from model.network import DEFAULT_IPV4, DEFAULT_IPV6, Network
from model.records import Device, DeviceState, Role, Route, RouteState, User
from policy.compiled import Compiled
from policy.compiling import check


def check_described(policy_text: str, network: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to `policy check --network`: what each device is told, or why the policy is refused.

    Raises `Invalid` where the description is none of a network.
    """
    return answer(policy_text, *described_network(network))


def answer(
    policy_text: str, network: Network, names: Mapping[DeviceID, str], *, over: Compiled | None = None
) -> dict[str, Any]:
    """The same for a network that is known; `names` is what each device is called, and which are told of."""
    try:
        compiled = check(policy_text, network, over=over)
    except PolicyRefused as refused:
        return {
            "accepted": False, "message": refused.message, "line": refused.line, "column": refused.column,
            "hint": refused.hint,
        }  # fmt: skip
    return {
        "accepted": True, "allows_all": compiled.allows_all, "warnings": list(compiled.warnings),
        "devices": {name: _told(compiled, id, names) for id, name in names.items()},
    }  # fmt: skip


def _told(compiled: Compiled, id: DeviceID, names: Mapping[DeviceID, str]) -> dict[str, Any]:
    rules = []
    for rule in compiled.filter(id):
        shown: dict[str, Any] = {
            "src": list(rule.src), "dst": [{"net": dst.net, "ports": list(dst.ports)} for dst in rule.dst],
        }  # fmt: skip
        if rule.proto:
            shown["proto"] = list(rule.proto)
        rules.append(shown)
    return {
        "filter": rules,
        "peers": {names[peer]: list(prefixes) for peer, prefixes in compiled.peers(id).items()},
        "ssh": [
            {"action": rule.action, "check_period_s": rule.check_period_s, "src": list(rule.src),
             "users": dict(rule.users), "accept_env": list(rule.accept_env)}
            for rule in compiled.ssh_rules(id)
        ],
    }  # fmt: skip


def described_network(network: Mapping[str, Any]) -> tuple[Network, dict[DeviceID, str]]:
    """The network that a description tells of, and what it calls each device. Raises `Invalid`."""
    try:
        users = tuple(_user(index, each) for index, each in enumerate(network.get("users") or ()))
        ranked = sorted(
            (int(each.get("registered") or 0), place, name, each)
            for place, (name, each) in enumerate((network.get("devices") or {}).items())
        )
        devices = tuple(_device(rank + 1, name, each) for rank, (_, _, name, each) in enumerate(ranked))
        names = {device.id: name for device, (_, _, name, _) in zip(devices, ranked, strict=True)}
        standby = frozenset(device.id for device, (_, _, _, each) in zip(devices, ranked, strict=True)
                            if each.get("online") is False)  # fmt: skip
        return Network(
            users=users, devices=devices, domain=Domain(network.get("domain") or "net.invalid"),
            ipv4=Prefix(network.get("ipv4") or DEFAULT_IPV4), ipv6=Prefix(network.get("ipv6") or DEFAULT_IPV6),
            standby=standby,
        ), names  # fmt: skip
    except (AttributeError, TypeError, KeyError, ValueError) as fault:
        raise Invalid(
            f"the network is not described as it should be: {fault}",
            hint='it reads like {"users": [NAME...], "devices": {NAME: {"user", "tags", "ipv4", "ipv6", ...}}}',
        ) from None


def _user(index: int, each: object) -> User:
    fields: Mapping[str, Any] = each if isinstance(each, dict) else {"name": each}
    return User(
        id=UserID(str(index + 1)), name=UserName(str(fields["name"])), role=Role(fields.get("role") or "member"),
        groups=tuple(fields.get("groups") or ()), created_at=0,
    )  # fmt: skip


def _device(rank: int, name: str, each: Mapping[str, Any]) -> Device:
    tags = tuple(Tag(tag) for tag in each.get("tags") or ())
    approved = set(each.get("approved_routes") or ())
    routes = tuple(
        Route(Prefix(prefix), RouteState.APPROVED if prefix in approved else RouteState.ADVERTISED)
        for prefix in dict.fromkeys(each.get("advertised_routes") or ())
    )
    user = str(each.get("user") or "")
    if not tags and not user:
        raise ValueError(f"device {quoted(name)} has neither an owner nor tags")
    return Device(
        id=DeviceID(str(rank)), name=DeviceName(name), user=None if tags else UserName(user), tags=tags,
        ipv4=address(each["ipv4"]), ipv6=address(each["ipv6"]), wireguard_key=WireGuardKey(""),
        state=DeviceState.APPROVED, created_at=0, routes=routes, os=each.get("os") or "",
        attributes=dict(each.get("attributes") or {}),
    )  # fmt: skip
