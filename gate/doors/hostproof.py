"""The gate's side of the proof that a device holds the host key that it wants a certificate for."""

from __future__ import annotations

import base64
import hmac
import os

import asyncssh

from model.enrollment import NONCE_BYTES
from model.errors import Denied, Invalid
from model.hostproof import NAMESPACE, proof_text
from model.keys import SSHKey
from model.wire import HostChallenge

LONGEST = 8192
"""Characters of a signature: one by an RSA key of 16,384 bits has less."""


class HostAsked:
    """One challenge to one device on one connection, about one host key; it is answered once."""

    def __init__(self, host_key: SSHKey, device_key: SSHKey) -> None:
        nonce = base64.b64encode(os.urandom(NONCE_BYTES)).decode()
        self.challenge = HostChallenge(nonce=nonce)
        self._host_key = host_key
        self._signed: bytes | None = proof_text(nonce, device_key)

    def check(self, host_key: SSHKey, proof: str) -> None:
        """Raises `Denied` where the signature is not by the key that was asked about, or was asked for before."""
        signed, self._signed = self._signed, None
        if signed is None or not hmac.compare_digest(host_key.blob, self._host_key.blob) or not _signs(
            host_key, proof, signed
        ):  # fmt: skip
            raise Denied("the proof does not fit the host key", hint="what is signed is described in docs/protocol.md")


def _signs(key: SSHKey, proof: str, data: bytes) -> bool:
    if len(proof) > LONGEST:
        raise Invalid(f"a proof has at most {LONGEST} characters")
    signers = f'host namespaces="{NAMESPACE}" {key.line}'.encode()
    try:
        return asyncssh.validate_sshsig(data, proof.strip().encode(), "host", signers)
    except (ValueError, OverflowError, asyncssh.Error):  # OverflowError: an RSA key with a negative number in it
        return False
