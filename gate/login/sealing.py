"""Secrets that the store keeps sealed: TOTP secrets and refresh tokens. A copy of the database alone opens none."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from model.errors import Unavailable
from model.files import write_whole
from store.layout import LOGIN_KEY

_NONCE = 12


class Seal:
    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def of(cls, state: Path) -> Seal:
        """By the key in the state's folder, made when it is first needed (mode 0600)."""
        path = state / LOGIN_KEY
        if not path.exists():
            write_whole(path, AESGCM.generate_key(256), mode=0o600)
        key = path.read_bytes()
        if len(key) != 32:
            raise Unavailable(f"{path} is damaged", hint="restore it from a backup; without it TOTP is set up anew")
        return cls(key)

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """`purpose` says what it is and whose: sealed for one, it opens for no other."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
        except InvalidTag:
            raise Unavailable(
                f"the {purpose.partition(' ')[0]} cannot be opened", hint=f"{LOGIN_KEY} is not the one it was sealed by"
            ) from None
