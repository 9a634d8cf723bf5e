"""The console over 100,000 devices: from a key to what it paints, quiet and while a hundred changes a second go on.

One gate and one session in this process, painting on a channel in memory: what SSH adds is in `console_frame`.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import statistics
import tempfile
import time
import weakref
from pathlib import Path

from bench.report import Figures, report
from bench.store_pages import _fill
from console.app.app import ConsoleApp
from console.app.gatebackend import GateBackend
from console.commandline.face import execute
from gate.actor import GATE, local_actor
from gate.faces import Terminal
from gate.gate import DATABASE, Gate
from gate.network import NewNetwork, init
from gate.services import settings
from model.ids import UserName
from store import Store, users
from tests.console.app.channels import MemoryChannel, until

DEVICES, STEP = 100_000, 5_000
KEYS = 60
SESSIONS = 200
TERMINAL = Terminal(term="xterm-256color", columns=120, rows=36, environment={"COLORTERM": "truecolor"})


def _network(state: Path) -> None:
    init(state, NewNetwork(domain="net.example.com", owner="alice"))
    store, random_ = Store.open(state / DATABASE), random.Random(7)
    for number in range(2_000):
        store.transact(lambda tx, n=number: users.add(tx, name=UserName(f"person{n}@example.com")))  # type: ignore[misc]
    for first in range(0, DEVICES, STEP):
        store.transact(lambda tx, f=first: _fill(tx, random_, f, STEP))  # type: ignore[misc]
    store.close()


async def _changes(gate: Gate) -> None:
    """A hundred a second, one setting after the other."""
    for number in itertools.count():
        await gate.perform(settings.set_setting, GATE, key="devices.per-person", value=str(10 + number % 1000))
        await asyncio.sleep(0.01)


async def _painted(channel: MemoryChannel, key: str) -> float:
    """Milliseconds from `key` to the first bytes that it brings."""
    before = len(channel.written)
    started = time.perf_counter()
    channel.type(key)
    while len(channel.written) == before:
        await asyncio.sleep(0)
    return (time.perf_counter() - started) * 1000


async def _series(channel: MemoryChannel, key: str, count: int = KEYS) -> list[float]:
    out = []
    for _ in range(count):
        out.append(await _painted(channel, key))
        await asyncio.sleep(0.03)
    return sorted(out)


async def _searched(app: ConsoleApp, channel: MemoryChannel, text: str) -> float:
    """Milliseconds from the last letter of `text` to its rows."""
    channel.type("/" + text[:-1])
    await asyncio.sleep(0.3)
    started = time.perf_counter()
    channel.type(text[-1])
    pages = app.view.pages  # type: ignore[attr-defined]
    await until(lambda: pages.query.filter.endswith(text) and pages.settled)
    took = (time.perf_counter() - started) * 1000
    channel.type("\x1b")
    await asyncio.sleep(0.4)
    return took


async def _sessions(gate: Gate) -> tuple[float, int]:
    """Memory of a session in KiB, and apps that live on after `SESSIONS` were opened and closed."""
    opened = [await _open(gate) for _ in range(5)]
    before = _resident()
    opened += [await _open(gate) for _ in range(20)]
    each = (_resident() - before) / 20
    for app, channel, running in opened:
        channel.close()
        await running
        del app
    opened.clear()
    apps: list[weakref.ref[ConsoleApp]] = []
    for _ in range(SESSIONS):
        app, channel, running = await _open(gate)
        apps.append(weakref.ref(app))
        channel.type("3j\x11")
        await running
        del app, channel, running
    await asyncio.sleep(0.3)
    gc.collect()
    return each, sum(ref() is not None for ref in apps)


def _resident() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4.0


async def _open(gate: Gate, *words: str) -> tuple[ConsoleApp, MemoryChannel, asyncio.Task[int]]:
    channel = MemoryChannel(TERMINAL)
    app = ConsoleApp(GateBackend(gate, local_actor(0), TERMINAL, execute), channel, words)
    running = asyncio.create_task(app.run_on_channel())
    await until(lambda: app.view.ready)
    return app, channel, running


async def _measure(state: Path) -> Figures:
    async with await Gate.open(state) as gate:
        started = time.perf_counter()
        app, channel, running = await _open(gate, "devices")
        opened = (time.perf_counter() - started) * 1000
        await asyncio.sleep(1)
        quiet = await _series(channel, "j")
        pages = await _series(channel, "\x1b[6~", 30)
        found = await _searched(app, channel, "tromso-db")
        busy = asyncio.create_task(_changes(gate))
        await asyncio.sleep(0.5)
        loud = await _series(channel, "j")
        busy.cancel()
        app.exit()
        await running
        each, alive = await _sessions(gate)
    return {
        "open_ms": round(opened, 1),
        "key_to_paint_ms": round(statistics.median(quiet), 1),
        "key_to_paint_p95_ms": round(quiet[int(len(quiet) * 0.95)], 1),
        "key_to_paint_under_changes_ms": round(statistics.median(loud), 1),
        "key_to_paint_under_changes_p95_ms": round(loud[int(len(loud) * 0.95)], 1),
        "page_down_ms": round(statistics.median(pages), 1),
        "search_ms": round(found, 1),
        "session_kib": round(each),
        "apps_alive_after_200_sessions": alive,
    }


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "net"
        _network(state)
        return asyncio.run(_measure(state))


if __name__ == "__main__":
    report("console_table", figures())
