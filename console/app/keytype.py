"""The type of a key in a word that fits a column."""

from __future__ import annotations

from model.keys import SSHKey


def key_type(key: SSHKey) -> str:
    """`ed25519`, `sk-ed25519`, `rsa`, `ecdsa-256`."""
    name = key.algorithm.partition("@")[0].replace("sk-ssh-", "sk-").removeprefix("ssh-")
    return name.replace("ecdsa-sha2-nistp", "ecdsa-")
