"""The gate's three doors, all on one SSH server: people, agents, enrollment."""

from gate.doors.limits import Limits
from gate.doors.server import Server, serve

__all__ = ["Limits", "Server", "serve"]
