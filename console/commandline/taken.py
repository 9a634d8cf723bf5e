"""What a deed took away besides what it was asked for, read from the changes that it recorded."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from console.commandline.render import plural
from model.change import CertificatesRevoked, Change, DeviceChange, DeviceRemoved, DeviceTagged, EnrollmentKeyRevoked
from model.ids import DeviceID, DeviceName, EnrollmentKeyID, UserName


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    certificates: int
    """Revoked now that lived until now."""
    owner: UserName | None
    """Whose the device is no more."""
    devices: tuple[DeviceName, ...]
    enrollment_keys: tuple[EnrollmentKeyID, ...]

    def said(self) -> str:
        """`; 2 certificates are revoked`, to follow what was done; empty where nothing was taken."""
        parts = [f"{self.owner} loses this device"] if self.owner else []
        for number, what, deed in (
            (len(self.devices), "device", "removed"),
            (self.certificates, "certificate", "revoked"),
            (len(self.enrollment_keys), "enrollment key", "revoked"),
        ):
            parts += [f"{plural(number, what)} {'is' if number == 1 else 'are'} {deed}"] if number else []
        return "; " + ", ".join(parts) if parts else ""


def taken(changes: Iterable[Change]) -> Taken:
    changes = tuple(changes)
    return Taken(
        certificates=sum(len(one.revocations) for one in changes if isinstance(one, CertificatesRevoked)),
        owner=next((one.was for one in changes if isinstance(one, DeviceTagged)), None),
        devices=tuple(one.name for one in changes if isinstance(one, DeviceRemoved)),
        enrollment_keys=tuple(one.id for one in changes if isinstance(one, EnrollmentKeyRevoked)),
    )


def of_device(changes: Iterable[Change], id: DeviceID) -> Taken:
    """Of what was done to several devices, what was taken from this one."""

    def concerned(change: Change) -> bool:
        if isinstance(change, CertificatesRevoked):
            return change.device == id
        return isinstance(change, DeviceChange) and change.device.id == id

    return taken(filter(concerned, changes))
