"""Keys, specifications and files for tests of the certificate authority."""

from __future__ import annotations

import functools
import os
import subprocess
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from model.ids import Serial
from model.keys import SSHKey, ssh_key
from model.records import CertificateKind, Revocation
from sshca import KeySigner, Specification, generate
from sshca.wire import mpint, string, text

NOW = 1_800_000_000
USER, HOST = CertificateKind.USER, CertificateKind.HOST
SUBJECT_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


_signers: dict[tuple[str, str], KeySigner] = {}


def a_signer(algorithm: str = "ed25519", name: str = "one") -> KeySigner:
    """A CA key; the same for the same name, since RSA takes its time."""
    if (algorithm, name) not in _signers:
        _signers[algorithm, name] = generate(algorithm)
    return _signers[algorithm, name]


def a_key(algorithm: str = "ssh-ed25519", *, rsa_bits: int = 3072) -> SSHKey:
    """A subject's public key, new each time but for RSA."""
    if algorithm == "ssh-rsa":
        return _rsa(rsa_bits)
    if algorithm == "sk-ssh-ed25519@openssh.com":
        return SSHKey(text(algorithm) + string(_ed25519().blob[-32:]) + text("ssh:"))
    if algorithm == "sk-ecdsa-sha2-nistp256@openssh.com":
        plain = a_key("ecdsa-sha2-nistp256").blob
        return SSHKey(text(algorithm) + plain[4 + len("ecdsa-sha2-nistp256") :] + text("ssh:"))
    if algorithm == "ssh-ed25519":
        return _ed25519()
    curve = {"256": ec.SECP256R1, "384": ec.SECP384R1, "521": ec.SECP521R1}[algorithm[-3:]]()
    return ssh_key(_line(ec.generate_private_key(curve).public_key()))


def a_spec(**changes: object) -> Specification:
    """A specification that passes: of a user, unless `kind=HOST`."""
    plain = Specification(
        kind=USER, serial=Serial(1042), key=a_signer(name="subject").key,
        key_id="alice@example.com/laptop/1042", principals=("alice@example.com",), valid_after=NOW - 90,
        valid_before=NOW + 3600, source_addresses=("100.64.0.7", "fd7a:115c:a1e0::7"),
    )  # fmt: skip
    if changes.get("kind") is HOST:
        plain = replace(
            plain, key_id="db-1.net.example.com/7", principals=("db-1.net.example.com", "100.64.0.9"),
            source_addresses=(),
        )  # fmt: skip
    return replace(plain, **changes)


def a_revocation(**changes: object) -> Revocation:
    return replace(Revocation(number=1, at=NOW, by="alice@example.com"), **changes)


def ssh_keygen(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Real ssh-keygen, which tells times in UTC."""
    return subprocess.run(
        ["ssh-keygen", *map(str, arguments)], capture_output=True, text=True, check=check, stdin=subprocess.DEVNULL,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def listing(line: str, folder: Path) -> str:
    """What `ssh-keygen -L` prints of the certificate, below the file's name."""
    file = folder / "read-cert.pub"
    file.write_text(f"{line}\n")
    return ssh_keygen("-L", "-f", file).stdout.partition("\n")[2]


def epoch() -> int:
    return int(time.time())


@functools.cache
def _rsa(bits: int) -> SSHKey:
    public = rsa.generate_private_key(65537, bits).public_key()
    numbers = public.public_numbers()
    if bits >= 3072:
        return ssh_key(_line(public))
    return SSHKey(text("ssh-rsa") + mpint(numbers.e) + mpint(numbers.n))


def _ed25519() -> SSHKey:
    return ssh_key(_line(Ed25519PrivateKey.generate().public_key()))


def _line(public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | Ed25519PublicKey) -> str:
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
