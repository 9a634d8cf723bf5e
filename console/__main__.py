"""The program, put together: the one place that may know every room. Imports what a command needs when it needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

USAGE = """\
Usage: wardgate COMMAND [ARGUMENTS] ...

  Self-hosted WireGuard identity and SSH certificates that need nothing but SSH.

A gate:
  init             make a new network
  serve            serve it: people, agents and enrollment on one SSH port
  console          its console in this terminal

This machine:
  login            log in as a person: a certificate, and ssh set up to use it
  logout           end that login
  up               join a network with this machine, and follow it
  down             undo what up did
  status           how this machine is in its network
  ping             reach a device of the network by name
  completion       completion for your shell: bash, zsh or fish

"""


PROGRAMS = ("init", "serve", "console", "login", "logout", "up", "down", "status", "ping", "completion")


def main(words: Sequence[str] | None = None) -> None:
    sys.exit(run(sys.argv[1:] if words is None else list(words)))


def run(words: list[str]) -> int:  # noqa: PLR0911 - one return a program
    """Runs one command line and returns its exit status."""
    if "_WARDGATE_COMPLETE" in os.environ:
        from console.programs import completion

        return completion.run(os.environ["_WARDGATE_COMPLETE"])
    if words[:1] == ["help"] and words[1:]:
        words = [*words[1:], "--help"]
    first = next((word for word in words if not word.startswith("-")), None)
    if first in {"init", "serve", "console"}:
        from console.programs import gatehouse

        return gatehouse.run(words)
    if first in {"up", "down", "status", "ping"}:
        return _machine(words)
    if first in {"login", "logout"}:
        from console.programs import login

        return login.run(words)
    if first == "completion":
        from console.programs import completion

        return completion.script(words)
    if first is None or first == "help":
        return _outline(words)
    if words[:2] == ["policy", "check"] and "--network" in " ".join(words):
        from console.programs import described
        from policy.described import check_described

        return described.run(words[2:], check_described)
    from console.commandline import local

    return local.run(words, programs=PROGRAMS)


def _machine(words: list[str]) -> int:
    from agent.down import down
    from agent.options import UpOptions
    from agent.status import ping, status
    from agent.up import up
    from console.programs import machine

    return machine.run(words, machine.Agent(UpOptions, up, down, status, ping))


def _outline(words: list[str]) -> int:
    if "--version" in words:
        from importlib.metadata import version

        print(f"wardgate {version('wardgate')}")
        return 0
    from console.commandline.nouns import MINE, NOUNS

    size = max(map(len, [*NOUNS, *MINE])) + 2
    text = USAGE + "The network (on the gate's own host, or over SSH: ssh -p PORT NAME@GATE NOUN VERB):\n"
    text += "".join(f"  {noun:<{size}}{about}\n" for noun, about in NOUNS.items())
    text += "\nOf your own, over SSH:\n" + "".join(f"  {noun:<{size}}{about}\n" for noun, about in MINE.items())
    text += "\n`wardgate COMMAND --help` tells more. Every list and every answer takes --json.\n"
    wanted = not words or bool({"-h", "--help", "help"} & set(words))
    (sys.stdout if wanted else sys.stderr).write(text if wanted else f"error: no such option: {words[0]}\n")
    return 0 if wanted and words else 2 if not wanted else 0


if __name__ == "__main__":
    main()
