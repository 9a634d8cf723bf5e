"""Agents by the thousand in a process of their own: `python -m bench.peers_clients PORT`, told what to do by lines.

    connect FIRST COUNT AT_A_TIME   each until it has its whole map
    mark                            lines count from here
    mark later                      and what comes is read and stamped at once, but put into plain text only at `await`
    await N LINES                   until N agents got so many lines
    say NUMBER LINE                 an agent says a line
    end

Times are of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import re
import sys
import time
from typing import Any, ClassVar

import asyncssh
from asyncssh import connection

from bench.peers_network import private_text

NOW = time.monotonic
RETRY = re.compile(r"retry in (\d+) s")


class Agent(asyncssh.SSHClientSession):  # type: ignore[type-arg, misc]
    """Counts lines; what they say is not looked at, so that the clients take little of the machine."""

    clock = staticmethod(NOW)
    __slots__ = ("channel", "connection", "first_at", "last_at", "lines", "whole")

    def __init__(self) -> None:
        self.lines = 0
        self.first_at = self.last_at = 0.0
        self.whole = asyncio.get_running_loop().create_future()

    def connection_made(self, chan: Any) -> None:
        self.channel = chan

    def data_received(self, data: bytes, datatype: Any) -> None:
        ends = data.count(b"\n")
        if ends:
            self.lines += ends
            self.last_at = self.clock()
            if not self.first_at:
                self.first_at = self.last_at
                self.whole.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.whole.done():
            self.whole.set_exception(exc or ConnectionError("the gate ended the session"))


class Connection(asyncssh.SSHClientConnection):
    """Where agents are thousands, the machines on which they are decrypt at the same time. Here that would be counted
    as the gate's: a connection on `hold` stamps what comes, and takes it apart when it is let go."""

    hold = False
    held: ClassVar[list[tuple[Connection, float, bytes]]] = []

    def data_received(self, data: bytes, datatype: Any = None) -> None:
        if Connection.hold:
            Connection.held.append((self, NOW(), data))
        else:
            super().data_received(data, datatype)

    @classmethod
    def let_go(cls) -> None:
        cls.hold = False
        held, cls.held = cls.held, []
        for one, at, data in held:
            Agent.clock = staticmethod(lambda at=at: at)
            one.data_received(data)
        Agent.clock = staticmethod(NOW)


connection.SSHClientConnection = Connection  # type: ignore[misc]  # what asyncssh.connect makes


class Crowd:
    def __init__(self, port: int) -> None:
        self.port = port
        self.agents: dict[int, Agent] = {}
        self.began: dict[int, float] = {}
        self.turned_away = 0
        self.marks: dict[int, int] = {}
        self.options = asyncssh.SSHClientConnectionOptions(
            username="device", config=None, agent_path=None, known_hosts=None, preferred_auth="publickey",
            compression_algs=None, encryption_algs=["aes128-gcm@openssh.com"], kex_algs=["curve25519-sha256"],
            client_version="WardgateAgent", login_timeout=120, client_keys=[], gss_host=None,
        )  # fmt: skip

    async def connect(self, number: int) -> None:
        self.began.setdefault(number, time.monotonic())
        key = asyncssh.import_private_key(private_text(number))
        options = asyncssh.SSHClientConnectionOptions(self.options, client_keys=[key])
        where = f"127.{1 + number // 60000}.{number // 250 % 240}.{number % 250 + 1}"
        while True:
            try:
                made = await asyncssh.connect("127.0.0.1", self.port, options=options, local_addr=(where, 0))
                _, agent = await made.create_session(Agent, subsystem="peers", encoding=None)
                agent.channel.write(b'{"type":"hello"}\n')
                await agent.whole
            except (OSError, asyncssh.Error) as error:
                told = RETRY.search(str(error))
                self.turned_away += 1
                await asyncio.sleep(int(told[1]) * random.uniform(0.9, 1.0) if told else random.uniform(0.5, 2))
                continue
            agent.connection = made
            self.agents[number] = agent
            return

    async def connect_all(self, first: int, count: int, at_a_time: int) -> dict[str, float]:
        gate = asyncio.Semaphore(at_a_time)

        async def one(number: int) -> None:
            async with gate:
                await self.connect(number)

        began = time.monotonic()
        await asyncio.gather(*(one(number) for number in range(first, first + count)))
        some = [self.agents[number] for number in range(first, first + count)]
        gc.freeze()
        return {
            "done": count, "began": began, "last": max(agent.first_at for agent in some),
            "slowest": max(self.agents[n].first_at - self.began[n] for n in range(first, first + count)),
            "turned_away": self.turned_away,
        }  # fmt: skip

    def mark(self, *, later: bool) -> None:
        Connection.hold = later
        self.marks = {number: agent.lines for number, agent in self.agents.items()}

    async def wait(self, count: int, lines: int) -> dict[str, float]:
        def arrived() -> list[float]:
            return [agent.last_at for number, agent in self.agents.items() if agent.lines >= self.marks[number] + lines]

        async with asyncio.timeout(60):
            while Connection.hold and len({id(one) for one, _, _ in Connection.held}) < count:
                await asyncio.sleep(0.05)
            Connection.let_go()
            while len(found := arrived()) < count:
                await asyncio.sleep(0.05)
        return {"last": max(found, default=0.0)}


async def main(port: int) -> None:
    crowd = Crowd(port)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode():
        what, *words = line.split(maxsplit=3) if line.startswith("connect") else line.split(maxsplit=2)
        answer: dict[str, float] = {}
        match what:
            case "connect":
                answer = await crowd.connect_all(int(words[0]), int(words[1]), int(words[2]))
            case "mark":
                crowd.mark(later=bool(words))
            case "await":
                answer = await crowd.wait(int(words[0]), int(words[1]))
            case "say":
                agent = crowd.agents[int(words[0])]
                answer = {"said": time.monotonic()}
                agent.channel.write(words[1].encode() + b"\n")
            case "end":
                for agent in crowd.agents.values():
                    agent.connection.abort()
                crowd.agents.clear()
                await asyncio.sleep(0)
        print(json.dumps(answer), flush=True)


def run() -> None:
    asyncssh.set_log_level("CRITICAL")
    try:
        import uvloop

        uvloop.run(main(int(sys.argv[1])))
    except ImportError:
        asyncio.run(main(int(sys.argv[1])))


if __name__ == "__main__":
    run()
