"""Invitations as text: `wgi_SECRET_FINGERPRINT`, single-use, with the host CA's fingerprint in it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets

from model.errors import Invalid
from model.keys import Secret, SSHKey

_CODE = re.compile(r"wgi_([a-z2-7]{32})_([A-Za-z0-9_-]{43})")
PREFIX = "wgi_"


def new(host_ca: SSHKey) -> Secret:
    secret = base64.b32encode(secrets.token_bytes(20)).decode().lower()
    digest = base64.urlsafe_b64encode(hashlib.sha256(host_ca.blob).digest()).decode().rstrip("=")
    return Secret(f"{PREFIX}{secret}_{digest}")


def hash_of(text: str) -> str | None:
    """What is kept of one; None for what is no invitation."""
    code = text.strip()
    if not _CODE.fullmatch(code):
        return None
    return hashlib.sha256(code.encode()).hexdigest()


def host_ca_fingerprint(text: str) -> str:
    """`SHA256:…` of the CA that the gate's host certificate must be of. Raises `Invalid`."""
    match = _CODE.fullmatch(text.strip())
    if match is None:
        raise Invalid("this is not an invitation", hint="copy it whole: it begins with wgi_ and is one word")
    try:
        digest = base64.urlsafe_b64decode(match[2] + "=")
    except (binascii.Error, ValueError):
        raise Invalid("the invitation is damaged", hint="copy it again, whole") from None
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
