"""A certificate in the words of `ssh-keygen -L`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from sshca.parsing import ParsedCertificate
from sshca.specification import CriticalOption, Extension

_FOREVER: Final = 2**64 - 1
_SHORT: Final = {
    "ssh-ed25519": "ED25519", "ssh-rsa": "RSA", "ecdsa-sha2-nistp256": "ECDSA", "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA", "sk-ssh-ed25519@openssh.com": "ED25519-SK",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK",
}  # fmt: skip


def describe(certificate: ParsedCertificate, zone: tzinfo = UTC) -> str:
    """What `ssh-keygen -L` prints below the file's name, with times in `zone` (ssh-keygen: that of the machine).

    Characters that a terminal would act on are escaped; ssh-keygen lets them through.
    """
    known_options = {str(option) for option in CriticalOption}
    known_extensions = {str(extension) for extension in Extension}
    options = [
        f"{name} {value}".rstrip() if name in known_options else f"{name} UNKNOWN OPTION: {value}"
        for name, value in certificate.critical_options
    ]
    extensions = [
        name if name in known_extensions else f"{name} UNKNOWN FLAG OPTION" for name in certificate.extensions
    ]
    key, ca = certificate.key, certificate.signature_key
    signed_by = f"{_SHORT.get(ca.algorithm, ca.algorithm)} {ca.fingerprint}"
    lines = [
        f"Type: {certificate.algorithm} {certificate.kind} certificate",
        f"Public key: {_SHORT[key.algorithm]}-CERT {key.fingerprint}",
        f"Signing CA: {signed_by} (using {certificate.signature_algorithm})",
        f'Key ID: "{_shown(certificate.key_id)}"',
        f"Serial: {certificate.serial}",
        f"Valid: {_validity(certificate.valid_after, certificate.valid_before, zone)}",
        *_listed("Principals", certificate.principals),
        *_listed("Critical Options", options),
        *_listed("Extensions", extensions),
    ]
    return "".join(f"        {line}\n" for line in lines)


def _listed(title: str, entries: Iterable[str]) -> list[str]:
    shown = [f"        {_shown(entry)}" for entry in entries]
    return [f"{title}: ", *shown] if shown else [f"{title}: (none)"]


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _validity(after: int, before: int, zone: tzinfo) -> str:
    if after == 0 and before == _FOREVER:
        return "forever"
    if after == 0:
        return f"before {_moment(before, zone)}"
    if before == _FOREVER:
        return f"after {_moment(after, zone)}"
    return f"from {_moment(after, zone)} to {_moment(before, zone)}"


def _moment(seconds: int, zone: tzinfo) -> str:
    try:
        return datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{seconds} s after 1970"
