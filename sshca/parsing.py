"""Reading certificates: every field, strictly, as OpenSSH's PROTOCOL.certkeys has them."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from model.errors import Invalid
from model.ids import Serial
from model.keys import SSH_KEY_ALGORITHMS, SSHKey
from model.records import CertificateKind
from sshca.wire import Reader, string, strings

_KINDS: Final = {1: CertificateKind.USER, 2: CertificateKind.HOST}
_PLAIN: Final = {
    name.removesuffix("@openssh.com") + "-cert-v01@openssh.com": name for name in SSH_KEY_ALGORITHMS
}  # fmt: skip
_KEY_FIELDS: Final = {
    "ssh-ed25519": 1, "ssh-rsa": 2, "ecdsa-sha2-nistp256": 2, "ecdsa-sha2-nistp384": 2, "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2, "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}  # fmt: skip
"""How many strings a public key has after its type."""


class ParsedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate says. Nothing is promised about who signed it until `verify` has held."""

    algorithm: str
    nonce: bytes
    key: SSHKey
    """The subject, as a plain key."""
    serial: Serial
    kind: CertificateKind
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical_options: tuple[tuple[str, str], ...]
    """Name and value in the certificate's order; a flag's value is empty."""
    extensions: tuple[str, ...]
    signature_key: SSHKey
    signature_algorithm: str
    signature: bytes
    signed: bytes
    """The bytes that the signature is over."""

    @property
    def source_addresses(self) -> tuple[str, ...]:
        return tuple(dict(self.critical_options).get("source-address", "").split(",")) if self._has_source else ()

    @property
    def _has_source(self) -> bool:
        return any(name == "source-address" for name, _ in self.critical_options)


def parse(line: str) -> ParsedCertificate:
    """The certificate of one line of a `-cert.pub` file; a comment after it is ignored."""
    words = line.split()
    if len(words) < 2 or words[0] not in _PLAIN:
        raise Invalid("this is not an SSH certificate", hint="give the one line of a -cert.pub file")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("the certificate's base64 is damaged") from None
    parsed = parse_blob(blob)
    if parsed.algorithm != words[0]:
        raise Invalid("the certificate's parts do not agree about its type")
    return parsed


def parse_blob(blob: bytes) -> ParsedCertificate:
    """The certificate on the wire. `Invalid` for anything that is not exactly one."""
    reader = Reader(blob)
    algorithm = reader.text()
    plain = _PLAIN.get(algorithm)
    if plain is None:
        raise Invalid("this is not a certificate of a type that is known")
    nonce = reader.string()
    start = reader.at
    for _ in range(_KEY_FIELDS[plain]):
        reader.string()
    key = SSHKey(string(plain.encode()) + blob[start : reader.at])
    serial, kind = reader.uint64(), _KINDS.get(reader.uint32())
    if kind is None:
        raise Invalid("the certificate is neither a user's nor a host's")
    key_id, principals = reader.text(), _names(reader.string())
    valid_after, valid_before = reader.uint64(), reader.uint64()
    critical_options = _options(reader.string())
    extensions = _flags(reader.string())
    reader.string()  # reserved, ignored as PROTOCOL.certkeys says
    signature_key, signed = SSHKey(reader.string()), blob[: reader.at]
    signature = Reader(reader.string())
    reader.finish()
    return ParsedCertificate(
        algorithm=algorithm, nonce=nonce, key=key, serial=Serial(serial), kind=kind, key_id=key_id,
        principals=principals, valid_after=valid_after, valid_before=valid_before,
        critical_options=critical_options, extensions=extensions,
        signature_key=signature_key, signature_algorithm=signature.text(), signature=signature.string(), signed=signed,
    )  # fmt: skip


def _names(data: bytes) -> tuple[str, ...]:
    try:
        return tuple([name.decode() for name in strings(data)])
    except UnicodeDecodeError:
        raise Invalid("a principal is not UTF-8") from None


def _options(data: bytes) -> tuple[tuple[str, str], ...]:
    """Name and value pairs; a value is a string within the string, or nothing for a flag."""
    reader, found = Reader(data), []
    while reader.more:
        name, value = reader.text(), Reader(reader.string())
        found.append((name, value.text() if value.more else ""))
        value.finish()
    _check_order([name for name, _ in found])
    return tuple(found)


def _flags(data: bytes) -> tuple[str, ...]:
    reader, found = Reader(data), []
    while reader.more:
        found.append(reader.text())
        if reader.string():
            raise Invalid(f"the extension {found[-1]!r} carries a value, which none that is known does")
    _check_order(found)
    return tuple(found)


def _check_order(names: list[str]) -> None:
    if sorted(set(names)) != names:
        raise Invalid("the certificate's options are not in order, or one comes twice")
