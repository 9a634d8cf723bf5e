"""A network in one file, and back."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import gate_builders as build
import pytest

from gate.backups import archived, restore
from gate.gate import Gate
from gate.services import certificates
from model.errors import Conflict, Invalid
from model.records import Certificate, Role
from sshca import read_krl


async def a_backup(folder: Path) -> tuple[Path, Certificate]:
    """Of a network with one device and a certificate for it."""
    async with build.a_gate(folder) as gate:
        await build.a_device(gate, "laptop")
        issued = await gate.perform(
            certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key()
        )
        assert isinstance(issued, Certificate)
        with archived(gate.store, gate.state) as made:
            kept = folder / "backup.tar"
            kept.write_bytes(made.read_bytes())
            assert made.stat().st_mode & 0o077 == 0
        assert not list(gate.state.glob("backup-*"))
    return kept, issued


async def test_a_restored_network_signs_with_its_own_keys_and_never_deals_a_serial_twice(tmp_path: Path) -> None:
    backup, issued = await a_backup(tmp_path)
    restore(backup, tmp_path / "again")
    async with await Gate.open(tmp_path / "again") as gate:
        assert [device.name for device in gate.snapshot.devices.values()] == ["laptop"]
        after = await gate.perform(certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key())
        assert isinstance(after, Certificate)
        assert after.serial > issued.serial + 1000
        assert after.generation == issued.generation
        revoked = read_krl(base64.b64decode(gate.snapshot.krl)).serials
        listed = {serial: any(serial in part for part in revoked) for serial in (issued.serial, issued.serial + 1)}
        assert listed == {issued.serial: True, issued.serial + 1: True}
        assert not any(after.serial in part for part in revoked)


async def test_a_restore_over_a_network_is_refused(tmp_path: Path) -> None:
    backup, _ = await a_backup(tmp_path)
    with pytest.raises(Conflict, match="there is a network"):
        restore(backup, tmp_path / "state")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "ca/../../evil", "other", "ca/.."])
def test_an_archive_that_holds_anything_else_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(Invalid, match="not a backup"):
        restore(tmp_path / "x.tar", tmp_path / "again")
    assert not (tmp_path / "again" / "wardgate.db").exists()
    assert not (tmp_path / "evil").exists()


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("hello")
    with pytest.raises(Invalid, match=r"x\.tar is not a backup: it is no tar archive, or a part of one$"):
        restore(tmp_path / "x.tar", tmp_path / "again")
    with pytest.raises(Invalid, match=r"cannot be read: no such file or directory$"):
        restore(tmp_path / "y.tar", tmp_path / "again")
