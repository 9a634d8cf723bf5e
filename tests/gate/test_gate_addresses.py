"""Where the gate is reached: its own host certificate goes on naming what people and devices know it by."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import gate_builders as build
import pytest

from gate.faces import Faces
from gate.gate import Gate
from gate.services import certificates, health, revocations, settings
from gate.serving import Serving
from model.errors import Conflict, Invalid, Unavailable
from model.ids import Serial
from model.records import Certificate
from sshca import generate, load, parse, save
from store import Query, Reader
from store.layout import host_key


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


@pytest.mark.needs("ssh-keyscan")
async def test_a_gate_whose_certificate_was_revoked_shows_another(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, addresses=("localhost",)) as gate:
        serving = await Serving.start(gate, cast(Faces, None), "127.0.0.1", 0)
        try:
            first = await shown(serving)
            await gate.perform(revocations.revoke, build.LOCAL, serials=(first,))
            async with asyncio.timeout(60):
                while await shown(serving) == first:
                    await asyncio.sleep(0.1)
        finally:
            await serving.stop()


@pytest.mark.needs("ssh-keyscan")
async def test_a_revocation_that_could_not_be_read_at_once_is_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with build.a_gate(tmp_path, addresses=("localhost",)) as gate:
        serving = await Serving.start(gate, cast(Faces, None), "127.0.0.1", 0)
        failed = False

        def fails_once(r: Reader) -> Certificate | None:
            nonlocal failed
            if not failed:
                failed = True
                raise Unavailable("the disk is away")
            return Serving._believed(serving, r)

        try:
            first = await shown(serving)
            monkeypatch.setattr(serving, "_believed", fails_once)
            await gate.perform(revocations.revoke, build.LOCAL, serials=(first,))
            while await shown(serving) == first:
                await asyncio.sleep(0.1)
            assert failed
        finally:
            await serving.stop()


async def test_the_gates_own_host_key_is_not_revoked_by_mistake(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, addresses=("localhost",)) as gate:
        await started_and_stopped(gate)
        key = load(host_key(gate.state), None).key
        with pytest.raises(Invalid, match="the gate's own host key"):
            await gate.perform(revocations.revoke, build.LOCAL, key=key)
        await gate.perform(revocations.revoke, build.LOCAL, serials=(Serial(1),))
        with pytest.raises(Invalid, match="the gate's own host key"):
            await gate.perform(revocations.revoke, build.LOCAL, key=key)
        host_key(gate.state).unlink()
        save(host_key(gate.state), generate("ed25519"), None)
        assert await gate.perform(revocations.revoke, build.LOCAL, key=key)


async def shown(serving: Serving) -> Serial:
    """The serial of the host certificate that the gate has for whoever comes."""
    scan = await asyncio.create_subprocess_exec(
        "ssh-keyscan", "-T", "60", "-c", "-t", "ed25519", "-p", str(serving.server.port), "127.0.0.1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await scan.communicate()
    _, kind, certificate = out.decode().partition("ssh-ed25519-cert-v01@openssh.com")
    assert kind, f"ssh-keyscan found none: {said.decode()}"
    return parse(kind + certificate).serial


async def test_a_stolen_key_is_revoked_though_the_gates_own_cannot_be_read(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        host_key(gate.state).chmod(0o644)
        (made,) = await gate.perform(revocations.revoke, build.LOCAL, key=(stolen := build.an_ssh_key()))
        assert made.key == stolen
