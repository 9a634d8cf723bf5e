"""What goes wrong over a real connection, with `ssh` and its terminal: the one who has it, and those who have not."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminals import ServedGate, Tmux, a_served_gate, a_terminal_at

pytestmark = [pytest.mark.needs("tmux", "ssh", "ssh-keygen"), pytest.mark.timeout(120)]


@contextlib.contextmanager
def a_client(gate: ServedGate, columns: int = 100, rows: int = 30) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`ssh -tt` on a pseudo-terminal whose outer end is the test's: it reads when it likes, or never."""
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (rows, columns))
    process = subprocess.Popen(
        gate.ssh("-tt", "alice@127.0.0.1"), stdin=inner, stdout=inner, stderr=inner,
        env={**os.environ, "TERM": "xterm-256color"},
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),  # noqa: PLW1509 - no thread is here
    )  # fmt: skip
    os.close(inner)
    try:
        yield process, outer
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            os.close(outer)


def read_until(outer: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(outer, 65536)
    return seen


def is_served(gate: ServedGate) -> None:
    """Another operator's console opens and acts as if nothing had been."""
    with a_terminal_at(gate, "devices") as terminal:
        terminal.shows("Devices", "db-fra-2")
        terminal.keys("C-q")
        terminal.shows("ended with 0")


def consoles_are(gate: ServedGate, count: int) -> None:
    """Waits until so many connections stand at the gate's port."""
    end = time.monotonic() + 30
    while True:
        found = subprocess.run(  # noqa: PLW1510 - an empty answer is one
            ["ss", "-Htn", "state", "established", f"( sport = :{gate.port} )"], capture_output=True, text=True
        ).stdout.splitlines()
        if len(found) == count:
            return
        assert time.monotonic() < end, found
        time.sleep(0.1)


def test_a_client_that_vanishes_leaves_nothing_behind(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        with a_client(gate) as (process, outer):
            read_until(outer, b"Certificates")
            process.send_signal(signal.SIGKILL)
            process.wait()
        consoles_are(gate, 0)
        is_served(gate)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_client_that_stops_reading_holds_nobody_up_and_sees_the_last_state_when_it_reads_again(
    tmp_path: Path,
) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        with a_client(gate, 300, 100) as (process, outer):
            read_until(outer, b"Certificates")
            for _ in range(120):
                os.write(outer, b"\x0c3\x0c1")
            is_served(gate)
            gate.run("devices", "rename", "ci-fra-1", "renamed-1")
            os.write(outer, b"3/renamed\r")
            read_until(outer, b"renamed-1")
            assert process.poll() is None
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_terminal_of_one_cell_and_one_of_none_come_back(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        with a_client(gate) as (process, outer):
            read_until(outer, b"Certificates")
            for columns, rows in ((1, 1), (0, 0), (1, 200), (10_000, 1), (2, 3)):
                termios.tcsetwinsize(outer, (rows, columns))
                for key in (b"1", b"2", b"3", b"4", b"6", b"?", b"\x1b[B", b"x"):
                    os.write(outer, key)
            termios.tcsetwinsize(outer, (30, 100))
            os.write(outer, b"\x1b[I3")
            read_until(outer, b"db-fra-2")
            assert process.poll() is None
    assert "error" not in (tmp_path / "log").read_text()


def test_rubbish_typed_by_a_client_ends_nothing(tmp_path: Path) -> None:
    rubbish = bytes(range(1, 17)) + b"\x1b[999999999;99999R\x1b[<0;-1;5M\x1b]52;c;" + b"\xff\xfe" * 50 + b"\x1b[200~"
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        with a_client(gate) as (process, outer):
            read_until(outer, b"Certificates")
            os.write(outer, rubbish.replace(b"\x11", b"").replace(b"\n", b"") + b"\x1b[201~\x1b\\")
            seen = b""
            for _ in range(20):  # whatever the rubbish opened is left by Esc, one after the other
                for key in (b"\x1b", b"3"):
                    os.write(outer, key)
                    while select.select([outer], [], [], 0.5)[0]:
                        seen += os.read(outer, 65536)
                if b"db-fra-2" in seen:
                    break
            assert b"db-fra-2" in seen
            assert process.poll() is None
        is_served(gate)


def test_a_store_that_another_holds_is_told_and_the_console_goes_on(tmp_path: Path) -> None:
    import sqlite3

    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        with a_terminal_at(gate, "devices", "ci-fra-1") as terminal:
            terminal.shows("Devices › ci-fra-1")
            (file,) = (path for path in (tmp_path / "net").iterdir() if path.suffix in {".db", ".sqlite"})
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            terminal.keys("d")
            terminal.shows("Disable ci-fra-1?")
            terminal.keys("D")
            terminal.shows("another program holds the database", seconds=40)
            terminal.keys("2")
            terminal.shows("carol-sample")
            other.execute("ROLLBACK")
            other.close()
            terminal.keys("3", "d")
            terminal.shows("Disable ci-fra-1?")
            terminal.keys("D")
            terminal.shows("disabled ci-fra-1")


def test_a_gate_that_ends_says_so_on_every_terminal_and_leaves_them_clean(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        terminals = [Tmux(gate.ssh("-t", "alice@127.0.0.1", *words)) for words in ((), ("devices",), ("access",))]
        try:
            for terminal in terminals:
                terminal.shows("Overview")
            gate.process.terminate()
            for terminal in terminals:
                screen = terminal.shows("ended with", "the gate")
                assert "Overview" not in screen
        finally:
            for terminal in terminals:
                terminal.close()


FAULTY = [sys.executable, str(Path(__file__).with_name("faulty_gate.py"))]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param(("/", "draw"), "a screen failed and was opened anew", id="while-drawing"),
        pytest.param(("!",), "a screen failed and was opened anew", id="at-a-key"),
        pytest.param(("/", "load", "Enter", "1", "3"), "this did not work", id="while-loading"),
    ],
)
def test_a_screen_that_fails_is_a_number_to_one_and_nothing_to_the_others(
    tmp_path: Path, keys: tuple[str, ...], said: str
) -> None:
    with a_served_gate(tmp_path, FAULTY) as gate:
        gate.run("gate", "sample-data")
        with a_terminal_at(gate, "devices") as one, a_terminal_at(gate, "devices", "db-fra-2") as other:
            one.shows("db-fra-2")
            other.shows("Devices › db-fra-2")
            one.keys(*keys)
            screen = one.shows(said)
            number = re.search(r"error ([0-9a-f]{6})", screen)
            assert number, screen
            one.keys("2")
            one.shows("carol-sample")

            gate.run("devices", "rename", "db-fra-2", "renamed-2")
            screen = other.shows("renamed-2")
            assert "error" not in screen
            for terminal in (one, other):
                terminal.keys("C-q")
                terminal.shows("ended with 0")
    log = (tmp_path / "log").read_text()
    assert f"console error {number[1]}: RuntimeError" in log
    assert "faulty_gate.py" in log
    assert "s3cr3t" not in log
