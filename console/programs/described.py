"""`wardgate policy check FILE --network FILE`: a policy against a described network, without any gate and quickly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from model.errors import WardgateError


def run(words: Sequence[str], check: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> int:
    """Its own reading of the words: this is called once a case by scripts, and starts in a fraction of a second."""
    as_json = "--json" in words
    try:
        path, network = _paths([word for word in words if word != "--json"])
        answer = check(_text(path), msgspec.json.decode(_text(network)))
    except WardgateError as refused:
        return _refuse(refused.as_json(), as_json)
    except msgspec.DecodeError as fault:
        return _refuse({"code": "invalid", "message": f"the network is not JSON: {fault}", "hint": None}, as_json)
    except _UsageError as fault:
        sys.stderr.write(f"error: {fault}\nhint: wardgate policy check FILE --network FILE [--json]\n")
        return 2
    if as_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif answer["accepted"]:
        sys.stdout.write(f"accepted: {len(answer['devices'])} devices\n")
    else:
        where = f"line {answer['line']}, column {answer['column']}: " if answer.get("line") else ""
        sys.stderr.write(f"error: {where}{answer['message']}\n")
    return 0 if answer["accepted"] else 1


class _UsageError(Exception):
    pass


def _paths(words: list[str]) -> tuple[str, str]:
    network = None
    left = []
    at = iter(words)
    for word in at:
        if word == "--network":
            network = next(at, None)
        elif word.startswith("--network="):
            network = word.partition("=")[2]
        elif word.startswith("--"):
            raise _UsageError(f"no such option: {word}")
        else:
            left.append(word)
    if network is None or len(left) != 1:
        raise _UsageError("name one policy FILE, and one --network FILE")
    return left[0], network


def _text(path: str) -> str:
    from model.errors import Invalid

    try:
        return (sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()).decode()
    except OSError as fault:
        raise Invalid(f"{path} cannot be read: {(fault.strerror or '').lower()}") from None
    except UnicodeDecodeError as fault:
        raise Invalid(f"{path} is not UTF-8: byte {fault.start} is not") from None


def _refuse(error: dict[str, object], as_json: bool) -> int:
    if as_json:
        sys.stderr.write(msgspec.json.encode({"error": error}).decode() + "\n")
    else:
        sys.stderr.write(f"error: {error['message']}\n")
    return 1
