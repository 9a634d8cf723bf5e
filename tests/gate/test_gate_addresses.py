"""Where the gate is reached: its own host certificate goes on naming what people and devices know it by."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import gate_builders as build
import pytest

from gate.faces import Faces
from gate.gate import Gate
from gate.services import certificates, health, settings
from gate.serving import Serving
from model.errors import Conflict
from store import Query


async def say(gate: Gate, *addresses: str, anyway: bool = False) -> None:
    await gate.perform(
        settings.set_setting, build.LOCAL, key="gate.addresses", value=list(addresses), anyway=anyway
    )  # fmt: skip


async def started_and_stopped(gate: Gate) -> int:
    """How many certificates there are after the gate served for a moment."""
    await (await Serving.start(gate, cast(Faces, None), "127.0.0.1", 0)).stop()
    return (await gate.perform(certificates.list_certificates, build.LOCAL, query=Query())).total


async def test_an_address_in_use_is_not_taken_from_the_gate_by_mistake(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, addresses=("gate.example.com:2299", "192.0.2.1")) as gate:
        with pytest.raises(Conflict, match=r"would name gate\.example\.com, 192\.0\.2\.1 no more") as refused:
            await say(gate, "foo")
        assert "foo,gate.example.com:2299,192.0.2.1" in str(refused.value.hint)
        with pytest.raises(Conflict, match=r"would name 192\.0\.2\.1 no more"):
            await gate.perform(
                settings.apply_settings, build.LOCAL, values={"gate.addresses": ["gate.example.com"]}
            )  # fmt: skip
        await say(gate, "foo", "gate.example.com", "192.0.2.1")
        await say(gate, "foo", anyway=True)
        assert gate.snapshot.settings["gate.addresses"] == ["foo"]


async def test_the_doctor_names_an_address_that_was_taken_away(tmp_path: Path) -> None:
    async def addresses(gate: Gate) -> health.Finding:
        findings = await gate.perform(health.doctor, build.LOCAL)
        return next(one for one in findings if one.subject == "addresses")

    async with build.a_gate(tmp_path, addresses=("gate.example.com",)) as gate:
        await started_and_stopped(gate)
        assert (await addresses(gate)).ok
        await say(gate, "foo", anyway=True)
        found = await addresses(gate)
        assert (found.ok, found.text) == (False, "whoever reaches the gate as gate.example.com refuses it")
        await say(gate, anyway=True)
        assert not (await addresses(gate)).ok


async def test_a_gate_that_starts_again_shows_the_certificate_that_it_has(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, addresses=("localhost",)) as gate:
        assert await started_and_stopped(gate) == 1
        assert await started_and_stopped(gate) == 1
        await say(gate, "localhost", "gate.example.com")
        assert await started_and_stopped(gate) == 2
