"""FIDO2 keys (OpenSSH's PROTOCOL.u2f): a touch counts as fresh, and a signature without one lets nobody in."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from doors_harness import a_house

from gate.actor import GATE
from gate.services import users as user_operations
from model.keys import ssh_key_from_blob

ALGORITHM, APPLICATION, PRESENT = b"sk-ssh-ed25519@openssh.com", b"ssh:", 1


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class Authenticator(asyncssh.SSHKeyPair):
    """What a hardware key does, in software; `flags` says whether it was touched."""

    def __init__(self, flags: int) -> None:
        self._private, self._flags = Ed25519PrivateKey.generate(), flags
        public = self._private.public_key().public_bytes_raw()
        blob = string(ALGORITHM) + string(public) + string(APPLICATION)
        super().__init__(ALGORITHM, ALGORITHM, (ALGORITHM,), (ALGORITHM,), blob, None)

    def sign(self, data: bytes) -> bytes:
        state = struct.pack(">BI", self._flags, 7)
        message = hashlib.sha256(APPLICATION).digest() + state + hashlib.sha256(data).digest()
        return string(ALGORITHM) + string(self._private.sign(message)) + state


async def test_a_touched_key_gets_in_and_is_fresh(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = Authenticator(PRESENT)
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=ssh_key_from_blob(key.public_data))
        connection = await house.connect("alice", [key])
        await connection.run("me")
        actor = house.faces.actors[-1]
        assert (actor.fresh_at, actor.fresh_at is not None) == (actor.login_at, True)
        connection.close()


async def test_a_key_that_was_not_touched_lets_nobody_in(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = Authenticator(0)
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=ssh_key_from_blob(key.public_data))
        with pytest.raises(asyncssh.PermissionDenied):
            await house.connect("alice", [key])
