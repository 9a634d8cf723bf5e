"""Pictures of the real console over a seeded network with its clock stopped: `make screenshots`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from console.app.app import ConsoleApp
from gate.faces import Terminal
from model.records import Role
from screenshots.picture import png, svg

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests" / "console" / "app"))
from channels import MemoryChannel, typed, until  # noqa: E402  the tests' own, which are no package
from seeded import Seeded  # noqa: E402

TRUE, SIXTEEN = {"COLORTERM": "truecolor"}, {"NONE": ""}
DRAFT = """    {"action": "accept", "src": ["group:oncall"],
     "dst": ["tag:db:5432", "tag:web:22"]},
"""
Steps = Callable[[ConsoleApp, MemoryChannel], Awaitable[None]]


def keys(*presses: str) -> Steps:
    async def press(app: ConsoleApp, channel: MemoryChannel) -> None:
        for each in presses:
            await typed(app, channel, each)

    return press


async def picture(
    name: str, steps: Steps, *, size: tuple[int, int] = (120, 36), theme: str = "dark", colours: str = "truecolor",
    backend: Seeded | None = None, words: Sequence[str] = (),
) -> None:  # fmt: skip
    environment: Mapping[str, str] = {"COLORTERM": "truecolor"} if colours == "truecolor" else {}
    term = "xterm-256color" if colours == "truecolor" else "xterm"
    channel = MemoryChannel(Terminal(term=term, columns=size[0], rows=size[1], environment=environment))
    app = ConsoleApp(backend or Seeded(), channel, words, {"theme": theme})
    running = asyncio.create_task(app.run_on_channel())
    await until(lambda: app.view.ready)
    await steps(app, channel)
    await asyncio.sleep(0.1)
    strips = app.screen._compositor.render_strips()
    png(svg(strips, app.theme_in_use.planes["bg"]), HERE / f"{name}.png")
    app.exit()
    await running
    print(f"screenshots/{name}.png")


async def _draft(app: ConsoleApp, channel: MemoryChannel) -> None:
    """A rule typed into the policy, with one group's name wrong."""
    await typed(app, channel, "i")
    await typed(app, channel, "\x1b[B" * 17)
    await typed(app, channel, "\x1b[H")
    await typed(app, channel, '{"action": "accept", "src": ["group:oncal"],\r "dst": ["tag:db:5432"]},\r')
    await typed(app, channel, "\x1b[A\x1b[A\x1b[F\x1b[D\x1b[D\x1b[D")
    await asyncio.sleep(0.5)


async def _confirm(app: ConsoleApp, channel: MemoryChannel) -> None:
    await typed(app, channel, "i")
    await typed(app, channel, "\x1b[B" * 17)
    await typed(app, channel, f"\x1b[H\x1b[H\x1b[200~{DRAFT}\x1b[201~")
    await typed(app, channel, "\x13")
    await typed(app, channel, "S")
    app.backend.clock += 19  # type: ignore[attr-defined]
    app.settled()


PICTURES: Mapping[str, Callable[[], Awaitable[None]]] = {
    "overview": lambda: picture("overview", keys()),
    "devices": lambda: picture("devices", keys("3", "/fra\r", "\x1b[B" * 16, " ", " ", "j")),
    "devices-light": lambda: picture("devices-light", keys("3", "/fra\r", "\x1b[B" * 16, " ", " ", "j"), theme="light"),
    "devices-16": lambda: picture("devices-16", keys("3", "/fra\r", "\x1b[B" * 16, " ", " ", "j"), colours="16"),
    "devices-remove": lambda: picture("devices-remove", keys("3", "/fra\r", "\x1b[B" * 16, " ", " ", "x")),
    "devices-80x24": lambda: picture("devices-80x24", keys("3", "/fra\r"), size=(80, 24)),
    "peers": lambda: picture("peers", keys("3", "/web-fra\r", "j" * 4, "\t", "\x1b[C")),
    "key": lambda: picture("key", keys("8", "n", "\r"), size=(80, 24)),
    "access": lambda: picture("access", _with("4", _draft)),
    "access-confirm": lambda: picture("access-confirm", _with("4", _confirm)),
    "overview-light": lambda: picture("overview-light", keys(), theme="light"),
    "certificates": lambda: picture("certificates", keys("6")),
    "activity": lambda: picture("activity", keys("7", "j" * 8)),
    "command": lambda: picture("command", keys("3", ":devices ")),
    "member": lambda: picture("member", keys(), size=(80, 24), backend=Seeded(role=Role.MEMBER, me="mara")),
}


def _with(first: str, steps: Steps) -> Steps:
    async def both(app: ConsoleApp, channel: MemoryChannel) -> None:
        await typed(app, channel, first)
        await until(lambda: app.view.ready)
        await steps(app, channel)

    return both


async def main(names: Sequence[str]) -> None:
    for name in names or PICTURES:
        await PICTURES[name]()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
