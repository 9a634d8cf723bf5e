"""Reading certificates: every field, strictly, as OpenSSH's PROTOCOL.certkeys has them."""

from __future__ import annotations

import base64
import binascii
import struct
from functools import lru_cache
from typing import Final

import msgspec

from model.errors import Invalid
from model.ids import Serial
from model.keys import SSHKey, ssh_key_from_blob
from model.records import CertificateKind
from sshca.specification import certificate_algorithm
from sshca.wire import Reader, strings, take_strings, text

_KINDS: Final = {1: CertificateKind.USER, 2: CertificateKind.HOST}
_SERIAL_AND_KIND: Final = struct.Struct(">QI").unpack_from
_VALIDITY: Final = struct.Struct(">QQ").unpack_from


class _Type(msgspec.Struct, frozen=True):
    name: str
    head: bytes
    """What the plain key's blob begins with."""
    fields: int
    """How many strings a public key has after its type."""


def _type(plain: str, fields: int) -> tuple[bytes, _Type]:
    name = certificate_algorithm(plain)
    return name.encode(), _Type(name, text(plain), fields)


_TYPES: Final = dict((
    _type("ssh-ed25519", 1), _type("ssh-rsa", 2), _type("ecdsa-sha2-nistp256", 2), _type("ecdsa-sha2-nistp384", 2),
    _type("ecdsa-sha2-nistp521", 2), _type("sk-ssh-ed25519@openssh.com", 2),
    _type("sk-ecdsa-sha2-nistp256@openssh.com", 3),
))  # fmt: skip


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
    if len(words) < 2 or words[0].encode() not in _TYPES:
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
    (name,), at = take_strings(blob, 0, 1)
    known = _TYPES.get(name)
    if known is None:
        raise Invalid("this is not a certificate of a type that is known")
    (nonce,), start = take_strings(blob, at, 1)
    _, at = take_strings(blob, start, known.fields)
    key = SSHKey(known.head + blob[start:at])
    serial, kind = _SERIAL_AND_KIND(blob, at) if at + 12 <= len(blob) else (0, 0)
    (key_id, principals), at = take_strings(blob, at + 12, 2)
    valid_after, valid_before = _VALIDITY(blob, at) if at + 16 <= len(blob) else (0, 0)
    # the third is reserved, and ignored as PROTOCOL.certkeys says
    (critical_options, extensions, _, signature_key), signed = take_strings(blob, at + 16, 4)
    (whole_signature,), at = take_strings(blob, signed, 1)
    signature = strings(whole_signature)
    if at != len(blob) or len(signature) != 2 or kind not in _KINDS:
        raise Invalid("the certificate is not whole, has bytes left over, or is neither a user's nor a host's")
    try:
        return ParsedCertificate(
            algorithm=known.name, nonce=nonce, key=key, serial=Serial(serial), kind=_KINDS[kind],
            key_id=key_id.decode(), principals=tuple([principal.decode() for principal in strings(principals)]),
            valid_after=valid_after, valid_before=valid_before,
            critical_options=_options(critical_options), extensions=_flags(extensions),
            signature_key=_signature_key(signature_key), signature_algorithm=signature[0].decode("ascii"),
            signature=signature[1], signed=blob[:signed],
        )  # fmt: skip
    except UnicodeDecodeError:
        raise Invalid("a text in the certificate is not UTF-8") from None


@lru_cache(maxsize=64)
def _signature_key(blob: bytes) -> SSHKey:
    return ssh_key_from_blob(blob)


@lru_cache(maxsize=4096)
def _options(data: bytes) -> tuple[tuple[str, str], ...]:
    """Name and value pairs; a value is a string within the string, or nothing for a flag."""
    reader, found = Reader(data), []
    while reader.more:
        name, value = reader.text(), Reader(reader.string())
        found.append((name, value.text() if value.more else ""))
        value.finish()
    _check_order([name for name, _ in found])
    return tuple(found)


@lru_cache(maxsize=256)
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
