"""This process's own terminal as a channel, on a real pseudo-terminal: raw while it is used, and given back."""

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels import until
from seeded import Seeded
from terminals import PROGRAM, Tmux, a_served_gate

from console.app.localterminal import LocalTerminal
from console.app.session import run_on
from gate.faces import Listener
from model.errors import Unavailable


class Pty:
    """Both ends: `inner` is what the process has for its terminal, `outer` what the person has."""

    def __init__(self, columns: int = 100, rows: int = 30) -> None:
        self.outer, self.inner = pty.openpty()
        self.size(columns, rows)
        self.before = termios.tcgetattr(self.inner)
        self.seen = b""

    def size(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self.inner, (rows, columns))

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self.seen += os.read(self.outer, 1 << 20)

    def type(self, data: bytes) -> None:
        os.write(self.outer, data)

    def as_before(self) -> bool:
        return termios.tcgetattr(self.inner) == self.before


@contextlib.contextmanager
def a_pty() -> Iterator[Pty]:
    """Whose outer end is read by the loop, as a terminal would."""
    made = Pty()
    os.set_blocking(made.outer, False)
    loop = asyncio.get_running_loop()
    loop.add_reader(made.outer, made.read)
    try:
        yield made
    finally:
        loop.remove_reader(made.outer)
        for end in (made.outer, made.inner):
            with contextlib.suppress(OSError):
                os.close(end)


async def test_a_console_runs_on_it_and_gives_it_back() -> None:
    with a_pty() as terminal:
        with LocalTerminal(terminal.inner, terminal.inner) as channel:
            assert (channel.terminal.columns, channel.terminal.rows) == (100, 30)
            assert not terminal.as_before()
            running = asyncio.create_task(run_on(Seeded(size=40), channel))
            await until(lambda: b"Certificates" in terminal.seen)
            terminal.type(b"3")
            await until(lambda: b"ci-fra-1" in terminal.seen)
            terminal.type(b"\x11")
            assert await asyncio.wait_for(running, 10) == 0
        assert terminal.as_before()
        await until(lambda: b"\x1b[?1049l" in terminal.seen)
        assert terminal.seen.rindex(b"\x1b[?25h") > terminal.seen.rindex(b"\x1b[?25l")


async def test_a_resize_reaches_the_screen() -> None:
    with a_pty() as terminal, LocalTerminal(terminal.inner, terminal.inner) as channel:
        sizes: list[tuple[int, int]] = []
        channel.listen(Listener(on_resize=lambda *size: sizes.append(size)))
        terminal.size(132, 43)
        os.kill(os.getpid(), signal.SIGWINCH)
        await until(lambda: sizes)
        assert sizes == [(132, 43)]
    assert signal.getsignal(signal.SIGWINCH) is signal.SIG_DFL


async def test_the_terminal_is_given_back_after_an_exception_with_all_that_was_said() -> None:
    with a_pty() as terminal:
        with contextlib.suppress(RuntimeError), LocalTerminal(terminal.inner, terminal.inner) as channel:
            channel.write(b"last words")
            raise RuntimeError("something else broke")
        assert terminal.as_before()
        await until(lambda: b"last words" in terminal.seen)


async def test_a_screen_that_its_painter_could_not_end_is_left_all_the_same() -> None:
    with a_pty() as terminal:
        with LocalTerminal(terminal.inner, terminal.inner) as channel:
            channel.write(b"\x1b[?1049h\x1b[?25lhalf a frame")
        await until(lambda: b"\x1b[?1049l" in terminal.seen and b"\x1b[?25h" in terminal.seen)


async def test_keys_that_would_end_or_stop_a_process_are_keys() -> None:
    with a_pty() as terminal, LocalTerminal(terminal.inner, terminal.inner) as channel:
        heard: list[bytes] = []
        channel.listen(Listener(on_input=heard.append))
        terminal.type(b"\x03\x1a\x1c")
        await until(lambda: b"".join(heard) == b"\x03\x1a\x1c")


async def test_a_terminal_that_takes_nothing_is_told_of_and_nobody_waits_for_it() -> None:
    with a_pty() as terminal:
        asyncio.get_running_loop().remove_reader(terminal.outer)
        with LocalTerminal(terminal.inner, terminal.inner) as channel:
            flow: list[bool] = []
            channel.listen(Listener(on_flow=flow.append))
            for _ in range(40):
                channel.write(b"x" * 10_000)
            assert flow == [False]
            asyncio.get_running_loop().add_reader(terminal.outer, terminal.read)
            await until(lambda: flow == [False, True])


async def test_a_terminal_that_goes_away_ends_the_console() -> None:
    with a_pty() as terminal, LocalTerminal(terminal.inner, terminal.inner) as channel:
        running = asyncio.create_task(run_on(Seeded(size=40), channel))
        await until(lambda: b"Certificates" in terminal.seen)
        asyncio.get_running_loop().remove_reader(terminal.outer)
        os.close(terminal.outer)
        assert await asyncio.wait_for(running, 10) == 1


def test_where_there_is_no_terminal_it_says_what_works_without() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(Unavailable, match="no terminal here"):
            LocalTerminal(read, write)
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.needs("tmux", "ssh", "ssh-keygen")
def test_the_program_gives_the_shell_its_terminal_back_even_when_it_is_ended(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        state = ["--state", str(gate.folder / "net")]
        terminal = Tmux([*PROGRAM, "console", "users", *state])
        try:
            terminal.shows("local:0 owner" if os.getuid() == 0 else "owner", "alice@example.com")
            terminal.resize(90, 20)
            terminal.shows("alice@example.com")
            terminal.keys("C-z")
            terminal.keys("1")
            terminal.shows("This network is empty")
            gate.process.terminate()
            screen = terminal.shows("the gate ended", "ended with 1")
            assert "Overview" not in screen
            terminal.keys("Enter")
            terminal.text("typed")
            terminal.shows("typed")
        finally:
            terminal.close()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_console_without_a_gate_that_is_told_to_end_restores_the_terminal(
    tmp_path: Path, sent: signal.Signals
) -> None:
    words = [*PROGRAM, "init", "--state", str(tmp_path / "net"), "--domain", "example.com", "--owner", "alice"]
    subprocess.run(words, check=True, capture_output=True)
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (30, 100))
    before = termios.tcgetattr(inner)
    process = subprocess.Popen(
        [*PROGRAM, "console", "--state", str(tmp_path / "net")], stdin=inner, stdout=inner, stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    try:
        seen = b""
        while b"This network is empty" not in seen:
            seen += os.read(outer, 65536)
        assert termios.tcgetattr(inner) != before
        process.send_signal(sent)
        os.set_blocking(outer, False)
        while process.poll() is None:
            with contextlib.suppress(BlockingIOError):
                seen += os.read(outer, 65536)
        with contextlib.suppress(BlockingIOError):
            seen += os.read(outer, 65536)
        assert termios.tcgetattr(inner) == before
        assert seen.rfind(b"\x1b[?1049l") > seen.rfind(b"\x1b[?1049h")
    finally:
        process.kill()
        os.close(outer)
        os.close(inner)
