"""What is so in a transaction: as the snapshot shows it where that holds, else as the rows have it.

Whatever is done to people and devices is recorded as a change with their rows, so a snapshot that no change has left
behind is as good as the rows, and takes no question to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from model.ids import UserName
from model.records import Device, Generation, Role, UserState
from store import Reader, devices, users
from store import certificates as certificate_rows
from store import generations as generation_rows
from store import settings as setting_rows

if TYPE_CHECKING:
    from gate.refused import Refused
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


def settings(r: Reader, snapshot: Snapshot) -> Mapping[str, object]:
    return snapshot.settings if r.holds(snapshot.version) else setting_rows.all(r)


def generations(r: Reader, snapshot: Snapshot) -> Sequence[Generation]:
    """Of the CA's keys. One that was stolen signs nothing from the moment on in which it is replaced."""
    return snapshot.generations if r.holds(snapshot.version) else generation_rows.all(r)


def refused(r: Reader, snapshot: Snapshot) -> Refused:
    """What is never signed."""
    if r.holds(snapshot.version):
        return snapshot.refused
    known = snapshot.revocations[-1].number if snapshot.revocations else 0
    return snapshot.refused.after(generation_rows.all(r), certificate_rows.revocations(r, known))
