"""`wardgate up`, `down`, `status` and `ping`: this machine in its network."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from console.commandline.command import argument, option, verb
from console.commandline.files import read_file
from console.programs import standalone
from model.errors import Invalid
from model.ids import prefix, quoted
from model.keys import Secret


class Agent(NamedTuple):
    """The agent's room, handed in by the program: a face does not import it."""

    options: Callable[..., Any]
    up: Callable[[Any, Callable[[str], None]], Awaitable[int]]
    down: Callable[[Path, Callable[[str], None]], Awaitable[int]]
    status: Callable[[Path], dict[str, object]]
    ping: Callable[..., Awaitable[int]]


_given: list[Agent] = []


def _agent() -> Agent:
    return _given[0]


STATE = option("--state", help="Where this machine keeps its keys and its map.", default="/var/lib/wardgate-agent",
               show_default=True, metavar="DIR")  # fmt: skip


def parse_gate(text: str) -> tuple[str | None, str, int]:
    """[NAME@]GATE[:PORT]; a name may hold an @ of its own, so the last one counts."""
    name, at, where = text.rpartition("@")
    host, colon, port = where.rpartition(":")
    if not colon or where.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = where, "2222"
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536 or (at and not name):
        raise Invalid(f"{quoted(text)} is not a gate", hint="it reads like alice@gate.example.com:2222")
    return name or None, host, int(port)


@verb(
    "up", "join a network with this machine, and follow it until stopped",
    argument("gate", required=False, metavar="[NAME@]GATE[:PORT]"),
    option("--key-file", help="A file with an enrollment key; - for standard input.", metavar="FILE"),
    option("--hostname", help="The name to ask for; this machine's own without it."),
    option("--advertise-route", "advertised", help="A prefix to route for others; repeatable.", multiple=True,
           metavar="P"),
    option("--accept-routes/--no-accept-routes", help="Use routes behind other devices.", default=True,
           show_default=True),
    option("--exit-node", help="A device through which everything else leaves.", metavar="NAME"),
    option("--masquerade/--no-masquerade", help="Show hosts behind an advertised route this machine's address.",
           default=True, show_default=True),
    option("--rotate-key", help="Make a new WireGuard key, and prove it to the gate.", is_flag=True),
    option("--interface", help="The WireGuard interface.", default="wg-ward0", show_default=True),
    option("--listen-port", help="The UDP port; chosen once without it.", type=click.IntRange(1, 65535)),
    option("--hosts-file", help="Where names are written; empty for nowhere.", default="/etc/hosts", show_default=True),
    option("--sshd/--no-sshd", help="Let this host's sshd take the network's certificates.", default=True,
           show_default=True),
    STATE,
    examples=("up gate.example.com --key-file key", "up alice@gate.example.com"),
)  # fmt: skip
async def up(
    as_json: bool, gate: str | None, key_file: str | None, hostname: str | None, advertised: tuple[str, ...],
    accept_routes: bool, exit_node: str | None, masquerade: bool, rotate_key: bool, interface: str,
    listen_port: int | None, hosts_file: str, sshd: bool, state: str,
) -> int:  # fmt: skip
    user, host, port = parse_gate(gate) if gate else (None, None, 2222)
    key = None
    if key_file is not None:
        key = Secret((sys.stdin.readline() if key_file == "-" else read_file(key_file).decode()).strip())
    options = _agent().options(
        host=host, port=port, user=user, enrollment_key=key, state=Path(state), interface=interface,
        hostname=hostname, accept_routes=accept_routes, exit_node=exit_node, masquerade=masquerade,
        rotate_key=rotate_key,
        advertise_routes=tuple(prefix(text) for text in advertised), listen_port=listen_port,
        hosts_file=Path(hosts_file) if hosts_file else None, sshd=sshd,
    )  # fmt: skip
    return await _agent().up(options, _say)


def _say(text: str) -> None:
    print(text, flush=True)


@verb("down", "undo what up did to this machine", STATE)
async def down(as_json: bool, state: str) -> int:
    said: list[str] = []
    status: int = await _agent().down(Path(state), said.append if as_json else _say)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode({"said": said}), indent=2).decode())
    return status


@verb("status", "show how this machine is in its network", STATE)
async def status(as_json: bool, state: str) -> int:
    found = _agent().status(Path(state))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        from console.programs.machinestatus import written

        sys.stdout.write(written(found))
    return 0


@verb("ping", "reach a device of the network by name", argument("name"), STATE,
      option("--count", help="How many times.", type=click.IntRange(1, 100), default=3, show_default=True))  # fmt: skip
async def ping(as_json: bool, name: str, state: str, count: int) -> int:
    if not as_json:
        return await _agent().ping(name, _say, Path(state), count=count)
    lines: list[str] = []
    ended = await _agent().ping(name, lines.append, Path(state), count=count)
    print(msgspec.json.format(msgspec.json.encode(pinged(name, count, lines)), indent=2).decode())
    return ended


_TOOK = re.compile(r"\btime[=<]([0-9.]+) ms")


def pinged(name: str, count: int, lines: Sequence[str]) -> dict[str, object]:
    """What `lines`, as `ping` says them, come to; the last is about the tunnel."""
    took = [float(found[1]) for line in lines if (found := _TOOK.search(line))]
    return {
        "name": name, "answered": bool(took), "sent": count, "received": len(took), "round_trips_ms": took,
        "tunnel": lines[-1] if lines else "",
    }  # fmt: skip


PROGRAMS = standalone.Programs("wardgate")
for _program in (up, down, status, ping):
    PROGRAMS.add_command(_program)


def run(words: Sequence[str], agent: Agent) -> int:
    _given[:] = [agent]
    return standalone.run(PROGRAMS, words)
