"""This host's certificate: when to ask for one, and whether what came is ours. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

from model.errors import Invalid
from model.keys import ssh_key
from model.netmap import NetMap


def due(line: str | None, key_line: str, netmap: NetMap, now: int) -> bool:
    """Whether to ask: there is none, two thirds of its life are over, or it says what is true no more."""
    if line is None:
        return True
    try:
        certificate = check(line, key_line, netmap.trust.host_ca, now)
    except Invalid:
        return True
    lasts = certificate.valid_before - certificate.valid_after
    return now >= certificate.valid_after + lasts * 2 // 3 or not _names(netmap) <= set(_principals(certificate))


def ends(line: str) -> int:
    """Until when the certificate of `line` lasts, in seconds since 1970; 0 for what is none."""
    with contextlib.suppress(ValueError):
        certificate = load_ssh_public_identity(line.strip().encode())
        if isinstance(certificate, SSHCertificate):
            return certificate.valid_before
    return 0


def check(line: str, key_line: str, host_cas: Collection[str], now: int) -> SSHCertificate:
    """The certificate of `line`; `Invalid` where it is not for this key, not of one of `host_cas`, or not valid."""
    try:
        certificate = load_ssh_public_identity(line.strip().encode())
    except ValueError:
        certificate = None
    if not isinstance(certificate, SSHCertificate) or certificate.type is not SSHCertificateType.HOST:
        raise Invalid("the gate's answer is not a host certificate")
    try:
        certificate.verify_cert_signature()
    except InvalidSignature:
        raise Invalid("the host certificate's signature does not hold") from None
    if ssh_key(_line(certificate.public_key())) != ssh_key(key_line):
        raise Invalid("the host certificate is for another key")
    if ssh_key(_line(certificate.signature_key())) not in {ssh_key(ca) for ca in host_cas}:
        raise Invalid("the host certificate is of a CA that the network does not name")
    if not certificate.valid_after <= now < certificate.valid_before:
        raise Invalid("the host certificate is not valid now", hint="are both clocks right?")
    return certificate


def _names(netmap: NetMap) -> set[str]:
    device = netmap.device
    return {device.name, f"{device.name}.{netmap.network.domain}", device.ipv4, device.ipv6}


def _principals(certificate: SSHCertificate) -> list[str]:
    return [name.decode("utf-8", "replace") for name in certificate.valid_principals]


def _line(key: object) -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()  # type: ignore[attr-defined, no-any-return]
