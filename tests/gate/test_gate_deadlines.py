"""What devices come to by time: found without a look at each, and never too early or too late."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gate_builders as build
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gate.deadlines import Deadlines, deadlines
from gate.presence import Presence
from gate.services import agents, devices
from gate.snapshot import Snapshot
from model.ids import Address, DeviceID, DeviceName, Prefix
from model.keys import WireGuardKey
from model.records import Device, DeviceState, Route, RouteState

IDS = tuple(DeviceID(str(number)) for number in range(1, 7))


def a_device(id: DeviceID, **more: object) -> Device:
    return Device(
        id=id, name=DeviceName(f"d{id}"), ipv4=Address(f"100.64.0.{id}"), ipv6=Address(f"fd7a::{id}"),
        wireguard_key=WireGuardKey(""), **({"created_at": 0} | more),  # type: ignore[arg-type]
    )  # fmt: skip


some_devices = st.dictionaries(
    st.sampled_from(IDS),
    st.builds(
        lambda state, at, ephemeral, routed: {
            "state": state, "expires_at": at, "ephemeral": ephemeral,
            "routes": (Route(Prefix("10.0.0.0/8"), RouteState.APPROVED),) if routed else (),
        },
        st.sampled_from(DeviceState), st.none() | st.integers(1, 4), st.booleans(), st.booleans(),
    ),
).map(lambda found: {id: a_device(id, **more) for id, more in found.items()})  # fmt: skip


@given(some_devices, some_devices)
def test_deadlines_moved_along_are_those_made_anew(old: dict[DeviceID, Device], new: dict[DeviceID, Device]) -> None:
    before = deadlines(old.values())
    kept = list(before.expiring)
    assert before.after(old, new, IDS) == deadlines(new.values())
    assert before.expiring == kept, "a snapshot is never changed"


@given(some_devices, st.integers(0, 5))
def test_a_device_is_found_expired_where_one_is(found: dict[DeviceID, Device], now: int) -> None:
    truth = any(
        device.state is DeviceState.APPROVED and device.expires_at is not None and device.expires_at <= now
        for device in found.values()
    )
    assert deadlines(found.values()).expired(now) == truth


@given(some_devices, st.integers(0, 5), st.integers(0, 5))
def test_what_is_to_expire_between_two_moments_comes_in_its_order(
    found: dict[DeviceID, Device], begin: int, end: int
) -> None:
    truth = sorted(
        (device.expires_at, device.id)
        for device in found.values()
        if device.state is DeviceState.APPROVED and device.expires_at is not None and begin < device.expires_at < end
    )
    assert deadlines(found.values()).between(begin, end) == truth


class Looks(dict[DeviceID, Device]):
    """Devices that count how often one of them is looked at."""

    count = 0

    def __getitem__(self, id: DeviceID) -> Device:
        self.count += 1
        return super().__getitem__(id)


def a_snapshot(found: dict[DeviceID, Device], after: int = 100) -> Snapshot:
    return SimpleNamespace(  # type: ignore[return-value]
        devices=Looks(found), deadlines=deadlines(found.values()), settings={"devices.ephemeral-after": after}
    )


def test_an_ephemeral_device_is_due_when_it_was_away_for_long_and_looked_at_no_earlier() -> None:
    clock = [1000.0]
    presence = Presence(lambda: clock[0])
    snapshot = a_snapshot({IDS[0]: a_device(IDS[0], ephemeral=True, created_at=1000)})
    lapses = agents.Lapses()

    def due_at(now: int) -> bool:
        clock[0] = now
        return lapses.due(snapshot, presence, now)

    assert not due_at(1000)
    presence.arrived(IDS[0])
    assert not due_at(1101), "it is there"
    clock[0] = 1150
    presence.left(IDS[0])
    looks = snapshot.devices.count  # type: ignore[attr-defined]
    assert not any(due_at(now) for now in range(1151, 1202))
    assert snapshot.devices.count == looks, "before the next look nothing can be due"  # type: ignore[attr-defined]
    assert next(now for now in range(1202, 1260) if due_at(now)) == 1251


def test_a_shorter_time_counts_at_once() -> None:
    presence = Presence(lambda: 1050.0)
    found = {IDS[0]: a_device(IDS[0], ephemeral=True, created_at=1000)}
    lapses = agents.Lapses()
    assert not lapses.due(a_snapshot(found), presence, 1050)
    assert lapses.due(a_snapshot(found, after=10), presence, 1050)


async def test_an_expiry_that_an_operator_sets_is_due_and_then_no_more(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        device = await build.a_device(gate, "laptop")
        lapses = agents.Lapses()
        at = gate.snapshot.devices[device.id].expires_at
        assert at is not None
        assert not lapses.due(gate.snapshot, gate.presence, at - 1)
        assert lapses.due(gate.snapshot, gate.presence, at)
        await gate.perform(devices.expire, build.LOCAL, names=["laptop"])
        assert not lapses.due(gate.snapshot, gate.presence, at)
        assert gate.snapshot.deadlines == deadlines(gate.snapshot.devices.values())


def test_nothing_is_due_where_there_are_no_devices() -> None:
    assert not Deadlines().expired(1 << 40)
    assert msgspec.structs.asdict(deadlines(())) == msgspec.structs.asdict(Deadlines())
