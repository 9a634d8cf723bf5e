"""What a certificate says, read from the certificate itself."""

from __future__ import annotations

import sshca


def described(line: str) -> str:
    """The fields as `ssh-keygen -L` lays them out."""
    return sshca.describe(sshca.parse(line))
