"""The one validator before signing. Every refusal is `Invalid` and says which rule it is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from model.errors import Invalid
from model.ids import quoted
from model.keys import SSHKey
from model.records import CertificateKind
from sshca.specification import Extension, Specification
from sshca.subjects import check_key, is_security_key

MAX_PRINCIPALS: Final = 256
"""OpenSSH's SSHKEY_CERT_MAX_PRINCIPALS."""
FOREVER: Final = 2**64 - 1
MAX_KEY_ID: Final = 512
MAX_COMMAND: Final = 8192
_PERSON: Final = re.compile(r"(fresh:[1-9][0-9]{0,9}:)?[^\s,@\"'#:\\\x00-\x1f\x7f]+@[a-z0-9][a-z0-9.-]*")
_TAG: Final = re.compile(r"tag:[a-zA-Z][a-zA-Z0-9-]{0,62}")
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?)*")
_KNOWN_EXTENSIONS: Final = frozenset(str(extension) for extension in Extension)


def validate(
    spec: Specification,
    *,
    ca_keys: Collection[SSHKey],
    revoked_keys: Collection[SSHKey],
    now: int,
    revoked_fingerprints: Collection[str] = (),
) -> None:
    """Raises `Invalid` unless `spec` may be signed.

    `ca_keys` are those of every generation, whatever its state: none may be a subject. A set makes both
    collections quick to ask.
    """
    if not 1 <= spec.serial < 2**64:
        raise Invalid("the serial is outside 1 to 2^64-1", hint="a KRL cannot revoke serial 0")
    check_key(spec.key)
    if spec.key in ca_keys:
        raise Invalid("the key is a certificate authority's own", hint="give the key of the person or the host")
    if spec.key in revoked_keys or (revoked_fingerprints and spec.key.fingerprint in revoked_fingerprints):
        raise Invalid(f"the key {spec.key.fingerprint} is revoked", hint="make a new one with: ssh-keygen -t ed25519")
    check_key_id(spec.key_id)
    _check_validity(spec.valid_after, spec.valid_before, now)
    _check_principals(spec)
    _check_options(spec)


def check_key_id(key_id: str) -> None:
    """Raises `Invalid` unless a certificate can have this key ID."""
    if not key_id or len(key_id.encode()) > MAX_KEY_ID:
        raise Invalid(f"a key ID has 1 to {MAX_KEY_ID} bytes")
    if not key_id.isprintable():
        raise Invalid(f"the key ID {quoted(key_id)} holds a character that cannot be printed")


def _check_validity(after: int, before: int, now: int) -> None:
    if after <= 0 or before <= 0:
        raise Invalid("the validity begins or ends at or before 1970", hint="give times in seconds since then")
    if before >= FOREVER or after >= FOREVER:
        raise Invalid("a certificate that is valid forever is refused", hint="give it an end")
    if before <= after:
        raise Invalid("the validity ends before it begins")
    if before <= now:
        raise Invalid("the validity is over already")
    if after > now:
        raise Invalid("the validity begins in the future", hint="ask again at that time")


def _check_principals(spec: Specification) -> None:
    if not spec.principals:
        raise Invalid("a certificate without principals is refused: it would serve for anyone")
    if len(spec.principals) > MAX_PRINCIPALS:
        raise Invalid(f"{len(spec.principals)} principals are too many: {MAX_PRINCIPALS} is OpenSSH's limit")
    if len(set(spec.principals)) != len(spec.principals):
        raise Invalid("a principal is named twice")
    check = check_person if spec.kind is CertificateKind.USER else _check_host
    for principal in spec.principals:
        check(principal)


def check_person(principal: str) -> None:
    """Raises `Invalid` unless a user certificate can have this principal."""
    if "#" in principal:
        raise Invalid(
            f'the principal {quoted(principal)} has a "#", and sshd takes what follows it in its list as a comment',
            hint="let an operator make this person a user under another name: wardgate users add NAME",
        )
    if not principal.isprintable() or not (_PERSON.fullmatch(principal) or _TAG.fullmatch(principal)):
        raise Invalid(
            f"the principal {quoted(principal)} is neither a person nor a tag",
            hint="a principal reads like alice@example.com or tag:ci; the policy's ssh rules say which logins it has",
        )


def _check_host(principal: str) -> None:
    if len(principal) <= 253 and _HOST.fullmatch(principal):
        return
    try:
        canonical = str(ipaddress.ip_address(principal))
    except ValueError:
        canonical = ""
    if canonical != principal or "%" in principal:
        raise Invalid(
            f"the principal {quoted(principal)} is neither a host's name nor an address",
            hint="names are whole and in lower case, without patterns",
        )


def _check_options(spec: Specification) -> None:
    if spec.kind is CertificateKind.HOST:
        if spec.critical_options or spec.permits:
            raise Invalid("a host certificate has no options and no extensions: ssh would refuse it")
        return
    if not spec.source_addresses:
        raise Invalid("a user certificate without a source address is refused: it would serve from anywhere")
    for source in spec.source_addresses:
        check_source_address(source)
    if spec.force_command is not None and (
        not spec.force_command.strip() or not spec.force_command.isprintable() or len(spec.force_command) > MAX_COMMAND
    ):
        raise Invalid("the forced command is empty, longer than 8192 characters, or more than one line")
    if spec.verify_required and not is_security_key(spec.key):
        raise Invalid(
            "verify-required needs a FIDO2 key: with any other, sshd would not ask",
            hint="make one with: ssh-keygen -t ed25519-sk",
        )
    if "no-touch-required" in spec.permits:
        raise Invalid("no-touch-required is never granted: a FIDO2 key is touched for each login")
    for unknown in sorted(spec.permits - _KNOWN_EXTENSIONS):
        raise Invalid(f"the extension {quoted(unknown)} is not known", hint=", ".join(sorted(_KNOWN_EXTENSIONS)))


@lru_cache(maxsize=8192)
def check_source_address(source: str) -> None:
    """One bad entry makes sshd refuse the whole list, so each is in canonical form."""
    try:
        network = ipaddress.ip_network(source)
    except ValueError:
        raise Invalid(
            f"the source address {quoted(source)} is neither an address nor a prefix without host bits"
        ) from None
    if "%" in source:
        raise Invalid(f"the source address {quoted(source)} has a zone, which sshd does not take")
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        raise Invalid(
            f"the source address {quoted(source)} is IPv4 dressed as IPv6, which sshd never sees",
            hint=f"write {network.network_address.ipv4_mapped}",
        )
    if source not in {str(network), str(network.network_address)}:
        raise Invalid(f"the source address {quoted(source)} is not in its canonical form", hint=f"write {network}")
    if network.prefixlen == 0:
        raise Invalid(f"the source address {quoted(source)} is everywhere")
