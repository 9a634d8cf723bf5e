"""What is so in a transaction: as the snapshot shows it where that holds, else as the rows have it.

Whatever is done to people and devices is recorded as a change with their rows, so a snapshot that no change has left
behind is as good as the rows, and takes no question to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.ids import UserName
from model.records import Device, Role, UserState
from store import Reader, devices, users

if TYPE_CHECKING:
    from gate.snapshot import Snapshot


def active_role(r: Reader, snapshot: Snapshot, name: UserName) -> Role | None:
    """What the user of a full name may do; None where there is none, or they are disabled."""
    if not r.holds(snapshot.version):
        return users.active_role(r, name)
    user = snapshot.users.get(name)
    return user.role if user is not None and user.state is UserState.ACTIVE else None


def approved_of(r: Reader, snapshot: Snapshot, name: UserName) -> tuple[Device, ...]:
    """The approved devices of an active person, in order of id."""
    if not r.holds(snapshot.version):
        return devices.approved_of(r, name)
    return snapshot.approved_of(name)
