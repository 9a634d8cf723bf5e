"""Enrollment keys as text, and the proof that a device holds the WireGuard key that it enrolls."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

from model.errors import Invalid
from model.keys import Secret, SSHKey, WireGuardKey

PROOF_CONTEXT = b"wardgate-enroll-1"
"""Begins each proof, so that a MAC made for another purpose proves nothing here."""
NONCE_BYTES = 32
"""That the gate sends."""
MIN_NONCE = 16
"""That a device takes."""

_KEY = re.compile(r"wge_([A-Za-z0-9]{20,64})_([A-Za-z0-9_-]{43})")


class EnrollmentKeyParts(NamedTuple):
    hash: str
    """SHA-256 in hex of the whole key text, as the gate keeps it."""
    host_ca_fingerprint: str
    """`SHA256:` and unpadded base64: the CA that the gate's host certificate must be of."""


def format_enrollment_key(secret: str, host_ca: SSHKey) -> Secret:
    """`wge_SECRET_FINGERPRINT`; `secret` is 20 to 64 letters and digits of at least 100 random bits."""
    digest = hashlib.sha256(host_ca.blob).digest()
    text = f"wge_{secret}_{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
    parse_enrollment_key(text)
    return Secret(text)


def parse_enrollment_key(text: str) -> EnrollmentKeyParts:
    """The parts of a key as text; `Invalid` never repeats the text, since it may be most of a real key."""
    key = text.strip()
    match = _KEY.fullmatch(key)
    if match is None:
        raise Invalid(
            "this is not an enrollment key",
            hint="a key begins with wge_ and is one word; `enrollment-keys create` prints it",
        )
    try:
        digest = base64.urlsafe_b64decode(match[2] + "=")
    except (binascii.Error, ValueError):
        raise Invalid("the enrollment key is damaged", hint="copy it again, whole") from None
    fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
    return EnrollmentKeyParts(hashlib.sha256(key.encode()).hexdigest(), fingerprint)


def proof_mac(shared_secret: bytes, nonce: bytes, ssh_key: SSHKey, wireguard_key: WireGuardKey) -> bytes:
    """HMAC-SHA256 over who enrolls what, under the X25519 secret of the device's WireGuard key and the gate's key.

    An all-zero secret is refused (RFC 7748, section 6.1): it is what a gate key of low order gives, known to all.
    """
    if len(shared_secret) != 32 or not any(shared_secret):
        raise Invalid("the shared secret is all zero: the other side's key is not a real one")
    message = PROOF_CONTEXT + nonce + hashlib.sha256(ssh_key.blob).digest() + base64.b64decode(wireguard_key)
    return hmac.digest(shared_secret, message, "sha256")
