"""Time-based codes (RFC 6238) and recovery codes: made and checked, without storing anything."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from hmac import compare_digest

import pyotp
import segno

from model.keys import Secret

STEP = 30
"""Seconds of one code; the ones before and after are taken too, for clocks that differ."""
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10


def new_secret() -> bytes:
    return secrets.token_bytes(20)


def uri(secret: bytes, user: str, network: str) -> Secret:
    """For an authenticator app (the otpauth scheme)."""
    return Secret(pyotp.TOTP(_text(secret)).provisioning_uri(name=user, issuer_name=network))


def shown(secret: bytes) -> Secret:
    """The secret as a person types it."""
    text = _text(secret)
    return Secret(" ".join(text[at : at + 4] for at in range(0, len(text), 4)))


def step_of(secret: bytes, code: str, now: int) -> int | None:
    """The step whose code this is; None for a wrong one. White space in it is passed over."""
    given = "".join(code.split())
    found = None
    for step in (now // STEP - 1, now // STEP, now // STEP + 1):
        right = pyotp.TOTP(_text(secret)).generate_otp(step)
        if compare_digest(given.encode("utf-8", "replace"), right.encode()):
            found = step
    return found


def qr(text: str) -> str:
    """A QR code of half blocks, dark on light whatever the terminal's colours."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()


def new_recovery_codes() -> tuple[Secret, ...]:
    return tuple(
        Secret(_grouped(base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()))
        for _ in range(RECOVERY_CODES)
    )


def recovery_hash(user: str, code: str) -> str:
    """What is kept of one. 80 random bits need no slow hash."""
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.sha256(f"{user} {plain}".encode()).hexdigest()


def looks_like_recovery(code: str) -> bool:
    return sum(char.isalnum() for char in code) == _RECOVERY_BYTES * 8 // 5


def _grouped(text: str) -> str:
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _text(secret: bytes) -> str:
    return base64.b32encode(secret).decode()
