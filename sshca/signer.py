"""What signs: one small interface over a key in memory, in an ssh-agent, or on a token."""

from __future__ import annotations

from typing import Protocol

from model.keys import SSHKey


class Signer(Protocol):
    """A CA's private key, wherever it is."""

    @property
    def key(self) -> SSHKey:
        """The public half, which hosts and clients trust."""
        ...

    @property
    def algorithm(self) -> str:
        """Of the signatures: `rsa-sha2-512` for an RSA key, the key's own name for others."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature as the wire has it: string algorithm, string signature. `Unavailable` where the key is away."""
        ...


def signature_algorithm(key: SSHKey) -> str:
    return "rsa-sha2-512" if key.algorithm == "ssh-rsa" else key.algorithm
