"""Addresses of removed devices rest: no member lays those of a small network to rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import gate_builders as build
import pytest

from gate.actor import Actor
from gate.gate import Gate
from gate.services import agents, devices, enrollment_keys
from model.enrollment import parse_enrollment_key
from model.errors import Limited
from model.ids import DeviceName
from model.records import Device, Role

SMALL = {"ipv4": "100.64.0.0/24"}


async def by_hand(gate: Gate, actor: Actor) -> Device:
    return await gate.perform(devices.add, actor, name="phone", wireguard=build.a_wireguard_key(), user=actor.user)


async def by_a_key(gate: Gate, actor: Actor) -> Device:
    made = await gate.perform(enrollment_keys.create, actor, user=actor.user)
    return await gate.perform(
        agents.enroll, build.LOCAL, enrollment_key_hash=parse_enrollment_key(made.key).hash, name="phone",
        wireguard=build.a_wireguard_key(), ssh_key=build.an_ssh_key(),
    )  # fmt: skip


async def churn(gate: Gate, actor: Actor, way: Callable[[Gate, Actor], Awaitable[Device]], times: int) -> None:
    for _ in range(times):
        device = await way(gate, actor)
        await gate.perform(devices.remove, actor, names=(DeviceName(device.name),))


@pytest.mark.parametrize("way", [by_hand, by_a_key])
async def test_a_member_who_adds_and_removes_over_and_over_is_stopped(
    tmp_path: Path, way: Callable[[Gate, Actor], Awaitable[Device]]
) -> None:
    async with build.a_gate(tmp_path, **SMALL) as gate:
        bob = await build.a_user(gate, "bob")
        await churn(gate, bob, way, 100)
        with pytest.raises(Limited, match="100 devices of bob"):
            await way(gate, bob)
        carol = await build.a_user(gate, "carol")
        assert (await by_hand(gate, carol)).user == carol.user
        assert (await build.a_device(gate, "bobs", user="bob")).user == bob.user


async def test_an_operator_is_not(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, **SMALL) as gate:
        olga = await build.a_user(gate, "olga", Role.OPERATOR)
        await churn(gate, olga, by_hand, 101)
