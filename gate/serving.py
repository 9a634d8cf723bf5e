"""A gate that serves: its doors, and what it does by time alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import Awaitable, Callable

from gate import collecting, network
from gate.doors import serve
from gate.doors.local import LocalDoor
from gate.doors.server import Server
from gate.faces import Faces
from gate.gate import Gate
from gate.services import agents, authority, policies, routers
from gate.steps import LATE
from model.errors import WardgateError
from model.ids import quoted
from model.records import Certificate
from sshca import load
from store import Reader, certificates
from store.layout import host_key

log = logging.getLogger("wardgate.gate")

EVERY = 1.0
"""Seconds between looks at what is due by time: expired devices, unconfirmed policies, retired CA keys."""
SAVE_PRESENCE_EVERY = 30.0
SETTLING = 60.0
"""Seconds after the start in which no router counts as away: agents are on their way back."""
CERTIFY_AGAIN = 60.0
"""Seconds until a host certificate that the CA did not give is asked for again."""
ASK_CA_KEYS_EVERY = 60.0
"""Seconds between looks whether CA keys in an ssh-agent or on a token sign, so that `gate status` need not wait."""

TELL_STEPS_EVERY, WORTH_TELLING = 60.0, 0.05
"""Seconds between lines in the log about steps of the loop that were long, and how long one of them has to be."""
SET_ASIDE_EVERY, MANY = 0.5, 100
"""Seconds between looks whether so many more connections are open that the collector had better pass over them."""
COLLECT_OLD_EVERY = 1.0
"""Seconds between looks whether it is time, and quiet enough, to collect what became garbage late."""
COLLECT_EVERY = 6 * 3600.0


class Serving:
    """Made by `start`; `stop` ends it in bounded time."""

    def __init__(self, gate: Gate, server: Server, local: LocalDoor, certificate: Certificate | None) -> None:
        self.gate = gate
        self.server = server
        self._certificate = certificate
        self._certify_at = 0.0
        self._revocations = gate.snapshot.revocations
        self._local = local
        self._lapses = agents.Lapses()
        gate.watch.start()
        self._set_aside_at = self._online = 0
        self._caught = False
        """Whether somebody was at a console when objects were set aside."""
        self._tasks = [
            asyncio.create_task(_repeat(EVERY, self._due)),
            asyncio.create_task(_repeat(SAVE_PRESENCE_EVERY, self._save)),
            asyncio.create_task(_repeat(ASK_CA_KEYS_EVERY, self._ask_ca_keys)),
            asyncio.create_task(_repeat(SET_ASIDE_EVERY, self._set_aside)),
            asyncio.create_task(_repeat(TELL_STEPS_EVERY, self._tell_steps)),
            asyncio.create_task(_repeat(COLLECT_OLD_EVERY, self._collect_old)),
            asyncio.create_task(_repeat(COLLECT_EVERY, self._collect)),
        ]

    @classmethod
    async def start(cls, gate: Gate, faces: Faces, host: str, port: int) -> Serving:
        """Raises `Unavailable` where the address cannot be listened on, `Conflict` where another gate answers."""
        certificate = await _own_certificate(gate)
        local = LocalDoor(gate, faces)
        await local.open()
        try:
            server = await serve(
                gate, faces, host=host, port=port, host_key=host_key(gate.state),
                host_certificate=certificate.line.encode() if certificate else None,
            )  # fmt: skip
        except BaseException:
            await local.close()
            raise
        collecting.seldom()
        gc.collect()
        gc.freeze()  # what is here now stays: later collections need not walk it
        return cls(gate, server, local, certificate)

    async def _due(self) -> None:
        self.gate.presence.sample()
        await self.gate.perform_if_due(agents.lapse, self._lapses.due)
        if time.time() - self.gate.started_at > SETTLING:
            await self.gate.perform_if_due(routers.settle, routers.anything_due)
        await self.gate.perform_if_due(policies.lapse, policies.anything_due)
        await self.gate.perform_if_due(authority.lapse, authority.anything_due)
        await self._certify()

    async def _certify(self) -> None:
        """The gate's own host certificate, before the old one is over, or its CA or itself believed no more."""
        found, now = self.gate.snapshot, time.time()
        if found.revocations is not self._revocations:
            self._certificate = await asyncio.to_thread(self.gate.store.read, self._believed)
            self._revocations = found.revocations  # after it, so that a read that fails is made up for
        if now < self._certify_at or not network.stale(
            self._certificate, found, authority.addresses_of(found), int(now)
        ):  # fmt: skip
            return
        self._certify_at = now + CERTIFY_AGAIN
        if certificate := await _own_certificate(self.gate):
            await self.server.certify(certificate.line.encode())
            self._certificate, self._certify_at = certificate, 0.0

    def _believed(self, r: Reader) -> Certificate | None:
        """The one that is shown, unless it was revoked."""
        shown = self._certificate
        return shown if shown and certificates.by_serial(r, shown.serial).revoked_at is None else None

    async def _save(self) -> None:
        if (online := self.gate.presence.online_count) != self._online:
            self._online = online
            log.info("agents online=%d", online)
        await self.gate.save_presence()

    async def _tell_steps(self) -> None:
        long = self.gate.watch.steps.long
        if long.longest and long.longest.seconds > WORTH_TELLING:
            log.info(
                "steps of the loop over 5 ms=%d by cpu=%d longest_ms=%.1f cpu_ms=%.1f at=%s",
                long.number, long.of_cpu, long.longest.seconds * 1000, long.longest.cpu * 1000,
                quoted(long.longest.what),
            )  # fmt: skip

    async def _set_aside(self) -> None:
        """Connections are many, live long and are freed without the collector: it need not walk them."""
        now = len(self.server.keeper.open)
        if now > self._set_aside_at + MANY:
            self.set_aside()
        self._set_aside_at = min(now, self._set_aside_at)

    def set_aside(self) -> None:
        """What is here now stays: the collector need not walk it."""
        gc.freeze()
        self._set_aside_at = len(self.server.keeper.open)
        self._caught |= not self.gate.sweep.swept

    async def _collect_old(self) -> None:
        """Where nobody is at a console, what is left stays, since consoles alone go in a circle; so a pass is short."""
        crowd = self.gate.watch.crowd()
        due = collecting.due(quiet=not crowd.waiting and not crowd.untold and self.gate.watch.now < LATE)
        if due is None:
            return
        with self.gate.watch.doing("collecting garbage"):
            gc.collect(collecting.ALL if self.gate.sweep.swept else due)
            if self.gate.sweep.swept:
                gc.freeze()

    async def _collect(self) -> None:
        """What was set aside and went in a circle after all, as consoles do: where none was open, nothing did."""
        if not self._caught:
            return
        self._caught = False
        with self.gate.watch.doing("collecting garbage"):
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    async def _ask_ca_keys(self) -> None:
        await asyncio.to_thread(self.gate.signers.check)

    async def stop(self, reason: str = "the gate is stopping") -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.gate.watch.stop()
        await self._local.close()
        await self.server.close(reason)


async def _own_certificate(gate: Gate) -> Certificate | None:
    """The one on record while it is right and fresh, else a new one."""
    key = load(host_key(gate.state), None).key
    addresses = authority.addresses_of(gate.snapshot)
    kept = await asyncio.to_thread(gate.store.read, lambda r: network.newest_that_serves(r, key))
    if kept and not network.stale(kept, gate.snapshot, addresses, int(time.time())):
        return kept
    return await asyncio.to_thread(network.host_certificate, gate.store, gate.signers, key, addresses)


async def _repeat(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except WardgateError as refused:
            log.warning("what was due did not happen: %s", refused.message)
        except Exception:
            log.exception("what was due did not happen")


async def until_stopped() -> None:
    """Returns at the first SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
