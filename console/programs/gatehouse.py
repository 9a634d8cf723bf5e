"""`wardgate init`, `serve` and `console`."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.commandline.command import argument, option, verb
from console.commandline.files import read_file
from console.commandline.local import default_state
from console.programs import standalone
from model.errors import Invalid
from model.ids import quoted
from model.keys import Secret
from model.network import DEFAULT_IPV4, DEFAULT_IPV6

if TYPE_CHECKING:
    from gate.actor import Actor
    from gate.faces import ConsoleChannel, Streams, Terminal
    from gate.gate import Gate
    from gate.login.breakglass import Sealed

log = logging.getLogger("wardgate.console")

STATE = option("--state", help="The state's folder; WARDGATE_STATE, else a default, without it.", metavar="DIR")
PASSPHRASE = option(
    "--ca-passphrase-file", "passphrase_file", metavar="FILE",
    help="A file whose first line encrypts the CA's keys; - asks, or reads standard input. A systemd credential "
         "`wardgate-ca` serves too.",
)  # fmt: skip


def _folder(state: str | None) -> Path:
    return Path(state) if state else default_state()


def _passphrase(path: str | None, *, new: bool = False) -> Secret | None:
    if path is None:
        return None
    if path != "-":
        text = read_file(path).decode().split("\n", 1)[0]
    elif not sys.stdin.isatty():
        text = sys.stdin.readline().rstrip("\n")
    else:
        text = getpass.getpass("passphrase of the CA keys: ")
        if new and text != getpass.getpass("once more: "):
            raise Invalid("the two passphrases differ")
    if not text:
        raise Invalid("the passphrase is empty", hint="leave the option out for keys without one")
    return Secret(text)


@verb(
    "init", "make a new network",
    option("--domain", help="The domain that device names stand under.", required=True, metavar="NAME"),
    option("--owner", help="Its first owner; a bare NAME is NAME@DOMAIN.", required=True, metavar="NAME"),
    option("--owner-key", "owner_key", help="The SSH public key that lets the owner in.", metavar="FILE.pub"),
    option("--user-domain", help="The domain of bare user names; --domain without it.", metavar="D"),
    option("--address", "addresses", help="Where the gate is reached; repeatable.", multiple=True,
           metavar="HOST[:PORT]"),
    option("--break-glass", metavar="FILE",
           help="Where the owner's sealed key for emergencies is put; STATE/break-glass without it."),
    option("--no-break-glass", help="Make no such key.", is_flag=True),
    option("--ipv4", help="The range of IPv4 addresses.", default=DEFAULT_IPV4, show_default=True, metavar="P"),
    option("--ipv6", help="The range of IPv6 addresses.", default=DEFAULT_IPV6, show_default=True, metavar="P"),
    STATE, PASSPHRASE,
    examples=(
        "init --domain net.example.com --owner alice --owner-key ~/.ssh/id_ed25519.pub --address gate.example.com",
    ),
)  # fmt: skip
async def init(
    as_json: bool, domain: str, owner: str, owner_key: str | None, user_domain: str | None, addresses: tuple[str, ...],
    ipv4: str, ipv6: str, state: str | None, passphrase_file: str | None, break_glass: str | None,
    no_break_glass: bool,
) -> int:  # fmt: skip
    from console.commandline import shapes
    from gate.network import NewNetwork
    from gate.network import init as make
    from model.keys import ssh_key

    folder = _folder(state)
    key = ssh_key(read_file(owner_key).decode(errors="replace")) if owner_key else None
    if break_glass and no_break_glass:
        raise Invalid("--break-glass and --no-break-glass do not go together")
    sealed_at = Path(break_glass).expanduser() if break_glass else folder / "break-glass"
    new = NewNetwork(
        domain=domain, owner=owner, owner_key=key, user_domain=user_domain, addresses=addresses, ipv4=ipv4, ipv6=ipv6,
        break_glass=None if no_break_glass else sealed_at,
    )  # fmt: skip
    made = make(folder, new, _passphrase(passphrase_file, new=True))
    if as_json:
        import msgspec

        document = {
            "state": str(folder), "owner": shapes.user(made.owner),
            "generations": [shapes.generation(one) for one in made.generations],
            "break_glass": _sealed(made.break_glass) if made.break_glass else None,
        }  # fmt: skip
        print(msgspec.json.encode(document).decode())
        return 0
    print(f"made the network {new.domain} in {folder}, owned by {made.owner.name}")
    for generation in made.generations:
        print(f"{generation.kind} CA: {generation.key.fingerprint}")
    if key is None:
        print("the owner has no way in over SSH yet: wardgate users keys add NAME FILE.pub, or users set-password NAME")
    if made.break_glass:
        print(f"break-glass key: {made.break_glass.path}, for the day when nothing else lets the owner in")
        print(f"its passphrase, shown this once: {made.break_glass.passphrase!s}")
        print("write it down, move the file to where no network reaches it, and try it once: docs/login.md")
    print(f"next: wardgate serve --state {folder}")
    return 0


def _sealed(made: Sealed) -> dict[str, str]:
    return {"file": str(made.path), "fingerprint": made.key.fingerprint, "passphrase": str(made.passphrase)}


def parse_listen(text: str) -> tuple[str, int]:
    """`ADDR:PORT`, `[V6]:PORT`, `:PORT`."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise Invalid(f"{quoted(text)} is not ADDR:PORT", hint="like 0.0.0.0:2222, [::]:2222, or :2222 for all")
    return host.strip("[]"), int(port)


