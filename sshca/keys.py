"""CA keys at rest: made here, kept in OpenSSH's own file format, encrypted by a passphrase (bcrypt)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from model.errors import Conflict, Invalid, Unavailable
from model.files import write_whole
from model.ids import quoted
from model.keys import SSHKey, ssh_key
from sshca.signer import signature_algorithm
from sshca.wire import mpint, string, text

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CA_ALGORITHMS: Final[dict[str, Callable[[], PrivateKey]]] = {
    "ed25519": Ed25519PrivateKey.generate,
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
}
"""What a CA key can be. RSA is for hosts whose sshd is older than Ed25519 certificates."""
_CA_KEY_TYPES: Final = frozenset({"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"})


class KeySigner:
    """A CA key in this process's memory. Its `repr` shows the public half alone."""

    __slots__ = ("_head", "_private", "algorithm", "key")

    def __init__(self, private: PrivateKey) -> None:
        public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        self.key: SSHKey = check_ca_key(ssh_key(public.decode("ascii")))
        self.algorithm: str = signature_algorithm(self.key)
        self._private = private
        self._head = text(self.algorithm)

    def __repr__(self) -> str:
        return f"KeySigner({self.key.fingerprint})"

    def sign(self, data: bytes) -> bytes:
        return self._head + string(_raw_signature(self._private, data))

    @property
    def private(self) -> PrivateKey:
        """For `save`, and for nothing else."""
        return self._private


def check_ca_key(key: SSHKey) -> SSHKey:
    """`key` if a CA may have it: Ed25519, ECDSA P-256, or RSA of 3072 bits or more."""
    if key.algorithm.startswith("sk-"):
        raise Invalid("a FIDO2 key cannot be a CA: it would ask for a touch for each certificate")
    if key.algorithm not in _CA_KEY_TYPES:
        raise Invalid(f"a CA key of type {quoted(key.algorithm)} is refused", hint=", ".join(CA_ALGORITHMS))
    return key


def generate(algorithm: str = "ed25519") -> KeySigner:
    """A new CA key, in memory alone until `save`."""
    if algorithm not in CA_ALGORITHMS:
        raise Invalid(f"{quoted(algorithm)} is not a kind of CA key", hint=", ".join(CA_ALGORITHMS))
    return KeySigner(CA_ALGORITHMS[algorithm]())


def save(path: Path, signer: KeySigner, passphrase: bytes | None) -> None:
    """Writes the private key whole, mode 0600; None or empty leaves it unencrypted. `Conflict` if the file is there."""
    if path.exists():
        raise Conflict(f"the key file {path.name} exists", hint="a CA key is never written over")
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    data = signer.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption)
    write_whole(path, data, mode=0o600)


def load(path: Path, passphrase: bytes | None) -> KeySigner:
    """The key in `path`. `Unavailable` where it is missing, open to others, damaged, or the passphrase is wrong."""
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise Unavailable(f"the key file {path.name} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise Unavailable(f"the key file {path.name} is open to others", hint=f"chmod 600 {path}")
    encrypted = is_encrypted(data)
    if encrypted and not passphrase:
        raise Unavailable(f"the key file {path.name} is encrypted and no passphrase was given")
    try:
        private = serialization.load_ssh_private_key(data, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "the passphrase is wrong, or the file is damaged" if encrypted else "it is damaged"
        raise Unavailable(f"the key file {path.name} cannot be opened: {what}") from None
    if not isinstance(private, PrivateKey):
        raise Unavailable(f"the key in {path.name} is of a kind that no CA has", hint=", ".join(CA_ALGORITHMS))
    return KeySigner(private)


def is_encrypted(data: bytes) -> bool:
    """Whether an OpenSSH private key file asks for a passphrase (PROTOCOL.key: its cipher is not `none`)."""
    try:
        body = base64.b64decode(b"".join(data.strip().splitlines()[1:-1]))
    except ValueError:
        return False
    return body.startswith(b"openssh-key-v1\0") and not body.startswith(b"openssh-key-v1\0" + text("none"))


def _raw_signature(private: PrivateKey, data: bytes) -> bytes:
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(data)
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(data, padding.PKCS1v15(), hashes.SHA512())
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
    return mpint(r) + mpint(s)
