"""What somebody else did to the thing that a form is about, while it is being filled in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from console.app.inert import inert
from model.change import AnyChange, DeviceChange, DeviceRemoved, SettingSet, UserRemoved, UserRoleSet
from model.records import Device, User

Told = Callable[[AnyChange], str]
"""What is said of a change; empty where it is about something else."""


def renamed(device: Device) -> Told:
    def told(change: AnyChange) -> str:
        if isinstance(change, DeviceChange) and change.device.id == device.id and change.device.name != device.name:
            return f"somebody renamed it meanwhile, to {inert(change.device.name)}"
        return _removed(change, [device])

    return told


def tagged(devices: Sequence[Device]) -> Told:
    before = {device.id: device.tags for device in devices}

    def told(change: AnyChange) -> str:
        if isinstance(change, DeviceChange):
            device = change.device
            if device.tags != before.get(device.id, device.tags):
                return f"somebody tagged {inert(device.name)} meanwhile: {' '.join(device.tags)}"
        return _removed(change, devices)

    return told


def given_a_role(users: Sequence[User]) -> Told:
    names = {user.name for user in users}

    def told(change: AnyChange) -> str:
        if isinstance(change, UserRoleSet) and change.user.name in names:
            return f"somebody made {inert(change.user.name)} {change.user.role.value} meanwhile"
        if isinstance(change, UserRemoved) and change.name in names:
            return f"somebody removed {inert(change.name)} meanwhile"
        return ""

    return told


def set_to_another(key: str) -> Told:
    def told(change: AnyChange) -> str:
        ours = isinstance(change, SettingSet) and change.key == key
        return "somebody set it meanwhile: its row shows to what" if ours else ""

    return told


def _removed(change: AnyChange, devices: Sequence[Device]) -> str:
    if isinstance(change, DeviceRemoved) and change.id in {device.id for device in devices}:
        return f"somebody removed {inert(change.name)} meanwhile"
    return ""
