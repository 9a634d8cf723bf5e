"""Agents on real hosts: enrolled, joined by WireGuard, and held to the filter."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from agent_world import RunningAgent, World, world
from played_gate import PlayedGate, allow, played_gate, soon

from model.ids import Prefix

pytestmark = [pytest.mark.root, pytest.mark.needs("ip", "wg", "nft", "ping")]

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def _gate_socket(made: World) -> socket.socket:
    from agent_world import Host

    hub = Host(made.hub, made.gate_address)
    return hub.listener(TCP, 0, made.gate_address)


def _agent(made: World, gate: PlayedGate, label: str, folder: Path, **options: object) -> RunningAgent:
    agent = RunningAgent(made.host(label), folder / label)
    return agent.start(
        host=gate.address, port=gate.port, hostname=label, enrollment_key=str(gate.enrollment_key()), **options
    )


async def _joined(gate: PlayedGate, *names: str) -> None:
    def all_there() -> bool:
        return all(any(s.name == name and s.endpoints and s.channel for s in gate.seats.values()) for name in names)

    await soon(all_there, of=f"{names} at the gate")


async def test_two_devices_reach_exactly_the_allowed_ports(tmp_path: Path) -> None:
    with world() as made:
        async with played_gate(_gate_socket(made), made.gate_address) as gate:
            a, b = _agent(made, gate, "laptop", tmp_path), _agent(made, gate, "db", tmp_path)
            try:
                await _joined(gate, "laptop", "db")
                laptop, db = gate.seat("laptop"), gate.seat("db")
                db.filter = (allow(laptop.ipv4, db.ipv4, 5432, 5440), allow(laptop.ipv6, db.ipv6, 5432, None, 6))
                gate.join("laptop", "db")
                sockets = [b.host.listener(TCP, port) for port in (5432, 5440, 5441, 22)]
                sockets += [b.host.listener(TCP, 5432, str(db.ipv6)) for _ in range(1)]
                await soon(lambda: a.host.connects(db.ipv4, 5432), of="the tunnel")
                assert a.host.connects(db.ipv4, 5440)
                assert a.host.connects(db.ipv6, 5432)
                assert not a.host.connects(db.ipv4, 5441)
                assert not a.host.connects(db.ipv4, 22)
                assert not b.host.connects(laptop.ipv4, 5432)
                assert a.host.pings(db.ipv4)
                assert not b.host.pings(laptop.ipv4, 1)
                for each in sockets:
                    each.close()
            finally:
                a.end()
                b.end()
