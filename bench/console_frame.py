"""From TCP connect to the first frame of the console over SSH, and from a key to what it paints.

The client is asyncssh in this process, on the same machine: its own share of each figure is in `login_ms`, which ends
where the session would be asked for.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from bench.report import Figures, report

ROUNDS = 15
KEYS = 30
FIRST = b"This network is empty"
OTHER = b"No devices yet"
PROGRAM = Path(sys.executable).with_name("wardgate")


@contextmanager
def _served(folder: Path) -> Iterator[int]:
    """A new network, served; gives the port."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    key.write_public_key(folder / "key.pub")
    words = ["init", "--state", folder / "net", "--domain", "net.example.com", "--owner", "alice"]
    subprocess.run([PROGRAM, *words, "--owner-key", folder / "key.pub"], check=True, stdout=subprocess.DEVNULL)
    gate = subprocess.Popen(
        [PROGRAM, "serve", "--state", folder / "net", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert gate.stdout
        yield int(gate.stdout.readline().split()[2].rpartition(":")[2])
    finally:
        gate.terminate()
        gate.wait()


async def _until(process: asyncssh.SSHClientProcess[bytes], text: bytes) -> None:
    seen = b""
    while text not in seen:
        got = await process.stdout.read(65536)
        assert got, "the console ended"
        seen += got


async def _visit(port: int, key: Path, paints: list[float]) -> tuple[float, float]:
    """Seconds from connecting to being logged in, and to the first frame."""
    started = time.perf_counter()
    async with asyncssh.connect(
        "127.0.0.1", port, username="alice", client_keys=[str(key)], known_hosts=None, config=None
    ) as connection:
        logged_in = time.perf_counter() - started
        async with connection.create_process(term_type="xterm-256color", term_size=(120, 36), encoding=None) as process:
            await _until(process, FIRST)
            first_frame = time.perf_counter() - started
            await asyncio.sleep(0.3)  # what the console does once it stands
            for _ in range(KEYS if not paints else 0):
                for press, text in ((b"3", OTHER), (b"1", FIRST)):
                    pressed = time.perf_counter()
                    process.stdin.write(press)
                    await _until(process, text)
                    paints.append(time.perf_counter() - pressed)
                    await asyncio.sleep(0.05)
            process.stdin.write(b"\x11")  # ctrl+q
    return logged_in, first_frame


async def _measure(port: int, key: Path) -> Figures:
    paints: list[float] = []
    cold = await _visit(port, key, [0.0])
    visits = [await _visit(port, key, paints) for _ in range(ROUNDS)]
    logins, frames = (sorted(column) for column in zip(*visits, strict=True))
    paints.sort()
    return {
        "login_ms": round(statistics.median(logins) * 1000, 1),
        "first_frame_ms": round(statistics.median(frames) * 1000, 1),
        "first_frame_of_the_first_console_ms": round(cold[1] * 1000, 1),
        "key_to_paint_ms": round(statistics.median(paints) * 1000, 1),
        "key_to_paint_p95_ms": round(paints[int(len(paints) * 0.95)] * 1000, 1),
    }


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as port:
        return asyncio.run(_measure(port, Path(folder) / "key"))


if __name__ == "__main__":
    report("console_frame", figures())
