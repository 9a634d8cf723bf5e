"""An app painted on a channel: what the client gets, what it may send, and what it leaves behind."""

import asyncio
import gc
import os
import re
import signal
import sys
import threading
import weakref

import pytest
from channels import MemoryChannel, a_console, a_terminal, settled, until
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import Seeded

from console.app.app import ConsoleApp


def screen_of(data: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data.decode())


async def test_the_screens_names_stand_on_the_first_frame() -> None:
    async with a_console(Seeded(size=60)) as session:
        first = next(data for data in session.channel.written if b"Overview" in data)
    for name in ("Overview", "Users", "Devices", "Access", "Names", "Certificates", "Activity"):
        assert name in screen_of(first)


@pytest.mark.parametrize("screen", ["overview", "users", "devices", "access", "activity"])
async def test_the_first_frame_is_sent_once(screen: str) -> None:
    async with a_console(Seeded(size=60), screen) as session:
        await asyncio.sleep(0.2)
        assert sum(b"Wardgate" in data for data in session.channel.written) == 1
        assert len(session.channel.output) < 16_000


async def test_a_frame_that_is_asked_for_is_sent_though_it_stands() -> None:
    async with a_console(Seeded(size=60)) as session:
        before = len(session.channel.output)
        await session.type("\x0c")
        await until(lambda: b"Certificates" in session.channel.output[before:])
        before = len(session.channel.output)
        session.channel.resize(120, 36)
        session.channel.flow(False)
        session.channel.flow(True)
        await until(lambda: b"Certificates" in session.channel.output[before:])


async def test_the_terminal_is_given_back_as_it_was() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type("3", "\x11")
    out = session.channel.output.decode()
    for mode in ("1049", "1000", "1006", "2004", "1004"):
        assert out.rfind(f"\x1b[?{mode}l") > out.rfind(f"\x1b[?{mode}h")
    assert out.rfind("\x1b[?25h") > out.rfind("\x1b[?25l")


async def test_a_key_in_pieces_is_one_key() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        session.channel.type(b"\x1b")
        session.channel.type(b"[")
        session.channel.type(b"B")
        await settled(session.app)
        assert session.app.view.table.cursor == 1


async def test_a_letter_in_pieces_is_one_letter() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        session.channel.type("/é".encode()[:-1])
        session.channel.type("/é".encode()[-1:])
        await settled(session.app)
        assert session.app.view.filter_text == "é"


async def test_escape_alone_is_escape() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type("/fra\r")
        session.channel.type(b"\x1b")
        await until(lambda: session.app.view.filter_text == "")


async def test_what_is_typed_in_one_burst_is_not_lost() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type("3/fra-1\r j")
        assert session.app.view.filter_text == "fra-1"
        assert len(session.app.view.table.selected) == 1


async def test_a_command_and_its_end_in_one_burst_run() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        await session.type(":devices approve ci-fra-7\r")
        await until(lambda: ("devices", "approve", "ci-fra-7") in backend.ran)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=8))
def test_rubbish_ends_nothing(chunks: list[bytes]) -> None:
    async def play() -> None:
        async with a_console(Seeded(size=40)) as session:
            for chunk in chunks:
                session.channel.type(chunk.replace(b"\x11", b""))
                await asyncio.sleep(0)
            await settled(session.app)
            if session.app._running:
                assert session.app.crash is None

    asyncio.run(play())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x1b[9999999999999999999999u", id="a-code-point-beyond-all"),
        pytest.param(b"\x1b[1114112;;1114112u", id="not-a-code-point"),
        pytest.param(b"\x1b[<0;99999;99999M\x1b[<0;99999;99999m", id="a-click-far-outside"),
        pytest.param(b"\x1b[<999;1;1M", id="an-unknown-button"),
        pytest.param(b"\xff\xfe\x00\x01", id="not-utf-8"),
        pytest.param(b"\x1b]11;rgb:zz/zz/zz\x07", id="a-broken-answer"),
    ],
)
async def test_a_bad_sequence_is_survived(data: bytes) -> None:
    async with a_console(Seeded(size=60)) as session:
        session.channel.type(data)
        await session.type("3")
        assert session.app.view.title == "Devices"
        assert session.app.crash is None


async def test_a_paste_without_end_is_forgotten() -> None:
    async with a_console(Seeded(size=60)) as session:
        session.channel.type(b"\x1b[200~")
        for _ in range(20):
            session.channel.type(b"x" * 100_000)
        await session.type("x\x1b[201~3")
        assert session.app.view.title == "Devices"


