"""Keys in a list of 100,000 devices, through the real `ssh`: to what they paint, quiet and under 100 changes a second.

A search is timed from its last letter to the rows it finds on the screen, and to their exact number beside it. Bytes
are what `ssh` wrote on the terminal.
"""

from __future__ import annotations

import itertools
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.console_network import DEVICES, a_network, served
from bench.console_terminal import ROWS, Terminal
from bench.report import Figures, report
from store import Query, Store, devices
from store.layout import DATABASE

KEYS, PAGES, SEARCHES, CHANGES = 80, 30, 5, 100
WORDS = {
    "letter": "e", "digit": "9", "absent_letter": "~", "absent": "zz", "absent_word": "qqq", "far_down": "tr",
    "many": "example.com", "suffix": "-99", "two": "osaka 99", "one": "77777",
}  # fmt: skip
"""The dearest there are for one way of finding or another."""
LIST, FILTER = 5, 2
"""Rows of the screen: the first of the list, and the filter's."""
PAGE_DOWN, ESC = "\x1b[6~", "\x1b"
_NAME = re.compile(r"[a-z]+(?:-\w+)+")


class List:
    """The list on a terminal, as far as it can be told from what stands there."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self.screen = terminal, terminal.screen

    def cursor(self) -> int:
        return next((y for y in range(LIST, ROWS) if self.screen.cells[y][1] == "▌"), 0)

    def first(self) -> str:
        found = _NAME.search(self.screen.row(LIST)[:30])
        return found[0] if found else ""

    def place(self) -> str:
        """Where in the list this is; empty while its rows have not come."""
        return self.first() and f"{self.first()} {self.cursor()}"

    def pressed(self, key: str, told: Callable[[], object]) -> float:
        """Milliseconds from `key` until what is told of the screen is another."""
        before = told()
        typed = self.terminal.type(key)
        return (self.terminal.until(lambda: told() not in {before, ""}) - typed) * 1000


def _moves(shown: List, count: int) -> list[float]:
    """Down and up again, so that the list need not be scrolled."""
    took = []
    for number in range(count):
        took.append(shown.pressed("jk"[number // 10 % 2], shown.cursor))
        shown.terminal.drain(0.06)
    return took


def _pages(shown: List) -> list[float]:
    took = []
    for _ in range(PAGES):
        took.append(shown.pressed(PAGE_DOWN, shown.place))
        shown.terminal.drain(0.12)
    shown.terminal.type("g")
    shown.terminal.drain(0.5)
    return took


def _search(shown: List, word: str, first: str, total: int) -> tuple[float, float]:
    """Milliseconds to the rows, and to their number."""
    terminal = shown.terminal
    terminal.type("/")
    terminal.drain(0.3)
    for letter in word[:-1]:
        terminal.type(letter)
        terminal.drain(0.15)
    terminal.drain(0.3)
    before = shown.first()
    typed = terminal.type(word[-1])
    found = 0.0
    if total and first != before:
        found = terminal.until(lambda: shown.first() == first) - typed
    counted = terminal.until(lambda: f" {total:,} of " in shown.screen.row(FILTER)) - typed
    terminal.type(ESC)
    terminal.drain(0.6)
    return (found or counted) * 1000, counted * 1000


def _percentiles(name: str, took: list[float]) -> Figures:
    took = sorted(took)
    return {
        f"{name}_ms": round(statistics.median(took), 1),
        f"{name}_p95_ms": round(took[int(len(took) * 0.95)], 1),
    }


def _searches(shown: List, expected: dict[str, tuple[str, int]]) -> Figures:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WORDS}
    for _, name in itertools.product(range(SEARCHES), WORDS):
        found[name].append(_search(shown, WORDS[name], *expected[name]))
    rows = {name: statistics.median(first for first, _ in took) for name, took in found.items()}
    counts = {name: statistics.median(second for _, second in took) for name, took in found.items()}
    return {
        **{f"search_{name}_ms": round(took, 1) for name, took in rows.items()},
        "search_worst_ms": round(max(rows.values()), 1),
        "search_p95_ms": round(
            sorted(row for took in found.values() for row, _ in took)[-len(WORDS) * SEARCHES // 20], 1
        ),
        "search_counted_worst_ms": round(max(counts.values()), 1),
    }


def _bytes(shown: List, rename: Callable[[str, str], object]) -> Figures:
    terminal = shown.terminal
    terminal.drain(2)
    idle = terminal.drain(15) / 15
    sizes = []
    for key in "jjjjjkkkkk":
        before = terminal.received
        shown.pressed(key, shown.cursor)
        terminal.drain(0.1)
        sizes.append(terminal.received - before)
    before, seconds = terminal.received, 4
    rename(shown.first(), f"{shown.first()}-a")
    terminal.drain(seconds)
    return {
        "bytes_a_key": round(statistics.median(sizes)),
        "bytes_an_idle_minute": round(idle * 60),
        "bytes_a_changed_row": round(terminal.received - before - idle * seconds),
    }


def _expected(state: Path) -> dict[str, tuple[str, int]]:
    """The first row and the number of rows of each search."""
    store = Store.open(state / DATABASE)
    pages = {name: store.read(lambda r, w=word: devices.page(r, Query(filter=w))) for name, word in WORDS.items()}  # type: ignore[misc]
    store.close()
    return {name: (page.rows[0].name if page.rows else "", page.total) for name, page in pages.items()}  # type: ignore[attr-defined]


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "net"
        key = a_network(state)
        expected = _expected(state)
        with served(state) as gate:
            terminal = Terminal(gate.port, key, "devices")
            shown = List(terminal)
            terminal.shows(f"{DEVICES:,} devices")
            terminal.drain(1)
            quiet = _moves(shown, KEYS)
            pages = _pages(shown)
            searched = _searches(shown, expected)
            sizes = _bytes(shown, lambda name, new: gate.ask(f"rename {name} {new}"))
            version, started = gate.ask(f"changes {CHANGES}")["version"], time.monotonic()
            terminal.drain(2)
            cpu = gate.cpu_ms()
            loud = _moves(shown, KEYS)
            loud_pages = _pages(shown)
            seconds = time.monotonic() - started
            cpu = gate.cpu_ms() - cpu
            changed = gate.ask("changes 0")["version"] - version
            terminal.leave()
        return {
            **_percentiles("key_to_paint", quiet), **_percentiles("page_down", pages), **searched, **sizes,
            **_percentiles("key_to_paint_under_changes", loud), **_percentiles("page_down_under_changes", loud_pages),
            "changes_per_second": round(changed / seconds), "gate_cpu_under_changes_percent": round(cpu / seconds / 10),
        }  # fmt: skip


if __name__ == "__main__":
    report("console_keys", figures())
