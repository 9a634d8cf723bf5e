"""What the snapshot makes of changes, and where that is done."""

from pathlib import Path

import gate_builders as build
import msgspec

from gate import advancing
from gate.layered import Layered
from gate.snapshot import Snapshot
from model import change as c
from model.ids import DeviceID, DeviceName, Version
from model.records import Device


def renamed(version: int, device: Device, name: str) -> c.Committed:
    new = msgspec.structs.replace(device, name=DeviceName(name))
    return c.Committed(Version(version), 0, c.DeviceRenamed(device=new, was=device.name))


async def two_devices(folder: Path) -> tuple[Snapshot, Device, Device]:
    async with build.a_gate(folder) as gate:
        return gate.snapshot, await build.a_device(gate, "a"), await build.a_device(gate, "b")


async def test_a_name_passes_from_one_device_to_another_within_one_batch(tmp_path: Path) -> None:
    start, a, b = await two_devices(tmp_path)
    added = [c.Committed(Version(start.version + 1 + at), 0, c.DeviceApproved(device=d)) for at, d in enumerate((a, b))]
    before = advancing.advance(start, added)
    n = before.version
    after = advancing.advance(before, [renamed(n + 1, a, "c"), renamed(n + 2, b, "a")])
    assert after.by_name == {"c": a.id, "a": b.id}
    assert before.by_name == {"a": a.id, "b": b.id}
    gone = advancing.advance(after, [c.Committed(Version(n + 3), 0, c.DeviceRemoved(id=a.id, name=DeviceName("c")))])
    assert gone.by_name == {"a": b.id}
    assert list(gone.devices) == [b.id]


async def test_a_device_among_very_many_is_changed_in_a_thread(tmp_path: Path) -> None:
    few, a, _ = await two_devices(tmp_path)
    changes = [renamed(few.version + 1, a, "c")]
    crowd = Layered({DeviceID(str(number)): a for number in range(advancing.MANY + 1)})
    assert advancing.is_light(few, changes)
    assert not advancing.is_light(msgspec.structs.replace(few, devices=crowd), changes)
