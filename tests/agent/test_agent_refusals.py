"""What an agent does not do: trust blindly, stand without a filter, take what is another's, break on a strange gate."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from agent_world import Host, RunningAgent, World, world
from played_gate import PlayedGate, played_gate, soon

from model.enrollment import format_enrollment_key
from model.keys import SSHKey
from model.netmap import Delta
from model.wire import Hello, Refused, RotateKey, write_line

pytestmark = [pytest.mark.root, pytest.mark.needs("ip", "wg", "nft")]


class Stage:
    def __init__(self, made: World, gate: PlayedGate, folder: Path) -> None:
        self.world, self.gate, self._folder = made, gate, folder
        self.agents: list[RunningAgent] = []

    def agent(self, label: str = "laptop", host: Host | None = None) -> RunningAgent:
        agent = RunningAgent(
            host or self.world.host(label), self._folder / label, host=self.gate.address, port=self.gate.port,
            hostname=label, enrollment_key=str(self.gate.enrollment_key()),
        )  # fmt: skip
        self.agents.append(agent)
        return agent

    async def ended(self, agent: RunningAgent) -> str:
        """What an agent said that ended by itself, with status 1."""
        assert agent.process is not None
        await soon(lambda: agent.process.poll() is not None, of="the agent's end")  # type: ignore[union-attr]
        assert agent.process.returncode == 1
        return agent.said()

    async def connected(self, agent: RunningAgent, label: str = "laptop") -> None:
        seats = self.gate.seats
        await soon(lambda: any(s.name == label and s.channel for s in seats.values()), of=f"{label}: {agent.said()}")


@contextlib.asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    with world() as made:
        door = Host(made.hub, made.gate_address).listener(socket.SOCK_STREAM, 0, made.gate_address)
        async with played_gate(door, made.gate_address) as gate:
            here = Stage(made, gate, folder)
            try:
                yield here
            finally:
                for agent in here.agents:
                    agent.end()


# Trust.


async def test_a_gate_of_another_ca_is_sent_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        another = SSHKey(asyncssh.generate_private_key("ssh-ed25519").public_data)
        agent = on.agent().start(enrollment_key=str(format_enrollment_key("a" * 28, another)))
        said = await on.ended(agent)
        assert "is not the gate that this device was told of: Host CA key is not trusted" in said
        assert on.gate.seats == {}


async def test_a_host_of_the_network_that_is_not_the_gate_is_sent_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.gate.certificate_for("db-1.net.example.com")
        said = await on.ended(on.agent().start())
        assert "principal mismatch" in said
        assert on.gate.seats == {}


async def test_a_gate_without_a_certificate_is_sent_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.gate.certificate_for(None)
        said = await on.ended(on.agent().start())
        assert re.search("(shows no|before it showed a) host certificate of its network", said)
        assert "is this the gate's port" in said
        assert on.gate.seats == {}


# The machine.


async def test_without_nft_it_does_not_begin(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent()
        tools = tmp_path / "bin"
        tools.mkdir()
        for program in ("ip", "wg"):
            (tools / program).symlink_to(shutil.which(program) or "")
        agent.environment = {"PATH": str(tools)}
        said = await on.ended(agent.start())
        assert "there is no nft program here" in said
        assert "apt-get install nftables" in said
        assert agent.host.interface not in agent.host.run("ip", "link")


async def test_an_interface_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent()
        agent.host.run("ip", "link", "add", agent.host.interface, "type", "bridge")
        said = await on.ended(agent.start())
        assert "is not this agent's" in said
        assert agent.host.interface in agent.host.run("ip", "link")
        assert agent.host.run("nft", "list", "ruleset") == ""
        assert on.gate.seats == {}


async def test_a_second_agent_on_one_state_is_refused_and_the_first_lives(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent().start()
        await on.connected(agent)
        second = on.agent(host=agent.host)
        said = await on.ended(second.start())
        assert f"an agent is running on this state (process {agent.process.pid})" in said  # type: ignore[union-attr]
        assert agent.process is not None
        assert agent.process.poll() is None


async def test_a_hosts_file_that_is_a_mount_point_is_written_in_place(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent()
        source = tmp_path / "bound"
        source.write_text("127.0.0.1 localhost\n")
        subprocess.run(["mount", "--bind", str(source), str(agent.hosts)], check=True)
        try:
            agent.start()
            await on.connected(agent)
            await soon(lambda: "laptop.net.example.com" in source.read_text(), of="the names")
            agent.end()
            assert source.read_text() == "127.0.0.1 localhost\n"
        finally:
            subprocess.run(["umount", str(agent.hosts)], check=True)


# Enrollment.


async def test_a_machine_in_no_network_needs_a_key_or_a_person(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        said = await on.ended(on.agent().start(enrollment_key=None))
        assert "nothing says who lets it in" in said
        assert "--key-file FILE" in said


async def test_a_refused_key_is_told_in_the_gates_words(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent()
        on.gate.keys.clear()
        said = await on.ended(agent.start())
        assert "error: no such enrollment key" in said
        assert "hint: ask" in said


async def test_an_enrollment_key_is_not_used_again_by_a_device_that_is_in(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent().start()
        await on.connected(agent)
        agent.end()
        agent.start()
        await soon(lambda: on.gate.seat("laptop").connections == 2, of="the return")
        assert len(on.gate.seats) == 1


# The gate.


async def test_a_delta_that_does_not_fit_makes_it_ask_for_the_whole_map(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent().start()
        await on.connected(agent)
        seat = on.gate.seat("laptop")
        assert seat.channel is not None
        seat.channel.stdout.write(write_line(Delta(version=900, base=899)))  # type: ignore[arg-type]
        await soon(lambda: Hello(version=0) in seat.heard[1:], of="the question")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"type":"netmap"}\n', id="a-map-without-parts"),
        pytest.param(b"\xff\xfe\n", id="not-utf-8"),
        pytest.param(b"[" * 100_000 + b"\n", id="deep"),
        pytest.param(b"no json\n", id="no-json"),
    ],
)
async def test_a_line_that_breaks_the_protocol_ends_the_connection_not_the_agent(tmp_path: Path, line: bytes) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent().start()
        await on.connected(agent)
        seat = on.gate.seat("laptop")
        assert seat.channel is not None
        seat.channel.stdout.write(line)
        await soon(lambda: seat.connections == 2, of="the return")
        assert agent.host.interface in agent.host.run("ip", "link")


async def test_a_line_of_a_later_protocol_is_passed_over(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent().start()
        await on.connected(agent)
        seat = on.gate.seat("laptop")
        assert seat.channel is not None
        seat.channel.stdout.write(b'{"type":"weather","sunny":true}\n')
        on.gate.names["api.net.example.com"] = {"A": ("100.64.0.9",)}
        on.gate.tell_all()
        await soon(lambda: "api.net.example.com" in agent.hosts.read_text(), of="the change after it")
        assert seat.connections == 1


async def test_a_gate_that_is_full_says_when_to_come_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.gate.refuse = Refused(code="limited", message="the gate is full", retry_after=3)
        agent = on.agent().start()
        await soon(lambda: "the gate is full" in agent.said(), of="the refusal")
        on.gate.refuse = None
        await on.connected(agent)


async def test_a_new_key_whose_offer_was_lost_with_its_connection_is_offered_on_the_next(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        agent = on.agent().start()
        await on.connected(agent)
        agent.end()
        agent.start(enrollment_key=None, rotate_key=True)
        seat = on.gate.seat("laptop")

        def offers() -> list[RotateKey]:
            return [line for line in seat.heard if isinstance(line, RotateKey)]

        await soon(lambda: len(offers()) == 1, of="the offer")
        assert seat.channel is not None
        seat.channel.close()  # before any challenge
        await soon(lambda: len(offers()) == 2, of="the offer on the next connection")
        assert len(set(offers())) == 1
