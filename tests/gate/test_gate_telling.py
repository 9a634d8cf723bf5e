"""The lines that devices are told, against the maps as values: they say the same."""

from __future__ import annotations

import json
import random
from pathlib import Path

import gate_builders as build
import msgspec
import pytest

from gate import netmaps
from gate.gate import Gate
from gate.services import agents, authority, certificates, devices, names, users
from gate.telling import Teller
from model.ids import DeviceID, Version
from model.netmap import Delta, NetMap, apply_delta, digest
from model.records import CertificateKind, DeviceState, NameType
from model.wire import peers_gate_line

POLICY = json.dumps({
    "groups": {"group:ops": ["bob@net.example.com"]},
    "tagOwners": {"tag:db": [], "tag:web": []},
    "acls": [
        {"action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"]},
        {"action": "accept", "src": ["tag:web"], "dst": ["tag:db:5432", "10.7.0.0/16:*"]},
        {"action": "accept", "src": ["group:ops"], "dst": ["tag:db:22"]},
    ],
    "ssh": [{"action": "accept", "src": ["group:ops"], "dst": ["tag:db"], "users": ["root", "autogroup:nonroot"]}],
})  # fmt: skip


async def a_network(gate: Gate) -> None:
    await build.a_user(gate, "bob")
    await build.a_policy(gate, POLICY)
    for number in range(3):
        await build.a_device(gate, f"laptop-{number}", user="bob")
        await build.a_device(gate, f"db-{number}", tags=["tag:db"])
        await build.a_device(gate, f"web-{number}", tags=["tag:web"])
    await gate.perform(names.set_name, build.LOCAL, name="wiki", type=NameType.A, value="192.0.2.80")


def value(line: bytes | None) -> NetMap | Delta:
    assert line is not None
    message = peers_gate_line.decode(line)
    assert isinstance(message, NetMap | Delta)
    return message


async def test_a_whole_line_is_the_map_with_its_digest(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        teller = Teller(gate.presence.observed)
        for id in gate.snapshot.devices:
            told, truth = value(teller.whole(gate.snapshot, id)), netmaps.netmap(gate.snapshot, id)
            assert told == msgspec.structs.replace(truth, digest=digest(truth))


async def test_an_operators_name_that_is_a_devices_is_told_as_the_value_says(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        await gate.perform(names.set_name, build.LOCAL, name="db-1", type=NameType.TXT, value="hello")
        teller = Teller(gate.presence.observed)
        for id in gate.snapshot.devices:
            told, truth = value(teller.whole(gate.snapshot, id)), netmaps.netmap(gate.snapshot, id)
            assert told == msgspec.structs.replace(truth, digest=digest(truth))


async def rename(gate: Gate, dice: random.Random) -> None:
    await gate.perform(devices.rename, build.LOCAL, name="laptop-1", new=f"n-{dice.randrange(10**6)}")


async def move(gate: Gate, dice: random.Random) -> None:
    id = dice.choice(list(gate.snapshot.devices))
    await gate.perform(
        agents.report_endpoints, build.LOCAL, device=id, endpoints=[f"192.0.2.1:{dice.randrange(1, 65535)}"]
    )  # fmt: skip


CHANGES = {
    "rename": rename,
    "endpoint": move,
    "tag": lambda gate, dice: gate.perform(
        devices.retag, build.LOCAL, names=[f"db-{dice.randrange(3)}"], tags=["tag:web"]
    ),
    "name": lambda gate, dice: gate.perform(
        names.set_name, build.LOCAL, name="wiki", type=NameType.A, value=f"192.0.2.{dice.randrange(255)}"
    ),
    "user-away": lambda gate, dice: gate.perform(users.disable, build.LOCAL, names=("bob",)),
    "policy": lambda gate, dice: build.a_policy(gate, POLICY.replace("5432", str(dice.randrange(1, 65535)))),
    "remove": lambda gate, dice: gate.perform(devices.remove, build.LOCAL, names=[f"web-{dice.randrange(3)}"]),
    "add": lambda gate, dice: build.a_device(gate, f"new-{dice.randrange(10**6)}", tags=["tag:db"]),
    "rotate": lambda gate, dice: gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.HOST),
}


@pytest.mark.parametrize("kind", CHANGES)
async def test_what_differs_turns_the_old_map_into_the_new(tmp_path: Path, kind: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        before = gate.snapshot
        await CHANGES[kind](gate, random.Random(kind))
        now, teller = gate.snapshot, Teller(gate.presence.observed)
        touched = 0
        for id in now.devices.keys() & before.devices.keys():
            old, truth = netmaps.netmap(before, id), netmaps.netmap(now, id)
            line = teller.difference(before, now, id, before.version)
            if line is None:
                assert msgspec.structs.replace(old, version=now.version) == truth
                continue
            told = value(line)
            assert told.digest == digest(truth)
            assert (apply_delta(old, told) if isinstance(told, Delta) else told) == msgspec.structs.replace(
                truth, digest="" if isinstance(told, Delta) else told.digest
            )
            touched += 1
        assert touched or kind == "user-away"


async def test_a_snapshots_news_name_everyone_whose_map_differs_and_for_an_endpoint_no_one_else(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        for kind, change in CHANGES.items():
            before = gate.snapshot
            await change(gate, random.Random(kind))
            now = gate.snapshot
            differ = {
                id for id in now.devices.keys() & before.devices.keys()
                if msgspec.structs.replace(netmaps.netmap(before, id), version=now.version) != netmaps.netmap(now, id)
            }  # fmt: skip
            news = now.news
            seen = {DeviceID(one) for bits in news.seen.values() for one in now.compiled.ids(bits)}
            named = set(now.devices) if news.everyone or news.parts else seen | news.own | news.views
            assert differ <= named
            if kind == "endpoint":
                assert differ == named


async def test_a_certificate_is_news_to_no_device(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        device = await build.a_device(gate, "laptop")
        before = gate.snapshot.version
        await gate.perform(certificates.sign, build.LOCAL, device=device.name, key=build.an_ssh_key(), host=True)
        assert gate.snapshot.version > before
        assert not gate.snapshot.news


async def test_an_attribute_that_no_rule_asks_for_is_news_to_no_device(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        id = gate.snapshot.by_name["db-1"]  # type: ignore[index]
        await gate.perform(agents.report, build.LOCAL, device=id, os="Debian", attributes={"node:os": "linux"})
        assert gate.snapshot.devices[id].os == "Debian"
        assert not gate.snapshot.news


async def test_the_line_of_a_peer_is_made_once_and_shared(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        now, teller = gate.snapshot, Teller(gate.presence.observed)
        allowed = now.compiled.peers(now.by_name["web-1"])  # type: ignore[index]
        first, second = (teller.pieces.peers(teller.pieces.shown(now, allowed), allowed.values()) for _ in range(2))
        assert all(one is other for one, other in zip(first, second, strict=True))


async def test_a_device_that_is_not_approved_is_told_of_itself(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_network(gate)
        before = gate.snapshot
        id = before.by_name["db-1"]  # type: ignore[index]
        await gate.perform(devices.disable, build.LOCAL, names=["db-1"])
        now, teller = gate.snapshot, Teller(gate.presence.observed)
        told = value(teller.difference(before, now, id, Version(before.version)))
        held = told if isinstance(told, NetMap) else apply_delta(netmaps.netmap(before, id), told)
        assert held.device.state is DeviceState.DISABLED
        assert (held.peers, held.filter, held.ssh) == ((), (), {})
