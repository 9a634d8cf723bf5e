"""Agents on real hosts: enrolled, joined by WireGuard, and held to the filter."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from agent_world import Host, RunningAgent, World, world
from played_gate import PlayedGate, allow, played_gate, soon

from model.ids import Prefix

pytestmark = [pytest.mark.root, pytest.mark.needs("ip", "wg", "nft", "ping")]

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
LAN = Prefix("10.77.0.0/24")


class Stage:
    """A world with a gate; agents on it end with it."""

    def __init__(self, made: World, gate: PlayedGate, folder: Path) -> None:
        self.world = made
        self.gate = gate
        self._folder = folder
        self.agents: list[RunningAgent] = []

    def agent(self, label: str, host: Host | None = None, **options: object) -> RunningAgent:
        agent = RunningAgent(host or self.world.host(label), self._folder / label)
        self.agents.append(agent)
        return agent.start(
            host=self.gate.address,
            port=self.gate.port,
            hostname=label,
            enrollment_key=str(self.gate.enrollment_key()),
            **options,
        )

    async def joined(self, *names: str) -> None:
        """All are at the gate, told where they are, and see each other."""
        seats = self.gate.seats

        def there(name: str) -> bool:
            return any(seat.name == name and seat.endpoints and seat.channel for seat in seats.values())

        try:
            await soon(lambda: all(map(there, names)), of=f"{names} at the gate")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *(agent.said() for agent in self.agents)])) from None
        self.gate.join(*names)

    def let(self, source: str, target: str, first: int, last: int | None = None) -> None:
        """Opens ports of `target` to `source` over IPv4."""
        a, b = self.gate.seat(source), self.gate.seat(target)
        b.filter = (*b.filter, allow(a.ipv4, b.ipv4, first, last))
        self.gate.tell(b)


@contextlib.asynccontextmanager
async def stage(folder: Path, address: str | None = None) -> AsyncIterator[Stage]:
    with world() as made:
        where = address or made.gate_address
        door = Host(made.hub, where).listener(TCP, 0, where)
        async with played_gate(door, where) as gate:
            here = Stage(made, gate, folder)
            try:
                yield here
            finally:
                for agent in here.agents:
                    agent.end()


async def test_two_devices_reach_exactly_the_allowed_ports(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        await on.joined("laptop", "db")
        laptop, db = on.gate.seat("laptop"), on.gate.seat("db")
        on.let("laptop", "db", 5432, 5440)
        db.filter = (*db.filter, allow(laptop.ipv6, db.ipv6, 5432, None, 6))
        on.gate.tell(db)
        opened = [b.host.listener(TCP, port) for port in (5432, 5440, 5441, 22)]
        opened.append(b.host.listener(TCP, 5432, str(db.ipv6)))
        await soon(lambda: a.host.connects(db.ipv4, 5432), of="the tunnel")
        reached = {port for port in (5432, 5440, 5441, 22) if a.host.connects(db.ipv4, port)}
        assert reached == {5432, 5440}
        assert a.host.connects(db.ipv6, 5432)
        assert not b.host.connects(laptop.ipv4, 5432)
        assert a.host.pings(db.ipv4)
        assert not b.host.pings(laptop.ipv4)


async def test_a_policy_change_that_separates_them_stops_an_established_connection(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        await on.joined("laptop", "db")
        on.let("laptop", "db", 7000, 7001)
        db = on.gate.seat("db")
        server = b.host.listener(TCP, 7000)
        b.host.listener(TCP, 7001)
        await soon(lambda: a.host.connects(db.ipv4, 7001), of="the tunnel")
        client = a.host.connect(db.ipv4, 7000)
        taken, _ = server.accept()
        assert _echoes(client, taken)
        db.filter = tuple(rule for rule in (allow(on.gate.seat("laptop").ipv4, db.ipv4, 7001),))
        on.gate.tell(db)
        await soon(lambda: not _echoes(client, taken), of="the end of the connection")
        assert a.host.connects(db.ipv4, 7001)
        on.gate.part("laptop", "db")
        await soon(lambda: not a.host.connects(db.ipv4, 7001), of="the separation")
        assert "peer" not in b.host.run("wg", "show", b.host.interface)


def _echoes(client: socket.socket, server: socket.socket) -> bool:
    """Whether a byte gets from one end to the other."""
    server.settimeout(0.5)
    client.send(b"x")
    try:
        return bool(server.recv(100))
    except TimeoutError:
        return False


async def test_a_subnet_behind_a_router_is_reached_at_the_allowed_ports_and_no_others(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, r = on.agent("laptop"), on.agent("router", advertise_routes=[LAN])
        printer = on.world.behind(r.host, "printer")
        await on.joined("laptop", "router")
        laptop, router = on.gate.seat("laptop"), on.gate.seat("router")
        router.routes = (LAN,)
        router.filter = (allow(laptop.ipv4, "10.77.0.0/24", 631),)
        on.gate.tell_all()
        printer.listener(TCP, 631)
        printer.listener(TCP, 80)
        r.host.listener(TCP, 631)
        await soon(lambda: a.host.connects(printer.address, 631), of="the way through the router")
        assert not a.host.connects(printer.address, 80)
        assert not a.host.connects(router.ipv4, 631)
        assert not a.host.connects("192.0.2.254", 631)
        r.end()
        assert r.host.run("cat", "/proc/sys/net/ipv4/ip_forward").strip() == "0"


async def test_down_leaves_the_machine_as_it_was(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        host = on.world.host("laptop")
        before = _picture(host)
        a, _ = on.agent("laptop", host), on.agent("db")
        await on.joined("laptop", "db")
        db = on.gate.seat("db")
        line = f"{db.ipv4} db.net.example.com db db.net.example.com.\n"
        await soon(lambda: line in a.hosts.read_text(), of="the names")
        assert _picture(host) != before
        a.down()
        assert a.process is not None
        assert a.process.wait(10) == 0
        assert _picture(host) == before
        assert a.hosts.read_text() == "127.0.0.1 localhost\n"
        assert "nothing to undo" in a.down()


async def test_down_undoes_what_a_killed_agent_left(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        host = on.world.host("laptop")
        before = _picture(host)
        a = on.agent("laptop", host)
        await on.joined("laptop")
        await soon(lambda: "wardgate" in a.hosts.read_text(), of="the names")
        a.kill()
        assert host.interface in host.run("ip", "link")
        a.down()
        assert _picture(host) == before
        assert a.hosts.read_text() == "127.0.0.1 localhost\n"


def _picture(host: Host) -> tuple[str, ...]:
    """Interfaces, addresses, routes, packet filters and forwarding."""
    links = [(link["ifname"], [each["local"] for each in link["addr_info"]]) for link in _json(host, "addr")]
    routes = [sorted((route["dst"], route["dev"]) for route in _json(host, family, "route")) for family in ("-4", "-6")]
    forward = [
        host.run("cat", f"/proc/sys/net/{name}").strip() for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
    ]
    rules = [host.run("ip", family, "rule", "show") for family in ("-4", "-6")]
    return (str(links), str(routes), host.run("nft", "list", "ruleset"), *rules, *forward)


def _json(host: Host, *words: str) -> list[dict[str, object]]:
    shown: list[dict[str, object]] = json.loads(host.run("ip", "-j", *words) or "[]")
    return shown


async def test_a_device_comes_up_again_without_the_gate(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        await on.joined("laptop", "db")
        on.let("laptop", "db", 5432)
        b.host.listener(TCP, 5432)
        db = on.gate.seat("db")
        await soon(lambda: a.host.connects(db.ipv4, 5432), of="the tunnel")
        await on.gate.close()
        for agent in (a, b):
            agent.end()
            agent.start(enrollment_key=None)
        await soon(lambda: a.host.connects(db.ipv4, 5432), of="the tunnel without the gate")


async def test_an_agent_that_was_away_takes_what_it_missed(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, _ = on.agent("laptop"), on.agent("db")
        await on.joined("laptop", "db")
        await soon(lambda: "db.net" in a.hosts.read_text(), of="the names")
        await on.gate.drop("laptop")
        await soon(lambda: on.gate.seat("laptop").connections == 2, of="the agent's return")
        on.gate.part("laptop", "db")
        await soon(lambda: "db.net" not in a.hosts.read_text(), of="the change")


async def test_a_device_that_the_gate_knows_no_more_has_no_peers_and_lets_nothing_in(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        await on.joined("laptop", "db")
        await soon(lambda: "allowed ips" in b.host.run("wg", "show", b.host.interface), of="the peer")
        await on.gate.drop("db")
        del on.gate.seats[on.gate.seat("db").id]
        await soon(lambda: "peer" not in b.host.run("wg", "show", b.host.interface), of="the peer's going")
        assert "does not take this device's key" in b.said()
        assert a.process is not None


async def test_a_packet_filter_that_others_flush_stands_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a = on.agent("laptop")
        await on.joined("laptop")
        await soon(lambda: "drop" in a.host.run("nft", "list", "ruleset"), of="the filter")
        a.host.run("nft", "flush", "ruleset")
        await soon(lambda: "drop" in a.host.run("nft", "list", "ruleset"), of="the filter again", seconds=30)


async def test_a_neighbour_does_not_reach_a_vpn_address_around_the_tunnel(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a = on.agent("db")
        neighbour = on.world.host("neighbour")
        await on.joined("db")
        await soon(lambda: "drop" in a.host.run("nft", "list", "ruleset"), of="the filter")
        db = on.gate.seat("db")
        a.host.listener(TCP, 5432)
        assert neighbour.connects(a.host.address, 5432)
        neighbour.run("ip", "route", "add", f"{db.ipv4}/32", "via", a.host.address)
        assert not neighbour.connects(db.ipv4, 5432)


async def test_an_agent_tells_where_it_is_and_where_it_sees_its_peers(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        await on.joined("laptop", "db")
        laptop, db = on.gate.seat("laptop"), on.gate.seat("db")
        assert [end.rpartition(":")[0] for end in laptop.endpoints] == [a.host.address]
        await soon(lambda: laptop.observed.get(db.id) == db.endpoints[0], of="the observation")
        assert b.process is not None


async def test_status_and_ping_tell_how_the_tunnel_stands(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, db = on.agent("laptop"), on.world.host("db")
        on.agent("db", db)
        await on.joined("laptop", "db")
        on.let("laptop", "db", 22)
        await soon(lambda: on.gate.seat("laptop").observed, of="a handshake")
        status = a.status()
        assert (status["running"], status["connected"]) == (True, True)
        peers = status["peers"]
        assert isinstance(peers, list)
        assert [(peer["name"], peer["active"]) for peer in peers] == [("db", True)]
        code, said = a.ask("ping", str(a.state), "db")
        assert (code, f"tunnel to db by {db.address}:" in said) == (0, True)
        code, said = a.ask("ping", str(a.state), "nobody")
        assert (code, 'sees no device named "nobody"' in said) == (1, True)


async def test_a_machine_without_ipv6_has_a_tunnel_without_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        host = on.world.host("laptop")
        for name in ("all", "default"):
            host.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        a = on.agent("laptop", host)
        b = on.agent("db")
        await on.joined("laptop", "db")
        on.let("laptop", "db", 5432)
        b.host.listener(TCP, 5432)
        await soon(lambda: a.host.connects(on.gate.seat("db").ipv4, 5432), of="the tunnel")


async def test_an_interface_that_vanished_is_made_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        await on.joined("laptop", "db")
        on.let("laptop", "db", 5432)
        b.host.listener(TCP, 5432)
        db = on.gate.seat("db").ipv4
        await soon(lambda: a.host.connects(db, 5432), of="the tunnel")
        a.host.run("ip", "link", "del", a.host.interface)
        await soon(lambda: a.host.connects(db, 5432), of="the tunnel again", seconds=40)


async def test_an_agent_whose_address_changed_calls_the_gate_anew_and_tells_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a = on.agent("laptop")
        await on.joined("laptop")
        laptop = on.gate.seat("laptop")
        await soon(lambda: a.host.interface in a.host.run("ip", "link"), of="the interface")
        a.host.run("ip", "addr", "add", "192.0.2.77/24", "dev", "eth0")
        a.host.run("ip", "addr", "del", f"{a.host.address}/24", "dev", "eth0")
        a.host.run("ip", "addr", "replace", "192.0.2.77/24", "dev", "eth0")
        await soon(lambda: laptop.connections == 2, of="the new connection", seconds=40)
        await soon(
            lambda: [end.rpartition(":")[0] for end in laptop.endpoints] == ["192.0.2.77"], of="the new endpoint"
        )


async def test_an_exit_node_carries_what_has_no_way_of_its_own_and_down_takes_its_rules_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        far = on.world.far("far")
        host = on.world.host("laptop")
        before = _picture(host)
        a, r = on.agent("laptop", host, exit_node="router"), on.agent("router", advertise_routes=["0.0.0.0/0"])
        await on.joined("laptop", "router")
        laptop, router = on.gate.seat("laptop"), on.gate.seat("router")
        await soon(lambda: "is no exit node for this device" in a.said(), of="the refusal")
        assert not a.host.connects(far.address, 443)
        router.routes = (Prefix("0.0.0.0/0"),)
        router.filter = (allow(laptop.ipv4, "0.0.0.0/0", 443),)
        on.gate.tell_all()
        server = far.listener(TCP, 443)
        await soon(lambda: a.host.connects(far.address, 443), of="the way through the exit node")
        assert server.accept()[1][0] == r.host.address
        near = on.world.host("near")
        printer = near.listener(TCP, 631)
        await soon(lambda: a.host.connects(near.address, 631), of="what is near, past the exit node")
        assert printer.accept()[1][0] == a.host.address
        a.down()
        assert _picture(host) == before
        assert a.host.connects(far.address, 443)


async def test_without_its_exit_node_nothing_leaves_beside_the_tunnel(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        far = on.world.far("far")
        a, r = on.agent("laptop", exit_node="router"), on.agent("router", advertise_routes=["0.0.0.0/0"])
        await on.joined("laptop", "router")
        laptop, router = on.gate.seat("laptop"), on.gate.seat("router")
        router.routes = (Prefix("0.0.0.0/0"),)
        router.filter = (allow(laptop.ipv4, "0.0.0.0/0", 443),)
        on.gate.tell_all()
        far.listener(TCP, 443)
        await soon(lambda: a.host.connects(far.address, 443), of="the way through the exit node")
        r.end()
        assert not a.host.connects(far.address, 443)
        a.host.run("ip", "link", "del", a.host.interface)
        assert not a.host.connects(far.address, 443)
        await on.gate.drop("laptop")
        await soon(lambda: laptop.connections == 2, of="the gate, beside the exit node")


async def test_an_ipv6_router_goes_on_hearing_its_own_routers_and_down_restores_that(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        r = on.agent("router", advertise_routes=["fd00:77::/64"])
        await on.joined("router")
        heard = "/proc/sys/net/ipv6/conf/eth0/accept_ra"
        assert r.host.run("cat", heard).strip() == "1"
        on.gate.seat("router").routes = (Prefix("fd00:77::/64"),)
        on.gate.tell_all()
        await soon(lambda: r.host.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding").strip() == "1", of="forwarding")
        assert r.host.run("cat", heard).strip() == "2"
        r.end()
        assert r.host.run("cat", heard).strip() == "1"


async def test_others_come_and_go_without_a_packet_lost_between_two(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        on.agent("guest")
        await on.joined("laptop", "db", "guest")
        on.let("laptop", "db", 9000, 9001)
        db = on.gate.seat("db")
        b.host.listener(TCP, 9001)
        await soon(lambda: a.host.connects(db.ipv4, 9001), of="the tunnel")
        server, client = b.host.listener(UDP, 9000), a.host.listener(UDP, 0)
        client.connect((db.ipv4, 9000))
        for number in range(200):
            if number % 20 == 0:
                on.gate.part("guest", "laptop") if number % 40 == 0 else on.gate.join("guest", "laptop")
                on.gate.part("guest", "db") if number % 40 == 0 else on.gate.join("guest", "db")
                on.let("guest", "db", 1000 + number)
            client.send(b"%d" % number)
            await asyncio.sleep(0.01)
        server.settimeout(1)
        arrived: list[int] = []
        with contextlib.suppress(TimeoutError):
            while len(arrived) < 200:
                arrived.append(int(server.recv(10)))
        assert arrived == list(range(200))


async def test_a_network_over_ipv6_alone(tmp_path: Path) -> None:
    async with stage(tmp_path, address="2001:db8::254") as on:
        hosts = [on.world.host(label) for label in ("laptop", "db")]
        for number, host in enumerate(hosts, 1):
            host.run("ip", "addr", "del", f"{host.address}/24", "dev", "eth0")
            host.run("ip", "addr", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
        a, b = on.agent("laptop", hosts[0]), on.agent("db", hosts[1])
        await on.joined("laptop", "db")
        on.let("laptop", "db", 5432)
        b.host.listener(TCP, 5432)
        await soon(lambda: a.host.connects(on.gate.seat("db").ipv4, 5432), of="the tunnel")
        assert on.gate.seat("db").endpoints[0].startswith("[2001:db8::2]:")
