"""This host's certificate as the agent keeps it: asked for when it is due, checked, and why there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from agent import hostcert
from agent.keeper import Keeper
from agent.sshd import Sshd
from agent.state import AgentState, HostStanding
from model.errors import WardgateError
from model.hostproof import proof_text
from model.keys import SSHKey
from model.netmap import NetMap
from model.records import DeviceState
from model.wire import HostCertificate, HostCertificateRequest, HostChallenge, Refused

ASK_AGAIN = 300.0
"""Seconds until what did not come is asked for again."""
SETTLED = 5.0
"""Seconds until a host asks again though one just came: one that is due as it comes is not asked for in a loop."""


class HostCertification:
    """`send` hands a line to the gate, and gives whether there was a connection to hand it to."""

    def __init__(
        self,
        keeper: Keeper,
        state: AgentState,
        device_key: SSHKey,
        send: Callable[[msgspec.Struct], Awaitable[bool]],
    ) -> None:
        self._keeper = keeper
        self._state = state
        self._device_key = device_key
        self._send = send
        self._ask_at = 0.0
        self._asked_for: tuple[str, tuple[str, ...]] | None = None
        """The host key and the CAs of what was asked last: a new key, or a CA that replaces one, is not waited for."""
        self._refusal: HostStanding | None = None
        self._kept = state.host_standing()
        self._looked: tuple[str, str | None] | None = None
        self._revoked = False

    @property
    def _sshd(self) -> Sshd:
        return self._keeper.sshd

    def connected(self) -> None:
        """Nobody answers what an older connection was asked."""
        self._ask_at = 0.0

    async def renew(self, netmap: NetMap, *, connected: bool) -> None:
        """Asks where a certificate is due, and keeps for `status` why there is none."""
        key = self._sshd.host_key() if self._sshd.present else None
        line = self._sshd.host_certificate()
        due = key is not None and (
            await self._is_revoked(netmap, line) or hostcert.due(line, key, netmap, int(time.time()))
        )
        self._keep(self._standing(netmap, key, due=due, connected=connected))
        if key is None or not due or not connected or netmap.device.state is not DeviceState.APPROVED:
            return
        now, wanted = time.time(), (key, netmap.trust.host_ca)
        if now >= self._ask_at or wanted != self._asked_for:
            self._ask_at, self._asked_for = now + ASK_AGAIN, wanted
            await self._send(HostCertificateRequest(key=key, prove=self._sshd.can_sign))

    async def _is_revoked(self, netmap: NetMap, line: str | None) -> bool:
        """A device that expired or was disabled has lost its certificate, and needs another once it is back."""
        if self._looked != (netmap.krl, line):
            self._revoked = await asyncio.to_thread(self._sshd.certificate_revoked)
            self._looked = (netmap.krl, line)
        return self._revoked

    async def answer(self, challenge: HostChallenge) -> None:
        """Shows that this host holds its key; where it cannot, the public key has to be enough."""
        key = self._sshd.host_key()
        if key is not None:
            text = proof_text(challenge.nonce, self._device_key)
            proof = await asyncio.to_thread(self._sshd.sign, text)
            await self._send(HostCertificateRequest(key=key, proof=proof or ""))

    async def take(self, answer: HostCertificate, netmap: NetMap | None) -> None:
        """Raises `WardgateError` or `OSError` where it is not taken."""
        key = self._sshd.host_key()
        if key is None or netmap is None:
            return
        try:
            hostcert.check(answer.certificate, key, netmap.trust.host_ca, int(time.time()))
            await asyncio.to_thread(self._keeper.put_host_certificate, answer.certificate)
        except (WardgateError, OSError) as error:
            self._keep(HostStanding(problem=f"what the gate sent was not taken: {error}"))
            raise
        self._ask_at, self._refusal = time.time() + SETTLED, None
        self._keep(HostStanding())

    def refused(self, refusal: Refused) -> None:
        self._refusal = HostStanding(problem=f"the gate refused: {refusal.message}", hint=refusal.hint or "")
        self._keep(self._refusal)

    def _standing(self, netmap: NetMap, key: str | None, *, due: bool, connected: bool) -> HostStanding:
        if not self._sshd.present:
            return HostStanding(host=False)
        if self._sshd.problem:
            return HostStanding(problem=self._sshd.problem, hint=self._sshd.hint)
        if key is None:
            return HostStanding(
                problem=f"there is no host key {self._sshd.wanted_host_key}",
                hint="make it with: ssh-keygen -A; then start the agent anew",
            )
        return self._asking(netmap, connected) if due else HostStanding()

    def _asking(self, netmap: NetMap, connected: bool) -> HostStanding:
        """Why what is due is not here."""
        if netmap.device.state is not DeviceState.APPROVED:
            approve = f"an operator lets it in: wardgate devices approve {netmap.device.name}"
            return HostStanding(problem=f"this device is {netmap.device.state.value}", hint=approve)
        if not connected:
            return HostStanding(problem="it is due, and the gate is not reached")
        return self._refusal or HostStanding(problem="it was asked for, and has not come yet")

    def _keep(self, standing: HostStanding) -> None:
        if standing != self._kept:
            self._kept = standing
            self._state.put_host_standing(standing)
