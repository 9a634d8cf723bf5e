"""A device's facts: its peers and what they talk over, its rules, and how far it has been told."""

from pathlib import Path

from channels import a_console, until
from gates import LOCAL, a_console_at, a_gate, a_wireguard_key
from seeded import Seeded

from gate.gate import Gate
from gate.services import devices
from model.ids import Endpoint
from model.records import Device

RIGHT, TAB, ENTER, ESC = "\x1b[C", "\t", "\r", "\x1b"


async def a_device(gate: Gate, name: str) -> Device:
    return await gate.perform(
        devices.add, LOCAL, name=name, wireguard=a_wireguard_key(), user="alice", tags=()
    )  # fmt: skip


async def test_the_pane_walks_through_peers_and_rules() -> None:
    async with a_console(Seeded(size=60), "devices", "web-fra-5") as session:
        await session.shows("Handshake    41 s ago with db-fra-1")
        await session.shows("198.51.100.7:4021 seen by 1")
        await session.type(TAB, RIGHT)
        await session.shows("db-fra-1 203.0.113.6:41641")
        await session.shows("acls[1]")
        await session.type(RIGHT)
        await session.shows("12 devices on 5432")
        await session.shows("acls[1], line 16")


async def test_a_device_that_is_not_told_yet_is_behind() -> None:
    backend = Seeded(size=60)
    backend.late = {backend._named("web-fra-5").id}
    async with a_console(backend, "devices", "web-fra-5") as session:
        await session.shows("behind: not told yet")
        row = next(line for line in session.frame().splitlines() if "▌" in line)
        assert "◐ web-fra-5" in row
        assert "behind" in row.split("100.64")[1]


async def test_at_a_real_gate_the_peers_show_where_they_talk_and_by_which_rule(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        desk, laptop = await a_device(gate, "desk"), await a_device(gate, "laptop")
        presence = gate.presence
        presence.arrived(desk.id)
        presence.observe(desk.id, {laptop.id: Endpoint("203.0.113.9:4021")}, {laptop.id: 40})
        async with a_console_at(gate, LOCAL, "devices", "laptop") as session:
            await session.shows("203.0.113.9:4021 seen by 1")
            await session.shows("s ago with desk")
            await session.shows("Reached by     1 device on all ports")
            await session.type(TAB, RIGHT)
            await session.shows("● desk direct")
            await session.shows("acls[0]")
            assert "← all ports" in session.frame()


async def test_a_removed_device_takes_its_sights_along(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        desk, laptop = await a_device(gate, "desk"), await a_device(gate, "laptop")
        gate.presence.observe(desk.id, {laptop.id: Endpoint("203.0.113.9:4021")}, {laptop.id: 40})
        await gate.perform(devices.remove, LOCAL, names=["desk"])
        async with a_console_at(gate, LOCAL, "devices", "laptop") as session:
            await session.shows("WireGuard")
            assert "desk" not in session.frame()


async def test_where_nothing_matches_the_pane_is_about_nothing() -> None:
    async with a_console(Seeded(size=60), "devices", "web-fra-5") as session:
        await session.shows("web-fra-5.example.com")
        await session.type("/nothing-is-called-so")
        await session.shows("No device matches")
        await until(lambda: "web-fra-5" not in session.frame())
        await session.type(ESC)
        await session.shows("Owner or tags")
