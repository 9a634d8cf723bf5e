"""What happened to the network, as values: one type a kind of change.

A change carries the record as it is afterwards, so that a snapshot advances by it without asking the store.
Changes are numbered without gaps, in the transaction that made them.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from model.ids import DeviceID, DeviceName, DNSName, EnrollmentKeyID, Serial, UserID, UserName, Version
from model.records import (
    Device,
    EnrollmentKey,
    Generation,
    Name,
    NameType,
    PolicyVersion,
    Revocation,
    User,
)


class Change(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="change"):
    """The base of all; `change` in the log is the name of the type."""

    shows: ClassVar[bool] = True
    """A snapshot of the network may differ by it."""


class UserChange(Change, frozen=True, kw_only=True):
    user: User


class UserAdded(UserChange, frozen=True, kw_only=True): ...


class UserRoleSet(UserChange, frozen=True, kw_only=True): ...


class UserDisabled(UserChange, frozen=True, kw_only=True): ...


class UserEnabled(UserChange, frozen=True, kw_only=True): ...


class UserGroupsSet(UserChange, frozen=True, kw_only=True): ...


class UserRemoved(Change, frozen=True, kw_only=True):
    id: UserID
    name: UserName


class UserKeyAdded(Change, frozen=True, kw_only=True):
    user: UserName
    fingerprint: str


class UserKeyRemoved(Change, frozen=True, kw_only=True):
    user: UserName
    fingerprint: str


class UserUnlocked(Change, frozen=True, kw_only=True):
    """Wrong guesses at the door are forgotten."""

    user: UserName


class BreakGlassUsed(Change, frozen=True, kw_only=True):
    """An owner came in by the key that is kept for emergencies."""

    user: UserName
    source: str


class LoginsEnded(Change, frozen=True, kw_only=True):
    """Whoever is in by a login of this person is out."""

    user: UserName
    reason: str


class DeviceChange(Change, frozen=True, kw_only=True):
    device: Device


class DeviceEnrolled(DeviceChange, frozen=True, kw_only=True): ...


class DeviceApproved(DeviceChange, frozen=True, kw_only=True): ...


class DeviceRenamed(DeviceChange, frozen=True, kw_only=True):
    was: DeviceName


class DeviceTagged(DeviceChange, frozen=True, kw_only=True):
    was: UserName | None = None
    """Whose it was; a tagged device is nobody's."""


class DeviceExpirySet(DeviceChange, frozen=True, kw_only=True): ...


class DeviceExpired(DeviceChange, frozen=True, kw_only=True): ...


class DeviceDisabled(DeviceChange, frozen=True, kw_only=True): ...


class DeviceEnabled(DeviceChange, frozen=True, kw_only=True): ...


class DeviceKeyRotated(DeviceChange, frozen=True, kw_only=True): ...


class DeviceAttributesSet(DeviceChange, frozen=True, kw_only=True): ...


class DeviceReported(DeviceChange, frozen=True, kw_only=True):
    """The agent told its operating system, version or posture anew."""


class EndpointsReported(DeviceChange, frozen=True, kw_only=True): ...


class RoutesChanged(DeviceChange, frozen=True, kw_only=True):
    """Advertised, withdrawn, approved or refused."""


class DeviceRemoved(Change, frozen=True, kw_only=True):
    id: DeviceID
    name: DeviceName


class EnrollmentKeyCreated(Change, frozen=True, kw_only=True):
    key: EnrollmentKey


class EnrollmentKeyRevoked(Change, frozen=True, kw_only=True):
    id: EnrollmentKeyID


class PolicySet(Change, frozen=True, kw_only=True):
    policy: PolicyVersion


class PolicyConfirmed(Change, frozen=True, kw_only=True):
    number: int


class NameSet(Change, frozen=True, kw_only=True):
    name: Name


class NameRemoved(Change, frozen=True, kw_only=True):
    name: DNSName
    type: NameType
    value: str | None = None


class CertificateIssued(Change, frozen=True, kw_only=True):
    """No snapshot advances by it, so its row has all but the serial."""

    shows: ClassVar[bool] = False
    serial: Serial


class CertificatesRevoked(Change, frozen=True, kw_only=True):
    revocations: tuple[Revocation, ...]
    device: DeviceID | None = None
    """Whose they all are, where a device's were revoked."""


class GenerationChanged(Change, frozen=True, kw_only=True):
    generation: Generation


class StandbySet(Change, frozen=True, kw_only=True):
    """Which routers serve a prefix only where no other can, since they are away, or were and another took over."""

    devices: tuple[DeviceID, ...]


class SettingSet(Change, frozen=True, kw_only=True):
    key: str
    value: object


AnyChange = (
    UserAdded | UserRoleSet | UserDisabled | UserEnabled | UserGroupsSet | UserRemoved | UserKeyAdded | UserKeyRemoved
    | UserUnlocked | LoginsEnded | BreakGlassUsed
    | DeviceEnrolled | DeviceApproved | DeviceRenamed | DeviceTagged | DeviceExpirySet | DeviceExpired | DeviceDisabled
    | DeviceEnabled | DeviceKeyRotated | DeviceAttributesSet | DeviceReported | EndpointsReported | RoutesChanged
    | DeviceRemoved | EnrollmentKeyCreated | EnrollmentKeyRevoked | PolicySet | PolicyConfirmed | NameSet | NameRemoved
    | StandbySet | CertificateIssued | CertificatesRevoked | GenerationChanged | SettingSet
)  # fmt: skip
"""All kinds, as the change log decodes them."""


class Committed(msgspec.Struct, frozen=True):
    """A change with its place in the log."""

    number: Version
    at: int
    change: AnyChange
