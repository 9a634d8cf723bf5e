"""The device's WireGuard key, and how it becomes another: the gate first, then this machine.

    current ──offer──▶ current, next ──the gate's map names next──▶ next is current

The next key is on disk before it is offered, so that neither side is left with a key that the other does not know.
"""

from __future__ import annotations

import asyncssh
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from agent.enroll import prove
from agent.state import AgentState, public_key, ssh_public
from model.keys import WireGuardKey
from model.wire import Challenge, Proof, RotateKey


class Rotation:
    def __init__(self, state: AgentState, *, wanted: bool) -> None:
        self._state = state
        self._wanted = wanted
        self._offered: X25519PrivateKey | None = None

    def settle(self, named: WireGuardKey) -> None:
        """The gate's map says that this device's key is `named`: the next key is the current one where it is that."""
        following = self._state.next_wireguard_key()
        if following is not None and public_key(following) == named:
            self._state.promote_wireguard_key()

    def request(self, named: WireGuardKey) -> RotateKey | None:
        """What to ask of a gate that goes by `named`: for a new key where one is wanted, else for the one we have.

        A gate names another key than ours after ours was lost, or after it was restored from an old backup.
        """
        if self._wanted:
            self._wanted = False
            self._state.put_next_wireguard_key(X25519PrivateKey.generate())
        key = self._state.next_wireguard_key() or self._state.wireguard_key()
        if public_key(key) == named:
            return None
        self._offered = key
        return RotateKey(wireguard_key=public_key(key))

    def answer(self, challenge: Challenge, ssh_key: asyncssh.SSHKey) -> Proof | None:
        """The proof for the key that was offered; None where none was."""
        key, self._offered = self._offered, None
        return None if key is None else prove(challenge, key, ssh_public(ssh_key))
