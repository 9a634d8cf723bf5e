"""How this machine is in its network, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.commandline.render import Column, facts, span, table


def _host(certificate: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What this host's sshd shows, and why it is none."""
    if certificate is None:
        return []
    ends, problem, hint = (certificate[key] for key in ("valid_before", "problem", "hint"))
    until = f"until {ends}" if ends else "none"
    why = [("", f"{problem} ({hint})" if hint else problem)] if problem else []
    return [("host certificate", until), *why]


def written(found: Mapping[str, Any]) -> str:
    device, gate = found["device"], found["gate"]
    if gate is None or device is None:
        return "this machine is in no network; join one: wardgate up GATE --key-file FILE, or wardgate up NAME@GATE\n"
    state = "connected" if found["connected"] else ("running, not connected" if found["running"] else "not running")
    lines = [
        ("gate", f"{gate['host']}:{gate['port']}, {state}"),
        *([("problem", found["problem"])] if found["problem"] else []),
        ("device", f"{device['fqdn']}, {device['state']}"),
        ("addresses", f"{device['ipv4']} {device['ipv6']}"),
        ("owner", device["user"]) if device["user"] else ("tags", " ".join(device["tags"])),
        *_host(found["host_certificate"]),
        *(("route", f"{route['prefix']} {route['state']}") for route in device["routes"]),
    ]
    rows = [
        [peer["name"], peer["user"] or " ".join(peer["tags"]), peer["allowed_ips"][0].partition("/")[0],
         peer["endpoint"] or "–", "–" if peer["handshake_age"] is None else span(peer["handshake_age"]) or "now"]
        for peer in found["peers"]
    ]  # fmt: skip
    heads = [
        Column("PEER"),
        Column("OWNER OR TAGS"),
        Column("ADDRESS"),
        Column("ENDPOINT"),
        Column("HANDSHAKE", "right"),
    ]
    return facts(lines) + ("\n" + table(heads, rows, None) if rows else "")