@verb(
    "serve", "serve a network: people, agents and enrollment on one SSH port",
    option("--listen", help="Where; port 0 picks one.", default=":2222", show_default=True, metavar="ADDR:PORT"),
    STATE, PASSPHRASE,
    option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True,
           help="How much is logged, on standard error."),
    examples=("serve", "serve --listen 127.0.0.1:0 --state ./state"),
)  # fmt: skip
async def serve(as_json: bool, listen: str, state: str | None, passphrase_file: str | None, log_level: str) -> int:
    from gate.gate import Gate
    from gate.serving import Serving, until_stopped

    logging.basicConfig(level=log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    host, port = parse_listen(listen)
    async with await Gate.open(_folder(state), _passphrase(passphrase_file)) as gate:
        serving = await Serving.start(gate, ConsoleFaces(), host, port)
        shown = f"[{host}]" if ":" in host else host or "*"
        stopped = asyncio.create_task(until_stopped())
        await asyncio.sleep(0)  # signals are heard from here on
        print(f"listening on {shown}:{serving.server.port} {serving.server.fingerprint}", flush=True)
        await asyncio.to_thread(_warm)
        serving.set_aside()
        await stopped
        await serving.stop()
    return 0


ENDED = 128 + 15
"""What a shell has for a program that was told to end."""


def _warm() -> None:
    """Neither the first command nor the first console of a gate's life need wait for what they import, nor anybody else
    meanwhile. A gate that serves goes on without."""
    try:
        from importlib import import_module
        from pkgutil import iter_modules

        from console import commands
        from console.app.session import warm
        from gate.collecting import uncollected

        with uncollected():
            warm()
            for module in iter_modules(commands.__path__, "console.commands."):
                import_module(module.name)
    except Exception:
        log.exception("the console was not made ready; the first to open one tries again")


class ConsoleFaces:
    """`gate.faces.Faces`: the command line and the Textual app. The app is imported when the first console opens."""

    def names_screen(self, gate: Gate, actor: Actor, words: Sequence[str]) -> bool:
        from console.app.screens import is_link

        return is_link(gate, actor, words)

    async def command(
        self, gate: Gate, actor: Actor, words: Sequence[str], streams: Streams, terminal: Terminal | None
    ) -> int:
        from console.commandline import face
        from gate import reached

        if actor.source == "local":
            return await face.execute(gate, actor, words, streams, terminal)
        local, _, domain = actor.name.partition("@")
        name = local if domain == gate.snapshot.user_domain else actor.name
        program = reached.ssh(gate.snapshot.settings, name)
        return await face.execute(gate, actor, words, streams, terminal, program=program)

    async def console(self, gate: Gate, actor: Actor, channel: ConsoleChannel, words: Sequence[str]) -> int:
        from console.app.session import run_console

        return await run_console(gate, actor, channel, words)


@verb(
    "console", "open the console in this terminal",
    argument("words", many=True, required=False, metavar="[SCREEN [THING]]"),
    STATE, examples=("console", "console devices db-1"),
)  # fmt: skip
async def console(as_json: bool, words: tuple[str, ...], state: str | None) -> int:
    from console.app.localterminal import LocalTerminal
    from console.app.session import run_console
    from gate.actor import local_actor
    from gate.gate import Gate, held

    folder = _folder(state)
    try:
        if held(folder):
            from gate.doors.calling import call_console

            with LocalTerminal() as channel:
                return await call_console(folder, words, channel)
        async with await Gate.open(folder) as gate:
            with LocalTerminal() as channel:
                return await run_console(gate, local_actor(os.getuid()), channel, words)
    except asyncio.CancelledError:
        return ENDED


PROGRAMS = standalone.Programs("wardgate")
for _program in (init, serve, console):
    PROGRAMS.add_command(_program)


def run(words: Sequence[str]) -> int:
    return standalone.run(PROGRAMS, words)
