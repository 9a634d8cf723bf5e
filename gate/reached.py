"""Where the gate is reached, spelled as people type it in a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from gate.settings import host_of

DEFAULT_PORT = 2222
UNKNOWN = "GATE"
"""Stands for a host where the settings name none."""


def first(settings: Mapping[str, object]) -> tuple[str, int]:
    """Host and port of the first of `gate.addresses`; what it leaves open is `GATE` and 2222."""
    named = settings["gate.addresses"]
    if not isinstance(named, Sequence) or not named:
        return UNKNOWN, DEFAULT_PORT
    address = str(named[0])
    host = host_of(address)
    port = address.rpartition(":")[2] if address != host and not address.endswith("]") else ""
    return host, int(port or DEFAULT_PORT)


def ssh(settings: Mapping[str, object], name: str, *options: str) -> str:
    """`ssh -p PORT NAME@HOST`, with `options` before the name. A name may hold signs that a shell knows."""
    host, port = first(settings)
    return " ".join(["ssh", *options, f"-p {port}", shlex.quote(f"{name}@{host}")])


def target(settings: Mapping[str, object]) -> str:
    """HOST, or HOST:PORT, as `wardgate up` and `wardgate login` take it."""
    host, port = first(settings)
    shown = f"[{host}]" if ":" in host else host
    return shown if port == DEFAULT_PORT else f"{shown}:{port}"
