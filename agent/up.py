"""`wardgate up`: this machine joins, and follows the network until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import Callable

import msgspec

from agent.certification import HostCertification
from agent.door import Gate, KeyRefused
from agent.follow import Follower, Listener
from agent.joining import join, join_anew
from agent.keeper import Keeper, check_free, table_name
from agent.linux import Machine, check_machine
from agent.options import DEFAULT_INTERFACE, UpOptions
from agent.reports import Told, endpoints, machine_report, news, observed
from agent.rotation import Rotation
from agent.state import AgentState, Link, Membership, ssh_public
from model.errors import Invalid, WardgateError
from model.ids import Address, quoted
from model.keys import ssh_key
from model.netmap import NetMap, NetMapDevice
from model.records import DeviceState
from model.wire import Challenge, HostCertificate, HostChallenge, Refused, Routes

Reporter = Callable[[str], None]

TICK = 10.0
"""Seconds between looks at the machine in peace: others change it as well."""
ASK_AGAIN = 300.0
"""Seconds until what did not come is asked for again."""
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


async def up(options: UpOptions, report: Reporter) -> int:
    """Joins where this machine is in no network yet, then follows until SIGINT or SIGTERM, and takes all back.

    `report` gets one line at a time, for a person. Raises `WardgateError` where it cannot begin; once it has begun,
    what fails is reported and tried again. Returns 0 when it was stopped.
    """
    if not _INTERFACE.fullmatch(options.interface):
        raise Invalid(f"{quoted(options.interface)} is not a name for an interface", hint="up to 15 letters and digits")
    check_machine()
    state = AgentState(options.state)
    state.prepare()
    with state.hold():
        machine = Machine(options.interface, table_name(options.interface, DEFAULT_INTERFACE), state.wireguard_key_file)
        check_free(state, machine)
        enrolled = await join(options, state, report)
        membership = state.membership()
        assert membership is not None
        await _Agent(options, state, report, machine, membership, may_join_anew=not enrolled).run()
    return 0


class _Agent:
    def __init__(
        self,
        options: UpOptions,
        state: AgentState,
        report: Reporter,
        machine: Machine,
        membership: Membership,
        *,
        may_join_anew: bool,
    ) -> None:
        self._options = options
        self._state = state
        self._report = report
        self._machine = machine
        self._membership = membership
        self._may_join_anew = may_join_anew and (options.enrollment_key is not None or options.user is not None)
        """Until the gate has taken this device in: one that is removed later does not let itself in again."""
        self._key = state.device_key()
        self._told = Told()
        self._changed = asyncio.Event()
        self._refused = asyncio.Event()
        self._gate_addresses: tuple[Address, ...] = ()
        self._problem = ""
        self._saved = state.netmap()
        self._device = self._saved.device if self._saved else None
        self._rotation = Rotation(state, wanted=options.rotate_key)
        self._ask_rotation_at = 0.0
        self._keeper = Keeper(options, state, machine, membership.listen_port, report)
        self._follower = self._new_follower(self._saved)
        self._host = HostCertification(self._keeper, state, ssh_public(self._key), self._send)

    # Following.

    async def run(self) -> None:
        self._keeper.begin()
        if not self._options.sshd:
            self._state.forget_host_standing()
        if self._saved is not None:
            self._changed.set()
        await self._until_stopped()

    async def _until_stopped(self) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, stopped.set)
        tasks = [asyncio.create_task(work) for work in (self._follow(), self._keep_in_step(), stopped.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError):
                if self._follower.held is not None:
                    await self._keep_map(self._follower.held)
            self._state.put_link(Link(since=int(time.time())))
            await asyncio.to_thread(self._keeper.end, self._report)
            for number in signals:
                loop.remove_signal_handler(number)
        for task in done:
            task.result()

    def _new_follower(self, held: NetMap | None) -> Follower:
        listener = Listener(
            on_map=self._on_map, on_connected=self._on_connected, on_lost=self._on_lost, on_reply=self._on_reply
        )
        return Follower(self._gate(held), self._key, held, listener)

    def _gate(self, held: NetMap | None) -> Gate:
        """Trust follows the network: the CAs that the last map names, and before there is one, the key's."""
        member = self._membership
        named = frozenset(ssh_key(line).fingerprint for line in held.trust.host_ca) if held else frozenset[str]()
        return Gate(host=member.host, port=member.port, host_cas=named or frozenset({member.host_ca_fingerprint}))

    async def _follow(self) -> None:
        """Follows; where the gate knows this device no more and something lets it in anew, it joins again."""
        while True:
            following = asyncio.create_task(self._follower.run())
            refused = asyncio.create_task(self._refused.wait())
            try:
                await asyncio.wait((following, refused), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (following, refused):
                    task.cancel()
                await asyncio.gather(following, refused, return_exceptions=True)
            if not self._refused.is_set():
                following.result()
            self._refused.clear()
            self._may_join_anew = False
            await join_anew(self._options, self._state, self._report)
            self._membership = self._state.membership() or self._membership
            self._follower = self._new_follower(None)

    def _on_map(self, netmap: NetMap) -> None:
        if self._device is not None and (said := turned(self._device, netmap.device)):
            self._report(said)
        self._device = netmap.device
        self._follower.gate = self._gate(netmap)
        self._changed.set()

    def _on_connected(self) -> None:
        self._told = Told()
        self._ask_rotation_at = 0.0  # nobody answers what an older connection was asked
        self._host.connected()
        self._gate_addresses = self._follower.gate_addresses
        self._state.put_link(Link(connected=True, since=int(time.time())))
        self._may_join_anew = False
        self._report(f"connected to {self._follower.gate}")
        self._changed.set()

    def _on_lost(self, problem: WardgateError, wait: float) -> None:
        self._state.put_link(Link(since=int(time.time()), problem=problem.message))
        self._tell_problem(problem.message, f"; trying again in {wait:.0f} s")
        if isinstance(problem, KeyRefused):
            if self._may_join_anew:
                self._refused.set()
            elif self._follower.held is not None:
                self._follower.held = _alone(self._follower.held)
                self._changed.set()

    async def _on_reply(self, reply: Challenge | HostChallenge | HostCertificate | Refused) -> None:
        match reply:
            case Refused(about="host-certificate"):
                self._host.refused(reply)
                why = f"the gate gives this host no certificate: {reply.message}"
                self._tell_problem(why, f" ({reply.hint})" if reply.hint else "")
            case Refused():
                self._report(f"the gate refused: {reply.message}" + (f" ({reply.hint})" if reply.hint else ""))
            case HostChallenge():
                await self._host.answer(reply)
            case HostCertificate():
                try:
                    await self._host.take(reply, self._follower.held)
                except (WardgateError, OSError) as error:
                    self._tell_problem(f"the host certificate was not taken: {error}")
            case Challenge():
                proof = self._rotation.answer(reply, self._key)
                if proof is not None:
                    await self._follower.send(proof)

    async def _send(self, line: msgspec.Struct) -> bool:
        return await self._follower.send(line)

    async def _rotate_key(self, netmap: NetMap) -> None:
        if not self._follower.connected or time.time() < self._ask_rotation_at:
            return
        request = self._rotation.request(netmap.device.wireguard_key)
        if request is not None:
            self._ask_rotation_at = time.time() + ASK_AGAIN
            await self._follower.send(request)

    # Keeping in step.

    async def _keep_in_step(self) -> None:
        """The newest map at once; and the machine every few seconds, since others change it as well."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._keeper.look_again or TICK)
            self._changed.clear()
            netmap = self._follower.held
            if netmap is None:
                continue
            await self._keep(netmap)
            self._follower.moved(self._keeper.around.addresses)
            await self._tell_gate(netmap)
            await self._rotate_key(netmap)
            if self._options.sshd:
                await self._host.renew(netmap, connected=self._follower.connected)

    async def _keep(self, netmap: NetMap) -> None:
        """The tunnel first. What fails at one is no reason to leave the other behind, and revocations with it."""
        problems = []
        for what, work in (
            ("the map is not kept for the next start", self._keep_map),
            ("this machine is not in step with the network", self._keep_machine),
            ("this host's sshd does not follow the network", self._keep_logins),
        ):
            try:
                await work(netmap)
            except (WardgateError, ValueError, OSError) as error:
                problems.append(f"{what}: {error}")
        problem = "; ".join(problems) or self._keeper.problem
        if problem is None:
            self._problem = ""
        else:
            self._tell_problem(problem)

    async def _keep_machine(self, netmap: NetMap) -> None:
        self._rotation.settle(netmap.device.wireguard_key)
        await asyncio.to_thread(self._keeper.keep, netmap, self._gate_addresses)

    async def _keep_logins(self, netmap: NetMap) -> None:
        await asyncio.to_thread(self._keeper.keep_logins, netmap)

    async def _keep_map(self, netmap: NetMap) -> None:
        """Before anything is made of it: after a crash an older map would take revocations back that sshd has."""
        if netmap is not self._saved:
            self._state.put_netmap(netmap)
            self._saved = netmap

    async def _tell_gate(self, netmap: NetMap) -> None:
        if not self._follower.connected:
            return
        network = (netmap.network.ipv4, netmap.network.ipv6)
        now = Told(
            endpoints=endpoints(self._keeper.around, self._membership.listen_port, network),
            routes=Routes(routes=self._options.advertise_routes),
            report=machine_report(self._keeper.sshd.trusted() if self._options.sshd else None),
            observed=observed(netmap, self._keeper.live, time.time()),
            observed_at=time.monotonic(),
        )
        before = self._told
        lines, told = news(before, now)
        for line in lines:
            if not await self._follower.send(line):
                return
        if self._told is before:  # and no new connection, which was told nothing yet
            self._told = told

    def _tell_problem(self, problem: str, more: str = "") -> None:
        """Once, not at every try."""
        if problem != self._problem:
            self._problem = problem
            self._report(problem + more)


def turned(before: NetMapDevice, now: NetMapDevice) -> str | None:
    """What a person at the terminal is told when the network thinks otherwise of this device."""
    if before.state is now.state:
        return None
    if now.state is DeviceState.APPROVED:
        return f"approved: this machine is {now.name}, {now.ipv4} and {now.ipv6}"
    return f"this device is {now.state.value} now"


def _alone(netmap: NetMap) -> NetMap:
    """`netmap` for a device that the network knows no more: nobody is there, and nothing is let in."""
    return msgspec.structs.replace(netmap, version=0, peers=(), filter=(), names={}, ssh={})
