"""What is signed and trusted no more, and what is never signed: kept ready for all that ask."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

import sshca
from model.keys import SSHKey
from model.records import Generation, Revocation


class Refused(msgspec.Struct, frozen=True):
    """Keys that no certificate is for."""

    ca_keys: frozenset[SSHKey] = frozenset()
    """Of every generation, whatever its state."""
    keys: frozenset[SSHKey] = frozenset()
    fingerprints: frozenset[str] = frozenset()

    def after(self, generations: Sequence[Generation], revoked: Sequence[Revocation]) -> Refused:
        """With all generations as they are now, and what was revoked since."""
        keys = frozenset(one.key for one in revoked if one.key is not None)
        fingerprints = frozenset(one.fingerprint for one in revoked if one.fingerprint is not None)
        return Refused(
            frozenset(one.key for one in generations),
            self.keys | keys if keys else self.keys,
            self.fingerprints | fingerprints if fingerprints else self.fingerprints,
        )


def encode_krl(generations: Sequence[Generation], revocations: Sequence[Revocation]) -> str:
    """The KRL in base64. Its version is the last revocation's number, so it rises.

    It says all that still matters of `revocations`, and the same ones always give the same list.
    """
    last = revocations[-1] if revocations else None
    data = sshca.krl(
        version=last.number if last else 0,
        generated_at=last.at if last else 0,
        comment="wardgate",
        revocations=sshca.still_needed(revocations),
        ca_keys={generation.id: generation.key for generation in generations},
    )
    return base64.b64encode(data).decode()
