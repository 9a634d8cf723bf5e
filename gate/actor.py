"""Who asks. An actor is made where a door or a local command has proved who it is, and nowhere else."""

from __future__ import annotations

import msgspec

from model.ids import UserName
from model.records import Role


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """`role` is what the door saw; a service reads it anew inside its transaction (`gate.authority`)."""

    name: str
    """A user's name, `local:UID`, `device:NAME`, or `gate`: what the audit trail calls it."""
    role: Role
    user: UserName | None = None
    """The person, where it is one."""
    source: str
    """An address, `local`, or `gate`."""
    login_at: int | None = None
    """When the person proved who they are with this login."""
    fresh_at: int | None = None
    """When they last did so by a second factor, a provider, or a touched FIDO2 key: what a `check` rule counts from."""
    method: str = ""
    """How: `key`, `password`, `oidc`, `local`."""
    connection: int = 0
    """A number of its own for each connection, rising."""


GATE = Actor(name="gate", role=Role.OWNER, source="gate")
"""The gate itself, for what happens by time alone."""


def local_actor(uid: int) -> Actor:
    """Whoever may open the state's files has the owner's rights."""
    return Actor(name=f"local:{uid}", role=Role.OWNER, source="local", method="local")
