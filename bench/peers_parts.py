"""What the benches of the peers door run: a gate, crowds of clients, and what the kernel counts of them."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """Of a process, user's and system's; with `children`, of those that it waited for too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if children else 13])) / TICKS


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


SLABS = {"TCP", "TCPv6", "request_sock_TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "tcp_bind_bucket"}


def kernel_bytes() -> int | None:
    """What the kernel keeps in sockets and files, both ends of each connection; None where it does not say."""
    try:
        rows = [line.split() for line in Path("/proc/slabinfo").read_text().splitlines()[2:]]
    except OSError:
        return None
    return sum(int(row[1]) * int(row[3]) for row in rows if row[0] in SLABS)


def raw_send_us(count: int = 2000, size: int = 200, rounds: int = 5) -> float:
    """Microseconds of CPU to send `size` bytes on a TCP connection of this machine, without SSH and without readers:
    what telling a connected agent anything costs at the least. The best of some rounds over `count` connections."""
    with contextlib.ExitStack() as open_:
        listener = open_.enter_context(socket.create_server(("127.0.0.1", 0), backlog=count))
        near, data, took = [], bytes(size), []
        for _ in range(count):
            near.append(open_.enter_context(socket.create_connection(listener.getsockname())))
            open_.enter_context(listener.accept()[0])
        for one in near:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(rounds):
            began = time.process_time()
            for one in near:
                one.send(data)
            took.append((time.process_time() - began) / count)
    return min(took) * 1_000_000


class Crowds:
    """Client processes that share the agents out among them."""

    def __init__(self, port: int, count: int) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.peers_clients", str(port)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True,
            ) for _ in range(count)
        ]  # fmt: skip

    def ask(self, *lines: str) -> list[dict[str, float]]:
        """A line for each process, or one for all; their answers."""
        for process, line in zip(self.processes, lines if len(lines) > 1 else lines * len(self.processes), strict=True):
            assert process.stdin
            process.stdin.write(line + "\n")
            process.stdin.flush()
        return [self._answer(process) for process in self.processes]

    def tell(self, place: int, line: str) -> dict[str, float]:
        process = self.processes[place]
        assert process.stdin
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return self._answer(process)

    @staticmethod
    def _answer(process: subprocess.Popen[str]) -> dict[str, float]:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("a process of clients ended")
        return json.loads(line)  # type: ignore[no-any-return]

    def connect(self, first: int, count: int, at_a_time: int = 200) -> dict[str, float]:
        """All of them; seconds from the first try to the last first map."""
        share = -(-count // len(self.processes))
        lines = []
        for place in range(len(self.processes)):
            begin = first + place * share
            lines.append(f"connect {begin} {max(0, min(share, first + count - begin))} {at_a_time}")
        found = [each for each in self.ask(*lines) if each.get("done")]
        return {
            "seconds": max(each["last"] for each in found) - min(each["began"] for each in found),
            "slowest": max(each["slowest"] for each in found),
            "turned_away": sum(each["turned_away"] for each in found),
        }

    def cpu(self) -> float:
        return sum(cpu_seconds(process.pid) for process in self.processes)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def crowds(port: int, count: int = 2) -> Iterator[Crowds]:
    made = Crowds(port, count)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def a_gate(state: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`wardgate serve` on the state, and its port."""
    program = str(Path(sys.executable).with_name("wardgate"))
    process = subprocess.Popen(
        [program, "serve", "--state", str(state), "--listen", "127.0.0.1:0", "--log-level", "warning"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        yield process, int(line.split()[2].rpartition(":")[2])
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wardgate(state: Path, *words: str) -> str:
    program = str(Path(sys.executable).with_name("wardgate"))
    return subprocess.run(
        [program, *words, "--state", str(state)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout  # fmt: skip


def limit_files() -> None:
    """Lets this process and what it starts open as many files as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
