"""Signing: the certificate packed as OpenSSH's PROTOCOL.certkeys has it, signed, and read before it goes out."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from model.errors import Invalid, Unavailable
from model.keys import SSHKey
from sshca.parsing import ParsedCertificate, parse_blob
from sshca.signer import Signer
from sshca.specification import KIND_NUMBERS, Specification, certificate_algorithm
from sshca.validation import validate
from sshca.wire import string, text

NONCE_SIZE = 32
_NUMBERS: Final = struct.Struct(">QII").pack
_VALIDITY: Final = struct.Struct(">QQ").pack


def sign(
    signer: Signer,
    spec: Specification,
    *,
    ca_keys: Collection[SSHKey],
    revoked_keys: Collection[SSHKey],
    now: int,
    revoked_fingerprints: Collection[str] = (),
) -> str:
    """`validate`, then `issue`: the way that every certificate takes."""
    validate(
        spec,
        ca_keys=(*ca_keys, signer.key) if signer.key not in ca_keys else ca_keys,
        revoked_keys=revoked_keys,
        revoked_fingerprints=revoked_fingerprints,
        now=now,
    )
    return issue(signer, spec)


def issue(signer: Signer, spec: Specification) -> str:
    """The certificate's line, `algorithm base64`, for a `spec` that passed `validate`.

    What was signed is read again and each field compared with `spec`, so that what a person approved, what
    is recorded and what sshd will see are one thing. `Unavailable` where the key is away or signs wrongly.
    """
    blob = pack(signer, spec, os.urandom(NONCE_SIZE))
    _compare(parse_blob(blob), signer, spec)
    algorithm = certificate_algorithm(spec.key.algorithm)
    return f"{algorithm} {base64.b64encode(blob).decode('ascii')}"


def pack(signer: Signer, spec: Specification, nonce: bytes) -> bytes:
    """The signed certificate on the wire."""
    blob = spec.key.blob
    size = int.from_bytes(blob[:4], "big")
    key_id = spec.key_id.encode()
    principals = b"".join([string(name.encode()) for name in spec.principals])
    body = b"".join((
        _type(blob[4 : 4 + size]), len(nonce).to_bytes(4, "big"), nonce, blob[4 + size :],
        _NUMBERS(spec.serial, KIND_NUMBERS[spec.kind], len(key_id)), key_id,
        len(principals).to_bytes(4, "big"), principals, _VALIDITY(spec.valid_after, spec.valid_before),
        _critical_options(spec.critical_options), _extensions(spec.permits), _tail(signer.key.blob),
    ))  # fmt: skip
    return body + string(signer.sign(body))


@lru_cache(maxsize=16)
def _type(plain: bytes) -> bytes:
    return text(certificate_algorithm(plain.decode("ascii")))


@lru_cache(maxsize=16)
def _tail(signature_key: bytes) -> bytes:
    """The reserved field and the CA's key."""
    return string(b"") + string(signature_key)


@lru_cache(maxsize=4096)
def _critical_options(options: tuple[tuple[str, str], ...]) -> bytes:
    return string(b"".join(text(name) + string(text(value) if value else b"") for name, value in options))


@lru_cache(maxsize=64)
def _extensions(extensions: frozenset[str]) -> bytes:
    return string(b"".join(text(name) + string(b"") for name in sorted(extensions)))


def _compare(found: ParsedCertificate, signer: Signer, spec: Specification) -> None:
    agree = (
        found.key == spec.key
        and found.serial == spec.serial
        and found.kind is spec.kind
        and found.key_id == spec.key_id
        and found.principals == spec.principals
        and found.valid_after == spec.valid_after
        and found.valid_before == spec.valid_before
        and found.critical_options == spec.critical_options
        and len(found.extensions) == len(spec.permits)
        and spec.permits.issuperset(found.extensions)
        and found.signature_key == signer.key
    )
    if not agree:
        raise Invalid("the certificate does not read as it was specified", hint="nothing was handed out")
    if found.signature_algorithm != signer.algorithm:
        raise Unavailable(f"the CA key signed with {found.signature_algorithm}, not {signer.algorithm}")
