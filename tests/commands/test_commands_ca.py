"""Replacing a stolen CA key: what it breaks is told before, what is left to do after."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_harness import run

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
import gate_builders as build

from gate.services import certificates
from model.records import Role


@pytest.mark.parametrize(
    ("kind", "breaks"),
    [
        ("user", "this ends 1 living user certificate, and nobody logs in on a host until they fetch a new one"),
        ("host", "this ends 0 living host certificates, and all clients and devices that are away refuse"),
    ],
)
async def test_at_a_terminal_it_says_what_breaks_and_waits_for_a_yes(tmp_path: Path, kind: str, breaks: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        await gate.perform(certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key())
        refused = await run(gate, "ca", "rotate", kind, "--emergency", columns=200)
        assert refused.status == 1
        assert breaks in refused.err
        assert "add --yes" in refused.err
        assert len(gate.snapshot.generations) == 2
        assert (await run(gate, "ca", "rotate", kind, "--emergency", "--yes", columns=200)).status == 0
        assert len(gate.snapshot.generations) == 3


async def test_a_replaced_host_ca_is_told_with_its_fingerprint_for_all_who_have_to_take_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, addresses=("gate.example.com",)) as gate:
        done = await run(gate, "ca", "rotate", "host", "--emergency")
        (new,) = (one.key.fingerprint for one in gate.snapshot.generations if one.id == "host-2")
        assert f"wardgate login NAME@gate.example.com --fingerprint {new}" in done.out
        assert "your own next ssh to this gate meets the new CA" in done.out


async def test_an_emergency_tells_how_many_certificates_it_ended(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        await gate.perform(certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key())
        assert "\n1 certificate is revoked\n" in (await run(gate, "ca", "rotate", "user", "--emergency")).out
