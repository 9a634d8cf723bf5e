"""The gate's side of the proof that a device holds its WireGuard key (`model.enrollment`)."""

from __future__ import annotations

import base64
import binascii
import hmac
import os

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from model.enrollment import NONCE_BYTES, proof_mac
from model.errors import Denied, Invalid
from model.keys import SSHKey, WireGuardKey
from model.wire import Challenge, Proof


class Asked:
    """One challenge to one device on one connection; it is answered once."""

    def __init__(self, wireguard: WireGuardKey, ssh_key: SSHKey) -> None:
        """Raises `Invalid` for a WireGuard key of low order, with which no secret is shared (RFC 7748, section 6.1)."""
        private = X25519PrivateKey.generate()
        self._nonce = os.urandom(NONCE_BYTES)
        self._public = private.public_key().public_bytes_raw()
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(base64.b64decode(wireguard)))
            self._expected: bytes | None = proof_mac(shared, self._nonce, ssh_key, wireguard)
        except (ValueError, Invalid):
            raise Invalid(
                "this WireGuard key shares its secret with everyone", hint="make a real one with: wg genkey"
            ) from None

    @property
    def challenge(self) -> Challenge:
        return Challenge(gate_key=base64.b64encode(self._public).decode(), nonce=base64.b64encode(self._nonce).decode())

    def check(self, proof: Proof) -> None:
        """Raises `Denied` where the MAC is not right, or was asked for before."""
        expected, self._expected = self._expected, None
        try:
            given = base64.b64decode(proof.mac, validate=True)
        except (binascii.Error, ValueError):
            given = b""
        if expected is None or not hmac.compare_digest(given, expected):
            raise Denied("the proof does not fit the WireGuard key", hint="the MAC is described in docs/protocol.md")
