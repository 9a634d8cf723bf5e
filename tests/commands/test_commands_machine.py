"""What the programs for a device answer in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.programs import machine

LINES = (
    "PING 100.64.0.2 (100.64.0.2) from 100.64.0.1 wg-ward0: 56(84) bytes of data.",
    "64 bytes from 100.64.0.2: icmp_seq=1 ttl=64 time=0.42 ms",
    "64 bytes from 100.64.0.2: icmp_seq=3 ttl=64 time=1.50 ms",
    "3 packets transmitted, 2 received, 33% packet loss, time 602ms",
    "rtt min/avg/max/mdev = 0.420/0.960/1.500/0.540 ms",
    "tunnel to web-1 by 192.0.2.7:51820, last handshake 3 s ago",
)


def test_ping_answers_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    async def ping(name: str, report: Any, state: Path, *, count: int) -> int:
        for line in LINES:
            report(line)
        return 0

    unused: Any = None
    assert machine.run(["ping", "web-1", "--json"], machine.Agent(unused, unused, unused, unused, ping)) == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "web-1", "answered": True, "sent": 3, "received": 2, "round_trips_ms": [0.42, 1.5],
        "tunnel": "tunnel to web-1 by 192.0.2.7:51820, last handshake 3 s ago",
    }  # fmt: skip
