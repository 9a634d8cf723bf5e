"""What a certificate is to say, and the tables of what it can say (OpenSSH's PROTOCOL.certkeys)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from model.ids import Serial
from model.keys import SSHKey
from model.records import CertificateKind


class Extension(StrEnum):
    """What a user certificate permits. `no-touch-required` is not among them, and never will be."""

    X11_FORWARDING = "permit-X11-forwarding"
    AGENT_FORWARDING = "permit-agent-forwarding"
    PORT_FORWARDING = "permit-port-forwarding"
    PTY = "permit-pty"
    USER_RC = "permit-user-rc"


class CriticalOption(StrEnum):
    """What limits a user certificate; a host refuses a certificate with one that it does not know."""

    FORCE_COMMAND = "force-command"
    SOURCE_ADDRESS = "source-address"
    VERIFY_REQUIRED = "verify-required"


DEFAULT_EXTENSIONS = frozenset({Extension.PTY, Extension.PORT_FORWARDING, Extension.USER_RC})
KIND_NUMBERS = {CertificateKind.USER: 1, CertificateKind.HOST: 2}


def certificate_algorithm(algorithm: str) -> str:
    """The certificate type for a key type: `ssh-ed25519-cert-v01@openssh.com` for `ssh-ed25519`."""
    return algorithm.removesuffix("@openssh.com") + "-cert-v01@openssh.com"


class Specification(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds since 1970; the certificate holds from `valid_after` until just before `valid_before`."""

    kind: CertificateKind
    serial: Serial
    key: SSHKey
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    source_addresses: tuple[str, ...] = ()
    """Addresses and prefixes from which alone a user certificate serves; never empty for one."""
    force_command: str | None = None
    verify_required: bool = False
    """Each use takes a PIN or a finger beside the touch; only FIDO2 keys can."""
    extensions: frozenset[str] | None = None
    """None means `DEFAULT_EXTENSIONS` for a user and nothing for a host."""

    @property
    def permits(self) -> frozenset[str]:
        if self.extensions is not None:
            return self.extensions
        return frozenset(DEFAULT_EXTENSIONS) if self.kind is CertificateKind.USER else frozenset()

    @property
    def critical_options(self) -> tuple[tuple[str, str], ...]:
        """In the order that the wire wants: by name. A flag's value is empty."""
        options: list[tuple[str, str]] = []
        if self.force_command is not None:
            options.append((CriticalOption.FORCE_COMMAND, self.force_command))
        if self.source_addresses:
            options.append((CriticalOption.SOURCE_ADDRESS, ",".join(self.source_addresses)))
        if self.verify_required:
            options.append((CriticalOption.VERIFY_REQUIRED, ""))
        return tuple(options)
