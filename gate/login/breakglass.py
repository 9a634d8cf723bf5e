"""The key for the day when nothing else lets an owner in: made once, sealed by a passphrase, kept offline.

It is a registered key of an owner's, so it asks for no provider, no password and no lock's end; what sets it apart
is that each use of it is told to everyone who looks after the network.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import msgspec

import sshca
from model.errors import Conflict, Unavailable
from model.keys import Secret, SSHKey

SEALED, ADDED, REMOVED, USED = (
    "break-glass key sealed", "break-glass key added", "break-glass key removed", "login by break-glass key",
)  # fmt: skip
"""What the audit trail calls it. The first stands at `init`, and is nothing to be alarmed by."""
_PASSPHRASE_BYTES = 15


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once: nothing here keeps the passphrase."""

    path: Path
    key: SSHKey
    passphrase: Secret


def seal(path: Path) -> Sealed:
    """A new Ed25519 key in OpenSSH's form at `path` (mode 0600), encrypted. Raises `Conflict` if a file is there."""
    if path.exists() or path.is_symlink():
        raise Conflict(f"{path} exists", hint="name another file for the break-glass key: --break-glass FILE")
    passphrase = new_passphrase()
    signer = sshca.generate("ed25519")
    try:
        sshca.save(path, signer, passphrase.encode())
    except OSError as fault:
        raise Unavailable(
            f"the break-glass key cannot be written to {path}: {(fault.strerror or str(fault)).lower()}",
            hint="name a file in a folder that is there: --break-glass FILE",
        ) from None
    return Sealed(path=path, key=signer.key, passphrase=passphrase)


def new_passphrase() -> Secret:
    """120 random bits to be written down: groups of letters and digits that are not taken for one another."""
    text = base64.b32encode(secrets.token_bytes(_PASSPHRASE_BYTES)).decode().lower()
    return Secret("-".join(text[at : at + 4] for at in range(0, len(text), 4)))
