"""Becoming a device: at the enrollment door with a key, which a person's login can fetch."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
from collections.abc import Mapping
from typing import TypedDict

import asyncssh
import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from agent.door import Gate, open_subsystem
from agent.enroll import prove
from agent.state import ssh_public
from model.enrollment import parse_enrollment_key
from model.errors import Denied, Limited, Unavailable, WardgateError
from model.keys import Secret
from model.netmap import NetMapDevice
from model.wire import (
    MAX_GATE_LINE,
    Challenge,
    Enroll,
    Enrolled,
    EnrollmentGateLine,
    Refused,
    enrollment_gate_line,
    read_line,
)

ANSWER_TIMEOUT = 30


class EnrollmentRefused(Denied):
    """The gate said no; `code` is the gate's."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.message, hint=refusal.hint)
        self.code = refusal.code


async def enroll(gate: Gate, request: Enroll, key: X25519PrivateKey, ssh_key: asyncssh.SSHKey) -> NetMapDevice:
    """This machine in the gate's network, approved or pending. `EnrollmentRefused`, or what `open_subsystem` raises.

    The enrollment key leaves this machine only after the gate's host certificate held.
    """
    async with await open_subsystem(gate, "enroll", "enroll", ssh_key) as channel:
        lines = channel.lines()

        async def answer() -> EnrollmentGateLine:
            try:
                line = await asyncio.wait_for(anext(lines), ANSWER_TIMEOUT)
            except (StopAsyncIteration, TimeoutError, OSError, asyncssh.Error):
                raise Unavailable(f"{gate} ended the enrollment without an answer") from None
            return read_line(enrollment_gate_line, line, MAX_GATE_LINE)

        await channel.send(request)
        challenge = await answer()
        if isinstance(challenge, Challenge):
            await channel.send(prove(challenge, key, ssh_public(ssh_key)))
            challenge = await answer()
    match challenge:
        case Enrolled(device=device):
            return device
        case Refused(retry_after=int(seconds)):
            raise Limited(f"{challenge.message}; try again in {seconds} s", hint=challenge.hint)
        case Refused():
            raise EnrollmentRefused(challenge)
        case Challenge():
            raise Unavailable(f"{gate} asked for a second proof")


class _Person(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]
    env: dict[str, str]


def _as_person(environment: Mapping[str, str]) -> _Person:
    """How to run ssh as the person who called sudo: with their keys and their known_hosts, not root's."""
    try:
        account = pwd.getpwuid(int(environment["SUDO_UID"]))
    except (KeyError, ValueError):
        return {}
    names = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups, "env": {**environment, **names}}


class _CreatedKey(msgspec.Struct):
    key: str


def fetch_enrollment_key(host: str, port: int, user: str, program: tuple[str, ...] = ("ssh",)) -> Secret:
    """A one-use key by a person's login over the system's own `ssh`, whose prompts this terminal shows.

    The gate's host key is checked as ssh checks any: by the person's known_hosts, or by asking them.
    """
    words = [*program, "-p", str(port), "-l", user, "-o", "ForwardAgent=no", "--", host]
    words += ["enrollment-keys", "create", "--uses", "1", "--expires", "5m", "--json"]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False, **_as_person(os.environ))
    except FileNotFoundError:
        raise Unavailable(f"there is no {program[0]} program here", hint="install the OpenSSH client") from None
    if done.returncode != 0:
        raise Denied(f"the login of {user} at {host} gave no enrollment key", hint="ssh's own message is above")
    try:
        key = msgspec.json.decode(done.stdout, type=_CreatedKey).key
        parse_enrollment_key(key)
    except (msgspec.DecodeError, WardgateError):
        raise Unavailable(f"{host} answered something that is not an enrollment key") from None
    return Secret(key)
