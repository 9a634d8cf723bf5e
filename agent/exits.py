"""An exit node: everything that has no way of its own goes through the tunnel. What `ip` is told for it. Pure.

pref 5746  main, but not its default route        the local network and the VPN stay as they are
pref 5747  not WireGuard's own packets -> table   default by the tunnel, and where that is not, unreachable
"""

from __future__ import annotations

import msgspec

MARK = 22439
"""On packets that must not go through the tunnel: WireGuard's own, and the connection to the gate."""
TABLE = 22439
LOCAL_FIRST, THROUGH = 5746, 5747
"""Preferences of the rules: before the main table's 32766."""


def on(interface: str, carried: bool) -> list[str]:
    """Lines for `ip -batch` of one IP version, which the exit node carries or not. The dead end stands first."""
    return [
        f"route replace unreachable default metric 4096 table {TABLE}",
        f"route {'replace' if carried else 'del'} default dev {interface} table {TABLE}",
        f"rule add pref {LOCAL_FIRST} table main suppress_prefixlength 0",
        f"rule add pref {THROUGH} not fwmark {MARK} table {TABLE}",
    ]


def off() -> list[str]:
    return [f"rule del pref {LOCAL_FIRST}", f"rule del pref {THROUGH}", f"route flush table {TABLE}"]


class _Rule(msgspec.Struct):
    priority: int = 0


class _Route(msgspec.Struct):
    dst: str = ""
    dev: str = ""


def carried(rules: str, routes: str, interface: str) -> bool | None:
    """Whether one IP version goes through the tunnel, of `ip -j rule` and of the table; None where no rule is set."""
    set_rules = {rule.priority for rule in msgspec.json.decode(rules or "[]", type=list[_Rule])}
    if not {LOCAL_FIRST, THROUGH} <= set_rules:
        return None
    table = msgspec.json.decode(routes or "[]", type=list[_Route])
    return any(route.dst == "default" and route.dev == interface for route in table)
