"""The gate: one store, one snapshot, and the one way to perform an operation on them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from gate import advancing, snapshot
from gate.actor import GATE, Actor
from gate.collecting import uncollected
from gate.connections import Connections
from gate.heavy import Heavy
from gate.operation import Call, First, Operation, Prepared
from gate.presence import Presence
from gate.refusals import Refusal, Refusals
from gate.signers import Signers, passphrase_from_environment
from gate.snapshot import Snapshot
from gate.sweeping import Sweep
from gate.watch import Watch
from model.change import Change, Committed
from model.errors import Denied, NotFound
from model.ids import quoted
from model.keys import Secret
from store import Reader, Store, Transaction, devices
from store.layout import DATABASE
from store.lock import StateLock, held

T = TypeVar("T")
S = TypeVar("S", bound=Reader)
Listener = Callable[[Snapshot, Snapshot, Sequence[Committed]], None]

log = logging.getLogger("wardgate.gate")


class Gate:
    """Made by `open`; belongs to the event loop that opened it. All methods are called there."""

    def __init__(self, state: Path, store: Store, lock: StateLock, start: Snapshot, signers: Signers) -> None:
        self.state = state
        self.store = store
        self.snapshot = start
        self.presence = Presence()
        self.watch = Watch()
        self.sweep = Sweep(self.watch)
        self.signers = signers
        self.started_at = time.time()
        self.connections = Connections()
        self._heavy = Heavy(self.watch)
        self._refusals = Refusals(self._write_refusal)
        self.locked: Callable[[str], float] = lambda _: 0.0
        """Seconds that a name has to wait after wrong guesses, as the door that counts them says."""
        self._lock = lock
        self._listeners: list[Listener] = []
        self._log: deque[Committed] = deque()
        self._advancing: asyncio.Task[None] | None = None
        self._advanced = asyncio.Condition()
        self._loop = asyncio.get_running_loop()
        store.on_commit = self._committed

    @classmethod
    async def open(cls, state: Path, passphrase: Secret | None = None) -> Gate:
        """Takes the state for this process. Raises `NotFound`, `Conflict` (another has it) or `Unavailable`."""
        if not (state / DATABASE).is_file():
            raise NotFound(
                f"there is no network in {state}",
                hint="name its folder with --state DIR; make one with: wardgate init --domain NAME --owner NAME",
            )
        lock = StateLock(state)
        try:
            store = Store.open(state / DATABASE)
            with uncollected():
                start = store.read(snapshot.load)
            signers = Signers(state, passphrase or passphrase_from_environment())
            signers.load(start.generations)
            gate = cls(state, store, lock, start, signers)
            gate.presence.restore((device.id, device.last_seen) for device in start.devices.values())
        except BaseException:
            lock.close()
            raise
        if start.policy_fault:
            log.error("policy: %s; %s is in force", start.policy_fault, _in_force(start))
        return gate

    async def __aenter__(self) -> Gate:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Writes what was kept for a batch, and gives the state free."""
        with contextlib.suppress(Exception):
            await self.save_presence()
        with contextlib.suppress(Exception):
            await self._refusals.close()
        await asyncio.to_thread(self._heavy.close)
        self.store.on_commit = None
        if self._advancing:
            self._advancing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._advancing
        await asyncio.to_thread(self.store.close)
        self._lock.close()

    async def perform(self, operation: Operation[S, ..., T], actor: Actor, /, **arguments: object) -> T:
        """Does `operation` as `actor`, authorized in its own transaction. Raises `WardgateError`, and then did nothing.

        When it returns, the snapshot includes what it changed.
        """
        return (await self.perform_told(operation, actor, **arguments))[0]

    async def perform_told(
        self, operation: Operation[S, ..., T], actor: Actor, /, **arguments: object
    ) -> tuple[T, tuple[Change, ...]]:
        """The same, with the changes that it recorded, in order: what it did besides what it returns."""

        def work(tx: Reader) -> T:
            proved, own = self._authorize(operation, tx, actor)
            return operation.run(tx, self._call(operation, proved, own), **arguments)  # type: ignore[arg-type]

        if operation.heavy:
            return await self._heavy.run(actor.name, operation.name, lambda: self.store.read(work)), ()
        if operation.reads:
            return await self.store.fetch(work), ()
        prepared = None
        try:
            if operation.first is not None:
                prepared = arguments["prepared"] = await self._first(operation, operation.first, actor, arguments)
            done, changes = await self.store.write(
                lambda tx: (work(tx), tuple(tx.changes)), repeatable=operation.repeatable
            )
        except BaseException as fault:
            if prepared is not None:
                await asyncio.to_thread(prepared.drop)
            if isinstance(fault, Denied):
                await self._refusals.note(Refusal(actor.name, operation.name, actor.source), fault.message)
            raise
        await self.reached(changes[-1].number if changes else 0)
        return done, tuple(one.change for one in changes)

    async def _first(
        self, operation: Operation[S, ..., T], first: First, actor: Actor, arguments: dict[str, object]
    ) -> Prepared:
        def work(r: Reader) -> Prepared:
            proved, own = self._authorize(operation, r, actor)
            return first(r, self._call(operation, proved, own), **arguments)

        return await self._heavy.run(actor.name, operation.name, lambda: self.store.read(work))

    async def perform_if_due(
        self, operation: Operation[S, [], T], due: Callable[[Snapshot, Presence, int], bool]
    ) -> None:
        """As the gate itself, where `due` says at a glance that there is something to do."""
        if due(self.snapshot, self.presence, int(time.time())):
            await self.perform(operation, GATE)

    def perform_now(self, operation: Operation[S, ..., T], actor: Actor, /, **arguments: object) -> T:
        """A reading operation, here and now, without giving the loop away: for a look-up that a console's first frame
        waits for."""

        def work(r: Reader) -> T:
            proved, own = self._authorize(operation, r, actor)
            return operation.run(r, self._call(operation, proved, own), **arguments)  # type: ignore[arg-type]

        assert operation.reads
        return self.store.read(work)

    def _authorize(self, operation: Operation[S, ..., T], r: Reader, actor: Actor) -> tuple[Actor, bool]:
        if self.connections.over(actor):
            raise Denied("the login of this connection was ended", hint="connect again")
        return operation.authorize(r, actor, self.snapshot)

    def _call(self, operation: Operation[S, ..., T], actor: Actor, own: bool) -> Call:
        return Call(
            actor=actor, operation=operation.name, own=own, snapshot=self.snapshot, presence=self.presence,
            signers=self.signers, connections=self.connections, state=self.state, watch=self.watch,
        )  # fmt: skip

    async def _write_refusal(self, refusal: Refusal, after: dict[str, object]) -> None:
        def note(tx: Transaction) -> None:
            tx.audit(refusal.actor, refusal.operation, "refused", after=after, source=refusal.source)

        log.info("refused actor=%s operation=%s source=%s", refusal.actor, quoted(refusal.operation), refusal.source)
        await self.store.write(note)

    # The snapshot follows the store.

    def _committed(self, entries: Sequence[Committed]) -> None:
        """On the writer's thread, after a commit."""
        if entries:
            with contextlib.suppress(RuntimeError):  # the loop is closing: the store has it all the same
                self._loop.call_soon_threadsafe(self._enqueue, tuple(entries))

    def _enqueue(self, entries: tuple[Committed, ...]) -> None:
        self._log.extend(entries)
        if self._advancing is None or self._advancing.done():
            self._advancing = self._loop.create_task(self._advance())

    async def _advance(self) -> None:
        """Compiles in a thread, so that the doors go on answering meanwhile; batches what came in the meantime."""
        while self._log:
            old = self.snapshot
            # A snapshot that was built anew has changes in it that are still waiting here.
            entries = tuple(entry for entry in self._log if entry.number > old.version)
            self._log.clear()
            if not entries:
                continue
            try:
                if advancing.is_light(old, entries):
                    with self.watch.doing("a change"):
                        new = advancing.advance(old, entries)
                else:
                    new = await asyncio.to_thread(advancing.advance, old, entries)
            except Exception:
                log.exception("the snapshot is built anew: a change did not apply")
                new = await self.store.fetch(snapshot.load)
            self.snapshot = new
            if new.generations is not old.generations:
                await asyncio.to_thread(self.signers.load, new.generations)
            for listener in tuple(self._listeners):
                try:
                    listener(old, new, entries)
                except Exception:
                    log.exception("a listener failed")
            async with self._advanced:
                self._advanced.notify_all()

    async def reached(self, number: int) -> None:
        """Waits until the snapshot includes change `number`."""
        if self.snapshot.version < number:
            async with self._advanced:
                await self._advanced.wait_for(lambda: self.snapshot.version >= number)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener(old, new, changes)` after each advance, on the loop. Returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def save_presence(self) -> None:
        seen = self.presence.unsaved()
        if seen:
            await self.store.write(lambda tx: devices.seen(tx, seen))

    async def audit(self, actor: Actor, action: str, subject: str, after: dict[str, object] | None = None) -> None:
        """What happened at a door and is no operation: a login, a refusal."""
        await self.store.write(lambda tx: tx.audit(actor.name, action, subject, after=after, source=actor.source))


def _in_force(start: Snapshot) -> str:
    return f"version {start.policy.number}" if start.policy else "a policy that lets nothing pass"


__all__ = ["Gate", "Listener", "held"]
