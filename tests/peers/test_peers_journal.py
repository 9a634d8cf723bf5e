"""How far back the journal of steps knows what devices missed."""

import msgspec
import pytest

from gate.doors.journal import LEAST, SNAPSHOTS, Journal, Step
from gate.snapshot import News, Snapshot
from model.ids import DeviceID, Version


class Sized:
    """Of a snapshot, what the journal looks at."""

    def __init__(self, devices: int) -> None:
        self.devices = range(devices)


@pytest.mark.parametrize(
    ("devices", "kept"),
    [pytest.param(50, SNAPSHOTS, id="a small network's are many"), pytest.param(100_000, 10, id="of 100,000, a few"),
     pytest.param(5_000_000, LEAST, id="there are always some")],
)  # fmt: skip
def test_snapshots_are_kept_by_what_they_weigh(devices: int, kept: int) -> None:
    journal, id = Journal(Version(1)), DeviceID("7")
    before: Snapshot = Sized(devices)  # type: ignore[assignment]
    step = Step(Version(2), News(views=frozenset({id})), before)
    for number in range(100):
        journal.add(msgspec.structs.replace(step, version=Version(2 + number)))
    missed = journal.missed(journal.end - kept, id, None)
    assert missed is not None
    assert missed.before is before
    assert journal.missed(journal.end - kept - 1, id, None) is None
