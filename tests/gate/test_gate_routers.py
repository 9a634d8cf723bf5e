"""Several routers of one prefix: one is primary, and another takes over while it is away."""

from __future__ import annotations

from pathlib import Path

import gate_builders as build

from gate import netmaps, snapshot
from gate.gate import Gate
from gate.services import agents, devices, routers
from model.ids import DeviceID

PREFIX = "10.20.0.0/16"
POLICY = '{"tagOwners": {"tag:router": []}, "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}'


async def two_routers(gate: Gate) -> tuple[DeviceID, DeviceID, DeviceID]:
    """Both of them online, and a laptop that goes through one."""
    await build.a_policy(gate, POLICY)
    found = []
    for name in ("gw-1", "gw-2"):
        device = await build.a_device(gate, name, tags=["tag:router"])
        await gate.perform(agents.report_routes, build.LOCAL, device=device.id, routes=[PREFIX])
        await gate.perform(devices.routes, build.LOCAL, name=name, approve=[PREFIX])
        gate.presence.arrived(device.id)
        found.append(device.id)
    laptop = await build.a_device(gate, "laptop")
    return found[0], found[1], laptop.id


def way(gate: Gate, laptop: DeviceID) -> list[str]:
    return [peer.name for peer in netmaps.netmap(gate.snapshot, laptop).peers if PREFIX in peer.allowed_ips]


async def test_a_standby_takes_over_and_keeps_the_prefix_when_the_first_comes_back(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        first, second, laptop = await two_routers(gate)
        assert way(gate, laptop) == ["gw-1"]
        gate.presence.left(first)
        gate.presence._seen[first] -= routers.AWAY + 1
        assert routers.anything_due(gate.snapshot, gate.presence, gate.store.now())
        await gate.perform(routers.settle, build.LOCAL)
        assert way(gate, laptop) == ["gw-2"]
        gate.presence.arrived(first)
        assert not routers.anything_due(gate.snapshot, gate.presence, gate.store.now())
        gate.presence.left(second)
        gate.presence._seen[second] -= routers.AWAY + 1
        await gate.perform(routers.settle, build.LOCAL)
        assert way(gate, laptop) == ["gw-1"]


async def test_a_router_that_only_reconnects_moves_nothing(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        first, _, _ = await two_routers(gate)
        gate.presence.left(first)
        assert not routers.anything_due(gate.snapshot, gate.presence, gate.store.now())


async def test_the_only_router_of_a_prefix_is_never_on_standby(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        first, second, _ = await two_routers(gate)
        for id in (first, second):
            gate.presence.left(id)
            gate.presence._seen[id] -= routers.AWAY + 1
        assert routers.standby(gate.snapshot, gate.presence, gate.store.now()) == frozenset()


async def test_who_stands_by_survives_a_restart(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        first, _, laptop = await two_routers(gate)
        gate.presence.left(first)
        gate.presence._seen[first] -= routers.AWAY + 1
        await gate.perform(routers.settle, build.LOCAL)
        fresh = gate.store.read(snapshot.load)
        assert fresh.standby == {first}
        assert netmaps.netmap(fresh, laptop) == netmaps.netmap(gate.snapshot, laptop)
