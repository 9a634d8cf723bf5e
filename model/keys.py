"""Keys, as values that cannot be mistaken for one another and do not leak when printed."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NewType

import msgspec

from model.errors import Invalid
from model.ids import quoted

WireGuardKey = NewType("WireGuardKey", str)
"""A Curve25519 public key, 32 bytes in standard base64 (44 characters), as `wg` prints it."""


def wireguard_key(text: str) -> WireGuardKey:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32 or raw == bytes(32):
        raise Invalid(
            f"{quoted(text)} is not a WireGuard public key",
            hint="it is 44 characters of base64, as `wg pubkey` prints it",
        )
    return WireGuardKey(base64.b64encode(raw).decode())


class Secret(str):
    """Text that must not reach a log, a trace or a screen: its `repr` is redacted. `str()` gives the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


class SSHKey(msgspec.Struct, frozen=True, order=True):
    """A public key as RFC 4253, section 6.6 has it on the wire. Equality is by blob: comments are for people."""

    blob: bytes
    """The key's wire form; its first string is the algorithm."""

    @property
    def algorithm(self) -> str:
        size = int.from_bytes(self.blob[:4], "big")
        return self.blob[4 : 4 + size].decode("ascii")

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and unpadded base64, as ssh-keygen prints it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def line(self) -> str:
        """`algorithm base64`, without a comment."""
        return f"{self.algorithm} {base64.b64encode(self.blob).decode()}"

    def __str__(self) -> str:
        return self.line


SSH_KEY_ALGORITHMS = frozenset({
    "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
})  # fmt: skip
MIN_RSA_BITS = 3072
_MAX_LINE = 16384


def ssh_key(text: str) -> SSHKey:
    """The key of one line of an OpenSSH public key file.

    Refused by name: certificates, options before the key, several lines, algorithms outside the list above,
    RSA under 3072 bits. That the numbers inside make a usable key is the signer's to check.
    """
    lines = [line for line in text.strip().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1 or len(lines[0]) > _MAX_LINE:
        raise Invalid("this is not one SSH public key", hint="give the one line of a .pub file")
    algorithm, _, rest = lines[0].strip().partition(" ")
    encoded = rest.split(" ", 1)[0] if rest else ""
    if "-cert-v0" in algorithm:
        raise Invalid("this is a certificate, not a public key", hint="give the .pub file that it was made from")
    if "PRIVATE KEY" in lines[0] or algorithm.startswith("-----"):
        raise Invalid("this is a private key", hint="keep it to yourself and give the .pub file")
    if algorithm == "ssh-dss":
        raise Invalid("DSA keys are refused", hint="make one with: ssh-keygen -t ed25519")
    if algorithm not in SSH_KEY_ALGORITHMS:
        raise Invalid(
            f"{quoted(algorithm)} is not a key type that is taken", hint="make one with: ssh-keygen -t ed25519"
        )
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("the key's base64 is damaged", hint="give the one line of a .pub file, unbroken") from None
    return ssh_key_from_blob(blob, algorithm)


def ssh_key_from_blob(blob: bytes, algorithm: str | None = None) -> SSHKey:
    """The key of a wire form; `algorithm`, where given, must be what the blob says."""
    strings = _strings(blob)
    inner = strings[0].decode("ascii", "replace") if strings else ""
    if inner not in SSH_KEY_ALGORITHMS or (algorithm is not None and inner != algorithm):
        raise Invalid("the key's parts do not agree about its type")
    if inner == "ssh-rsa":
        modulus = strings[2] if len(strings) == 3 else b""
        bits = int.from_bytes(modulus, "big").bit_length()
        if bits < MIN_RSA_BITS:
            raise Invalid(f"an RSA key of {bits} bits is refused", hint=f"use {MIN_RSA_BITS} bits or Ed25519")
    if inner == "ssh-ed25519" and (len(strings) != 2 or len(strings[1]) != 32):
        raise Invalid("the Ed25519 key is not 32 bytes long")
    return SSHKey(blob)


def _strings(blob: bytes) -> list[bytes]:
    """The length-prefixed strings that make up `blob`; empty where they do not fill it exactly."""
    out, at = [], 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        if at + 4 + size > len(blob):
            return []
        out.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    return out
