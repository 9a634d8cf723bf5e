"""What goes wrong in one session stays there, and is told by a number."""

import asyncio
import logging
import re

import pytest
from channels import MemoryChannel, a_console, a_terminal, until
from seeded import Seeded

from console.app.backend import Listing, Outcome, Overview, Query, Rows
from console.app.screens.devices import DevicesView
from console.app.session import run_on
from model.errors import Unavailable


def broken(*_: object) -> list[object]:
    secret = "s3cr3t-in-a-local"
    raise RuntimeError(f"no drawing with {secret}")


async def test_a_failing_screen_gives_a_number_and_the_session_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    channel = MemoryChannel(a_terminal())
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(DevicesView, "draw", broken)
        running = asyncio.create_task(run_on(Seeded(size=40), channel))
        await until(lambda: b"Overview" in channel.output)
        channel.type("3")
        await until(lambda: re.search(rb"error [0-9a-f]{6}", channel.output))
    number = re.findall(rb"error ([0-9a-f]{6})", channel.output)[-1].decode()
    await asyncio.sleep(0.05)
    channel.type("3")
    await until(lambda: b"ci-fra-1" in channel.output)
    channel.type("\x11")
    assert await asyncio.wait_for(running, 10) == 0
    assert number in caplog.text
    assert "test_console_faults.py" in caplog.text


async def test_the_log_has_the_trace_without_what_was_in_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(DevicesView, "draw", broken)
    channel = MemoryChannel(a_terminal())
    with caplog.at_level(logging.ERROR):
        running = asyncio.create_task(run_on(Seeded(size=40), channel))
        await until(lambda: b"Overview" in channel.output)
        channel.type("3")
        await until(lambda: "RuntimeError" in caplog.text)
        running.cancel()
        await asyncio.wait([running], timeout=10)
        assert running.cancelled()
    assert "s3cr3t" not in caplog.text
    assert "s3cr3t" not in "".join(capfd.readouterr())
    assert b"s3cr3t" not in channel.output


async def test_a_screen_that_always_fails_ends_the_session_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from console.app.screens.overview import OverviewView

    monkeypatch.setattr(OverviewView, "draw", broken)
    channel = MemoryChannel(a_terminal())
    assert await asyncio.wait_for(run_on(Seeded(size=40), channel), 20) == 1
    assert re.search(rb"the console failed, error [0-9a-f]{6}", channel.output)


class Locked(Seeded):
    locked = True

    async def rows(self, listing: Listing, query: Query) -> Rows:
        if self.locked:
            raise Unavailable("the store is locked", hint="try again")
        return await super().rows(listing, query)


async def test_a_locked_store_is_told_and_the_screen_comes_back() -> None:
    backend = Locked(size=40)
    async with a_console(backend) as session:
        await session.type("3")
        await session.shows("the store is locked")
        backend.locked = False
        await session.type("1", "3")
        await session.shows("ci-fra-1")


async def test_a_refusal_stays_until_the_next_key() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        backend.refusal = Outcome(status=1, error="this needs the role admin", hint="ask one")
        await session.type("/pending", "\r", ":devices approve ci-fra-7\r")
        await session.shows("this needs the role admin")


async def test_an_error_in_a_deed_is_a_number_and_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Seeded(size=40)

    async def fail(*_: object) -> Outcome:
        raise RuntimeError("s3cr3t")

    async with a_console(backend, "devices") as session:
        monkeypatch.setattr(backend, "perform", fail)
        await session.type("d", "D")
        await session.shows("this did not work")
        assert "s3cr3t" not in session.frame()


async def test_names_from_outside_are_inert_on_every_screen() -> None:
    backend = Seeded(size=40)
    bad = "ev\x1b[2Jil\u202e[red]"
    for id, device in list(backend.devices.items())[:6]:
        backend.devices[id] = type(device)(**{
            **{name: getattr(device, name) for name in device.__struct_fields__}, "name": bad + device.id, "os": bad,
            "agent_version": bad,
        })  # fmt: skip
    backend._note("alice", bad, bad, before={"x": bad}, after={"y": bad})
    async with a_console(backend) as session:
        for _, title in session.app.screens():
            session.app.go(title)
            await session.type("\t", "\x1b")
            assert "\u202e" not in session.frame()
    assert b"\x1b[2Jil" not in session.channel.output
    assert "\u202e".encode() not in session.channel.output


class Slow(Seeded):
    async def overview(self) -> Overview:
        await asyncio.sleep(0.3)
        return await super().overview()


async def test_a_first_page_that_takes_long_comes_after_the_frame() -> None:
    channel = MemoryChannel(a_terminal())
    running = asyncio.create_task(run_on(Slow(size=40), channel))
    await until(lambda: b"Certificates" in channel.output)
    assert b"Needs you" not in channel.output
    await until(lambda: b"thinkpad-mara" in channel.output)
    channel.type("\x11")
    assert await asyncio.wait_for(running, 10) == 0
