"""Registering a key that lets a person in, whoever asks for it."""

from __future__ import annotations

from model import change as c
from model.errors import Conflict, Invalid
from model.keys import SSHKey
from model.records import User, UserKey
from store import Transaction, certificates, devices, generations, user_keys


def check(tx: Transaction, key: SSHKey) -> None:
    """Refuses keys that are something else already. A host's public key is no secret: whoever had it let in as theirs
    would keep the host from its next certificate."""
    if any(generation.key == key for generation in generations.all(tx)):
        raise Invalid("this is a CA key of this network, not a person's")
    if devices.by_ssh_key(tx, key) is not None:
        raise Conflict("this key is a device's", hint="a person has keys of their own; make one with ssh-keygen")
    if certificates.host_of_key(tx, key.fingerprint) is not None:
        raise Conflict("this key is a host's", hint="a person has keys of their own; make one with ssh-keygen")


def register(
    tx: Transaction, user: User, key: SSHKey, comment: str, *, expires_at: int | None = None, break_glass: bool = False
) -> UserKey:
    """`check` goes before. Raises `Conflict` where the person has it already."""
    shown = "".join(char for char in comment[:128] if char.isprintable())
    added = user_keys.add(tx, user, key, shown, expires_at, break_glass=break_glass)
    tx.record(c.UserKeyAdded(user=user.name, fingerprint=key.fingerprint))
    return added


def comment_of(line: str) -> str:
    """What stands behind the key in the line of a .pub file."""
    return "".join(line.strip().split(None, 2)[2:])
