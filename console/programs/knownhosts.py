"""What a person's ssh trusts already: a gate that it knows need not be asked about once more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import asyncssh
import msgspec

SSH = 22
SYSTEM = Path("/etc/ssh/ssh_known_hosts")


class Known(msgspec.Struct, frozen=True):
    """Fingerprints."""

    trusted: frozenset[str] = frozenset()
    """Of host keys and host CAs (`@cert-authority`) of this gate."""
    revoked: frozenset[str] = frozenset()
    """Marked `@revoked`."""


def known(host: str, port: int, files: Sequence[Path] | None = None) -> Known:
    """What the known_hosts files say of `host`; one that cannot be read says nothing."""
    trusted: set[str] = set()
    revoked: set[str] = set()
    for path in files if files is not None else (Path.home() / ".ssh" / "known_hosts", SYSTEM):
        try:
            listed = asyncssh.import_known_hosts(path.read_text(errors="replace"))
            host_keys, ca_keys, revoked_keys = listed.match(host, "", port)[:3]
            others = listed.match(host, "", None)[0] if port != SSH else ()
        except (OSError, ValueError):
            continue
        # asyncssh takes what another server of that host shows (at the usual port) for this one's; ssh does not
        own = {key.get_fingerprint() for key in host_keys} - {key.get_fingerprint() for key in others}
        trusted |= own | {key.get_fingerprint() for key in ca_keys}
        revoked |= {key.get_fingerprint() for key in revoked_keys}
    return Known(frozenset(trusted - revoked), frozenset(revoked))
