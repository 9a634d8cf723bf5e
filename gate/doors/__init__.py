"""The gate's three doors, all on one SSH server: people, agents, enrollment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.doors.limits import Limits
    from gate.doors.server import Server, serve

__all__ = ["Limits", "Server", "serve"]


def __getattr__(name: str) -> object:
    """A command on the gate's own host goes through `gate.doors.calling`, and need not wait for an SSH server."""
    if name not in __all__:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"gate.doors.{'limits' if name == 'Limits' else 'server'}"), name)
