"""A host's proof of its key, where none can be made: the agent goes on without one, and follows the network."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agent.sshd import Sshd

pytestmark = pytest.mark.needs("ssh-keygen")


def a_host(folder: Path, passphrase: str = "") -> Sshd:
    key = folder / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(key)], check=True)
    return Sshd(folder, lambda _: None)


def test_a_host_key_signs(tmp_path: Path) -> None:
    assert "BEGIN SSH SIGNATURE" in (a_host(tmp_path).sign(b"what the gate asked") or "")


def test_a_host_without_ssh_keygen_has_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = a_host(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.sign(b"what the gate asked") is None


def test_nobody_is_asked_for_the_passphrase_of_a_host_key(tmp_path: Path) -> None:
    assert a_host(tmp_path, "secret word").sign(b"what the gate asked") is None
