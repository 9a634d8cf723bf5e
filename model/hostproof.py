"""What a host signs with its host key, to show at the agents' door that the key is its own.

The signature is OpenSSH's (PROTOCOL.sshsig), as `ssh-keygen -Y sign -n wardgate-host-key` makes it.
"""

from __future__ import annotations

from typing import Final

from model.keys import SSHKey

NAMESPACE: Final = "wardgate-host-key"
"""So that a signature made for another purpose proves nothing here."""
_CONTEXT: Final = "wardgate-host-key-1"


def proof_text(nonce: str, device_key: SSHKey) -> bytes:
    """What is signed: the nonce as the gate sent it, and by its fingerprint the key by which the device connected.

    With the latter, nobody passes the nonce of a connection of theirs on to a host, to be signed for them.
    """
    return f"{_CONTEXT} {nonce} {device_key.fingerprint}".encode()
