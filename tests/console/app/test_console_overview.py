"""Overview: what waits, what changed, how the gate is; each line leads to its screen."""

import json
from pathlib import Path

import pytest
from channels import a_console, a_terminal, until
from gates import LOCAL, a_console_at, a_gate, a_person, a_wireguard_key
from seeded import NOW, Seeded

from console.app import chart, snoozed
from console.app.backend import Crowd
from gate.services import devices, samples
from model.records import DeviceState, Role

DOWN, UP, RIGHT, LEFT, TAB, ENTER, ESC, END = "\x1b[B", "\x1b[A", "\x1b[C", "\x1b[D", "\t", "\r", "\x1b", "\x1b[F"


async def test_what_is_snoozed_is_out_of_sight_for_this_person_and_comes_back() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        await session.type("s")
        await session.shows("1 snoozed")
        assert "ask to join" not in session.frame()
        assert json.loads(backend.saved["snoozed"]) == {"2 devices ask to join": NOW + snoozed.LASTS}
        backend.clock += snoozed.LASTS + 1
        await session.type("j")
        await session.shows("ask to join")


async def test_what_was_snoozed_is_woken_by_a_key() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        await session.type("s", "s")
        await session.shows("2 snoozed")
        await session.type("w")
        await session.shows("2 devices ask to join")
        await until(lambda: not backend.saved.get("snoozed"))


async def test_what_was_approved_from_here_can_be_taken_back(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(samples.fill, LOCAL)
        pending = next(device for device in gate.snapshot.devices.values() if device.state is DeviceState.PENDING)
        async with a_console_at(gate, LOCAL) as session:
            await session.type("a")
            await until(lambda: gate.snapshot.devices[pending.id].state is DeviceState.APPROVED)
            await session.shows("z undoes")
            await session.type("z")
            await until(lambda: gate.snapshot.devices[pending.id].state is DeviceState.DISABLED)


def test_what_changed_is_no_longer_snoozed() -> None:
    kept = snoozed.read(snoozed.write({"2 devices ask to join": NOW + 60}), NOW)
    assert "3 devices ask to join" not in kept
    assert snoozed.read("no json", NOW) == {}
    assert snoozed.read(snoozed.write({"x": NOW}), NOW) == {}


@pytest.mark.parametrize(
    ("presses", "screen", "filtered"),
    [
        pytest.param((DOWN,), "Devices", "state:expired", id="a-need"),
        pytest.param((DOWN, DOWN), "Certificates", "", id="a-generation"),
        pytest.param((DOWN,) * 5, "Activity", "", id="a-change"),
        pytest.param((TAB, DOWN, DOWN), "Devices", "state:pending", id="a-state"),
        pytest.param((RIGHT, END), "Settings", "", id="the-gate"),
        pytest.param((RIGHT, LEFT, DOWN), "Devices", "state:expired", id="there-and-back"),
    ],
)
async def test_each_line_leads_to_its_screen(presses: tuple[str, ...], screen: str, filtered: str) -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type(*presses, ENTER)
        assert session.app.view.title == screen
        assert session.app.view.filter_text == filtered
        await session.type(*([ESC, ESC] if filtered else [ESC]))
        await until(lambda: session.app.view.title == "Overview")


async def test_in_eighty_columns_the_right_half_follows_below() -> None:
    async with a_console(Seeded(size=60), terminal=a_terminal(columns=80, rows=24)) as session:
        assert "Devices by state" not in session.frame()
        await session.type(END)
        await session.shows("disk         61 % free")


async def test_an_enrollment_key_is_made_from_overview() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        await session.type("n", ENTER)
        await session.shows("wge_")
    assert backend.ran[0][:2] == ("enrollment-keys", "create")


async def test_a_storm_is_told_on_every_screen() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        backend.waiting = Crowd(waiting=1204, per_second=90)
        await session.shows("◐ 1,204 reconnecting")
        await session.type("3")
        assert "◐ 1,204 reconnecting" in session.frame()
        backend.waiting = Crowd(late_ms=240, cause="telling agents")
        await session.shows("240 ms late")
        backend.waiting = Crowd(untold=500)
        await session.shows("500 behind")
        backend.waiting = Crowd()
        await until(lambda: "behind" not in session.frame())


async def test_who_is_online_is_looked_at_though_it_is_no_change() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        before = backend.waiting.online
        backend.offline = set(list(backend.devices)[:20])
        backend.waiting = Crowd(online=before - 1)
        backend.clock += 10
        await until(lambda: session.app.view.facts.online < before)


async def test_a_real_gate_tells_how_it_is(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(devices.add, LOCAL, name="desk", wireguard=a_wireguard_key(), user="alice", tags=())
        async with a_console_at(gate, LOCAL) as session:
            await session.shows("promptness")
            await session.shows("backup       none yet")
            await gate.audit(LOCAL, "gate backup", "example.com")
            session.app.view.reload()
            await until(lambda: "none yet" not in session.frame())


async def test_an_auditor_sees_overview_and_snoozes(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        auditor = await a_person(gate, "erin", Role.AUDITOR)
        await gate.perform(devices.add, LOCAL, name="desk", wireguard=a_wireguard_key(), user="alice", tags=())
        async with a_console_at(gate, auditor) as session:
            await session.shows("Latest changes")
            await session.shows("read-only")


def test_a_chart_of_many_begins_at_a_round_number_below_them() -> None:
    assert chart.nice_floor(877, 1200) == 720
    assert chart.nice_floor(100, 1200) == 0
    assert chart.nice_floor(5, 5) == 0
