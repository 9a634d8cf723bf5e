"""The law of the peers door: whatever happens, every connected agent's assembled map is the fresh one."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers_agents import Assembling, Plugged, Unplugged, plug_in
from peers_builders import Served, a_served_gate, a_wireguard_key, acls, eventually

from gate import netmaps
from gate.actor import GATE
from gate.services import agents, authority, devices, names, users
from model.errors import WardgateError
from model.ids import DeviceID
from model.netmap import digest
from model.records import CertificateKind, NameType, RouteState
from model.wire import Hello, Observed, write_line

POLICIES = (
    acls(("autogroup:member", "autogroup:self:*"), ("tag:web", "tag:db:5432")),
    acls(("*", "*:*")),
    acls(("tag:web", "tag:db:22"), ("tag:db", "10.7.0.0/16:*"), ("group:ops", "tag:db:22"),
         ssh=[{"action": "accept", "src": ["group:ops"], "dst": ["tag:db"], "users": ["root", "autogroup:nonroot"]}]),
    acls(),
)  # fmt: skip
NAMES = ("wiki", "db-0", "mail")
TAGS = ((), ("tag:db",), ("tag:web",), ("tag:db", "tag:web"), ("tag:router",))

small = st.integers(0, 7)
steps = st.one_of(
    st.tuples(st.just("endpoint"), small, st.integers(1, 5)),
    st.tuples(st.just("observed"), small, small, st.integers(1, 3)),
    st.tuples(st.just("retag"), small, st.sampled_from(TAGS)),
    st.tuples(st.just("rename"), small, st.integers(0, 3)),
    st.tuples(st.just("remove"), small),
    st.tuples(st.just("add"), small, st.sampled_from(TAGS)),
    st.tuples(st.sampled_from(["disable", "enable", "expire", "approve"]), small),
    st.tuples(st.just("policy"), st.sampled_from(POLICIES)),
    st.tuples(st.just("routes"), small, st.booleans()),
    st.tuples(st.just("rotate-key"), small),
    st.tuples(st.just("report"), small, st.sampled_from(["linux", "macos"])),
    st.tuples(st.just("name"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("user"), st.booleans()),
    st.tuples(st.just("trust")),
    # What agents do: they leave and come back, stop reading, and read again.
    st.tuples(st.just("connect"), small, st.booleans()),
    st.tuples(st.just("leave"), small),
    st.tuples(st.just("stop reading"), small),
    st.tuples(st.just("read"), small),
    st.tuples(st.just("settle")),
)


class World:
    """A gate, and agents on some of its devices, over SSH or without a wire. Steps that make no sense as things are do
    nothing."""

    def __init__(self, served: Served, *, over_ssh: bool = False) -> None:
        self.served, self.gate, self.over_ssh = served, served.gate, over_ssh
        self.agents: dict[DeviceID, Unplugged | Plugged] = {}
        self.left: dict[DeviceID, Assembling] = {}
        self.made = 0

    def id(self, number: int) -> DeviceID:
        ids = list(self.gate.snapshot.devices)
        return ids[number % len(ids)] if ids else DeviceID("0")

    async def perform(self, operation: object, **arguments: object) -> None:
        await self.gate.perform(operation, GATE, **arguments)  # type: ignore[arg-type, call-arg]

    async def do(self, what: str, *arguments: object) -> None:
        with contextlib.suppress(WardgateError, KeyError):
            await getattr(self, what.replace(" ", "_").replace("-", "_"))(*arguments)

    def name(self, number: int) -> str:
        return self.gate.snapshot.devices[self.id(number)].name

    async def endpoint(self, number: int, last: int) -> None:
        await self.perform(agents.report_endpoints, device=self.id(number), endpoints=[f"192.0.2.{last}:51820"])

    async def observed(self, number: int, other: int, last: int) -> None:
        agent = self.agents[self.id(number)]
        agent.say(write_line(Observed(peers={self.id(other): f"203.0.113.{last}:1"})))  # type: ignore[dict-item]

    async def retag(self, number: int, tags: tuple[str, ...]) -> None:
        await self.perform(devices.retag, names=[self.name(number)], tags=tags)

    async def rename(self, number: int, new: int) -> None:
        await self.perform(devices.rename, name=self.name(number), new=f"renamed-{new}")

    async def remove(self, number: int) -> None:
        id = self.id(number)
        await self.perform(devices.remove, names=[self.name(number)])
        self.agents.pop(id, None)

    async def add(self, number: int, tags: tuple[str, ...]) -> None:
        self.made += 1
        await self.served.a_device(f"made-{self.made}", *tags, user="alice" if number % 2 else "bob")

    async def disable(self, number: int) -> None:
        await self.perform(devices.disable, names=[self.name(number)])

    async def enable(self, number: int) -> None:
        await self.perform(devices.enable, names=[self.name(number)])

    async def expire(self, number: int) -> None:
        await self.perform(devices.expire, names=[self.name(number)])

    async def approve(self, number: int) -> None:
        await self.perform(devices.approve, names=[self.name(number)])

    async def policy(self, text: str) -> None:
        await self.served.a_policy(text)

    async def routes(self, number: int, approve: bool) -> None:
        await self.perform(agents.report_routes, device=self.id(number), routes=["10.7.0.0/16"])
        if approve:
            await self.perform(devices.routes, name=self.name(number), approve=["10.7.0.0/16"])

    async def rotate_key(self, number: int) -> None:
        await self.perform(agents.rotate_key, device=self.id(number), wireguard=a_wireguard_key())

    async def report(self, number: int, os: str) -> None:
        await self.perform(agents.report, device=self.id(number), os=os, attributes={"node:os": os})

    async def name_(self, name: str, there: bool) -> None:
        if there:
            await self.perform(names.set_name, name=name, type=NameType.A, value="192.0.2.80")
        else:
            await self.perform(names.remove, name=name, type=NameType.A)

    async def user(self, there: bool) -> None:
        await self.perform(users.enable if there else users.disable, names=("bob",))

    async def trust(self) -> None:
        await self.perform(authority.rotate, kind=CertificateKind.HOST)

    async def connect(self, number: int, resume: bool) -> None:
        id = self.id(number)
        held = self.left.pop(id).held if id in self.left and resume else None
        self.agents.pop(id, None)
        if self.over_ssh:
            self.agents[id] = await plug_in(self.served.server.port, self.served.key_of(id), held, window=4096)
            return
        agent = self.agents[id] = Unplugged(self.gate, self.served.server, id, held)
        if held is not None:
            told = digest(held) if number % 2 else ""
            agent.say(write_line(Hello(version=held.version, digest=told)))

    async def leave(self, number: int) -> None:
        id = self.id(number)
        agent = self.agents.pop(id)
        agent.read()
        agent.leave()
        self.left[id] = agent

    async def stop_reading(self, number: int) -> None:
        self.agents[self.id(number)].stop_reading()

    async def read(self, number: int) -> None:
        self.agents[self.id(number)].read()

    async def settle(self) -> None:
        await asyncio.sleep(0.01)

    async def right(self) -> None:
        for agent in self.agents.values():
            agent.read()
        await eventually(self.all_same, 10)

    def all_same(self) -> bool:
        return all(agent.same_as(self.fresh(id)) for id, agent in self.agents.items())

    def fresh(self, id: DeviceID):  # type: ignore[no-untyped-def]
        return netmaps.netmap(self.gate.snapshot, id, self.gate.presence.observed)


async def walk(taken: list[tuple[object, ...]], *, over_ssh: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with a_served_gate(Path(folder)) as served:
            await served.a_policy(POLICIES[0])
            for number in range(2):
                await served.a_device(f"laptop-{number}")
                await served.a_device(f"phone-{number}", user="bob")
                await served.a_device(f"db-{number}", "tag:db")
                await served.a_device(f"web-{number}", "tag:web")
            world = World(served, over_ssh=over_ssh)
            for number in range(6):
                await world.connect(number, False)
            for what, *arguments in taken:
                await world.do("name_" if what == "name" else str(what), *arguments)
            await world.right()
            for agent in world.agents.values():
                agent.leave()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=20, max_size=45))
def test_after_any_changes_every_agent_has_the_fresh_map(taken: list[tuple[object, ...]]) -> None:
    asyncio.run(walk(taken, over_ssh=False))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=20, max_size=45))
def test_after_any_changes_every_agent_has_the_fresh_map_over_ssh(taken: list[tuple[object, ...]]) -> None:
    asyncio.run(walk(taken, over_ssh=True))


async def test_changes_at_the_same_time_leave_every_agent_the_fresh_map_over_ssh(tmp_path: Path) -> None:
    async with a_served_gate(tmp_path) as served:
        await served.a_policy(POLICIES[0])
        for number in range(3):
            await served.a_device(f"laptop-{number}")
            await served.a_device(f"db-{number}", "tag:db")
            await served.a_device(f"web-{number}", "tag:web")
        plugged: dict[DeviceID, Plugged] = {}
        for name, key in list(served.keys.items()):
            id = served.gate.snapshot.by_name[name]  # type: ignore[index]
            plugged[id] = await plug_in(served.server.port, key)
        world = World(served)
        for turn in range(12):
            await asyncio.gather(
                world.do("endpoint", turn, turn + 1),
                world.do("retag", turn, TAGS[turn % len(TAGS)]),
                world.do("rename", turn + 3, turn),
                world.do("routes", turn + 1, turn % 2 == 0),
                world.do("rotate-key", turn + 2),
            )
            if turn % 4 == 3:
                await world.do("policy", POLICIES[turn // 4])
            if turn == 6:
                await world.do("name_", "wiki", True)
                await world.do("trust")

        def same() -> bool:
            return all(agent.same_as(world.fresh(id)) for id, agent in plugged.items())

        await eventually(same, 15)
        assert any(
            route.state is RouteState.APPROVED
            for device in served.gate.snapshot.devices.values() for route in device.routes
        )  # fmt: skip
        for agent in plugged.values():
            assert agent.connection is not None
            agent.connection.abort()