async def test_a_slow_reader_gets_one_whole_frame_and_no_backlog() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        session.channel.flow(False)
        before = len(session.channel.output)
        for _ in range(30):
            await session.type("j")
        assert len(session.channel.output) == before
        session.channel.flow(True)
        await until(lambda: len(session.channel.output) > before)
        await settled(session.app)
        whole = screen_of(session.channel.output[before:])
        assert "Wardgate" in whole
        assert session.app.view.crumbs()[-1] in whole


@pytest.mark.parametrize("size", [(1, 1), (20, 3), (80, 24), (400, 150), (5000, 5000), (0, 0)])
async def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        for title in [*(name for _, name in session.app.screens())]:
            session.app.go(title)
            session.channel.resize(*size)
            await settled(session.app)
            assert session.app.crash is None
        assert session.app.size.width <= 400
        assert session.app.size.height <= 150
        session.channel.resize(120, 36)
        await session.type("3")
        await session.shows("Devices")


async def test_a_client_that_vanishes_ends_the_app() -> None:
    async with a_console(Seeded(size=60)) as session:
        session.channel.close()
        written = len(session.channel.written)
        await until(lambda: not session.app._running)
    assert len(session.channel.written) == written


async def test_a_cancelled_session_restores_the_terminal() -> None:
    channel = MemoryChannel(a_terminal())
    app = ConsoleApp(Seeded(size=60), channel)
    running = asyncio.create_task(app.run_on_channel())
    await until(lambda: app.view.ready)
    running.cancel()
    await asyncio.wait([running])
    assert channel.output.endswith(b"\x1b[?25h")


async def test_two_sessions_that_end_out_of_order_leave_the_output_alone() -> None:
    before = sys.stdout, sys.stderr
    async with a_console(Seeded(size=40)) as one:
        async with a_console(Seeded(size=40)) as other:
            one.app.exit()
            await until(lambda: not one.app._running)
            assert (sys.stdout, sys.stderr) == before
            await other.type("3")
        assert (sys.stdout, sys.stderr) == before


async def test_no_signal_handler_nor_thread_is_left_or_taken() -> None:
    signals = [signal.getsignal(number) for number in (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT, signal.SIGINT)]
    threads = threading.active_count()
    async with a_console(Seeded(size=40)) as session:
        await session.type("3", "\x1a")
        now = [signal.getsignal(number) for number in (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT, signal.SIGINT)]
        assert now == signals
    assert threading.active_count() == threads


async def test_the_servers_environment_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    async with a_console(Seeded(size=40)) as session:
        pass
    assert b"38;2;" in session.channel.output


async def test_sixteen_colours_get_no_other_codes() -> None:
    async with a_console(Seeded(size=40), "devices", terminal=a_terminal("xterm", NONE="")) as session:
        await session.type("j", ":", "\x1b")
    assert not re.search(rb"[34]8;[25];", session.channel.output)


async def test_no_colour_gets_attributes_alone() -> None:
    async with a_console(Seeded(size=40), "devices", terminal=a_terminal(NO_COLOR="1")) as session:
        await session.type("j")
    codes = {code for found in re.findall(rb"\x1b\[([0-9;]*)m", session.channel.output) for code in found.split(b";")}
    assert codes <= {b"", b"0", b"1", b"3", b"4", b"7"}


async def test_a_light_terminal_gets_the_light_theme() -> None:
    async with a_console(Seeded(size=40)) as session:
        session.channel.type(b"\x1b]11;rgb:ffff/ff")
        session.channel.type(b"ff/ffff\x1b\\")
        await settled(session.app)
        assert session.app.theme_in_use.name == "light"


async def test_an_operators_theme_stands_against_the_terminals() -> None:
    async with a_console(Seeded(size=40), theme="dark") as session:
        session.channel.type(b"\x1b]11;rgb:ffff/ffff/ffff\x07")
        await settled(session.app)
        assert session.app.theme_in_use.name == "dark"


async def test_sessions_that_ended_are_gone() -> None:
    apps = []
    for _ in range(5):
        async with a_console(Seeded(size=40)) as session:
            apps.append(weakref.ref(session.app))
            await session.type("3", "j", "\x1b[B", "/x\x1b", "\x11")
        del session
    await asyncio.sleep(0.3)  # a timer for Escape may still hold the last one
    gc.collect()
    gc.collect()
    assert [ref() for ref in apps] == [None] * 5


async def test_nothing_is_written_on_the_gates_disk(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    async with a_console(Seeded(size=40)) as session:
        session.app.deliver_screenshot()
        session.app.open_url("https://example.com")
        await settled(session.app)
    assert os.listdir(tmp_path) == []
