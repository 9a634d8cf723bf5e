"""The proof that this device holds the WireGuard key that it enrolls. Pure: the wire is in `agent/join.py`."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from agent.state import public_key
from model.enrollment import MIN_NONCE, proof_mac
from model.errors import Invalid
from model.keys import SSHKey
from model.wire import Challenge, Proof


def prove(challenge: Challenge, key: X25519PrivateKey, ssh_key: SSHKey) -> Proof:
    """Answers `challenge` for `key` and the SSH key that is shown at the door.

    `Invalid` where the gate's key is of low order, whose secret everybody knows (RFC 7748, section 6.1).
    """
    gate_key = _bytes(challenge.gate_key, "gate_key")
    nonce = _bytes(challenge.nonce, "nonce")
    if len(gate_key) != 32 or len(nonce) < MIN_NONCE:
        raise Invalid("the gate's challenge has a key or a nonce of the wrong length")
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(gate_key))
    except ValueError:
        shared = bytes(32)
    mac = proof_mac(shared, nonce, ssh_key, public_key(key))
    return Proof(mac=base64.b64encode(mac).decode())


def _bytes(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"the gate's {what} is not base64") from None
