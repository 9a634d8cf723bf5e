"""AES-GCM for packets (RFC 5647), in fewer steps than asyncssh takes: all of a connection goes through it."""

from __future__ import annotations

from asyncssh.encryption import GCMEncryption, register_encryption_alg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BLOCK = 16
"""Of AES, which is all that is offered."""
TAG = 16
"""Bytes that show a packet to be whole and of the other side."""
_COUNTER = 0xFFFF_FFFF_FFFF_FFFF


class GCM(GCMEncryption):
    """One direction under one key. The nonce counts up with each packet (RFC 5647, section 7.1)."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._key = key
        self._fixed, self._count = iv[:4], int.from_bytes(iv[4:], "big")
        self._sealing: AESGCM | None = None

    @classmethod
    def new(
        cls, cipher_name: str, key: bytes, iv: bytes, mac_alg: bytes = b"", mac_key: bytes = b"", etm: bool = False
    ) -> GCM:
        return cls(key, iv)

    def seal(self, size: bytes, body: bytes) -> bytes:
        """The packet as it is sent: its length in the clear, the rest, and the tag over both.

        OpenSSL's side of the key is kept: 2.5 KiB a connection, and half the work where thousands are told something.
        """
        count, sealing = self._count, self._sealing
        self._count = count + 1 & _COUNTER
        if sealing is None:
            sealing = self._sealing = AESGCM(self._key)
        return size + sealing.encrypt(self._fixed + count.to_bytes(8, "big"), body, size)

    def open(self, size: bytes, sealed: bytes) -> bytes | None:
        """What was sealed with its tag; None where it is not what was sent."""
        count = self._count
        self._count = count + 1 & _COUNTER
        try:
            return AESGCM(self._key).decrypt(self._fixed + count.to_bytes(8, "big"), sealed, size)
        except InvalidTag:
            return None

    # asyncssh's ways to the same.

    def encrypt_packet(self, seq: int, header: bytes, packet: bytes) -> tuple[bytes, bytes]:
        return self.seal(header, packet), b""

    def decrypt_packet(self, seq: int, first: bytes, rest: bytes, header_len: int, mac: bytes) -> bytes | None:
        return self.open(first[:header_len], first[header_len:] + rest + mac)


# asyncssh's tables are the process's: from here on all in it that uses asyncssh seals so, as clients in tests do, which
# is why the bytes are tested against asyncssh's own class, and with OpenSSH. Its list of ciphers has each name twice
# now; the gate's options name theirs.
for _name, _cipher in ((b"aes128-gcm@openssh.com", "aes128-gcm"), (b"aes256-gcm@openssh.com", "aes256-gcm")):
    register_encryption_alg(_name, GCM, _cipher, False)
