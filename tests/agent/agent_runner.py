"""The agent's entry functions as a program, for hosts that a test makes: up OPTIONS-JSON | down | status | ping."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import msgspec

from agent.down import down
from agent.options import UpOptions
from agent.status import ping, status
from agent.up import up
from model.errors import WardgateError
from model.keys import Secret


def _say(line: str) -> None:
    print(line, flush=True)


def _hook(kind: type, value: object) -> object:
    return kind(value)


def main(verb: str, *words: str) -> int:
    try:
        if verb == "up":
            raw = json.loads(words[0])
            secret = raw.pop("enrollment_key", None)
            options = msgspec.convert(raw, UpOptions, dec_hook=_hook)
            options = msgspec.structs.replace(options, enrollment_key=Secret(secret) if secret else None)
            return asyncio.run(up(options, _say))
        if verb == "down":
            return asyncio.run(down(Path(words[0]), _say))
        if verb == "status":
            _say(json.dumps(status(Path(words[0]))))
            return 0
        return asyncio.run(ping(words[1], _say, Path(words[0])))
    except WardgateError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}")
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
