"""What somebody sees who types commands: places to copy, nearly right words, and what a command did."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import command_harness as h
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
import gate_builders as build

from console.commandline.command import Command
from console.commandline.face import COMMANDS, as_typed, parse
from gate import network, reached
from model.records import Role

PROGRAM = [sys.executable, "-W", "ignore", "-m", "console"]


def wardgate(*words: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"WARDGATE_STATE": str(state)} if state else {})}
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False, env=environment)


@contextlib.contextmanager
def a_served_network(state: Path) -> Iterator[None]:
    wardgate("init", "--domain", "net.example.com", "--owner", "alice", "--address", "localhost", state=state)
    environment = {**os.environ, "WARDGATE_STATE": str(state)}
    gate = subprocess.Popen([*PROGRAM, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, env=environment)
    try:
        assert gate.stdout is not None
        assert gate.stdout.readline().startswith(b"listening on ")
        yield
    finally:
        gate.terminate()
        gate.wait()


# --- where the gate is


@pytest.mark.parametrize(
    ("address", "ssh", "target"),
    [
        ("gate.example.com", "ssh -p 2222 alice@gate.example.com", "gate.example.com"),
        ("gate.example.com:2222", "ssh -p 2222 alice@gate.example.com", "gate.example.com"),
        ("gate.example.com:22", "ssh -p 22 alice@gate.example.com", "gate.example.com:22"),
        ("[fd00::1]:2297", "ssh -p 2297 alice@fd00::1", "[fd00::1]:2297"),
        ("fd00::1", "ssh -p 2222 alice@fd00::1", "[fd00::1]"),
        (None, "ssh -p 2222 alice@GATE", "GATE"),
    ],
)
def test_the_gate_s_place_is_spelled_as_it_is_typed(address: str | None, ssh: str, target: str) -> None:
    settings = {"gate.addresses": [address] if address else []}
    assert (reached.ssh(settings, "alice"), reached.target(settings)) == (ssh, target)


@pytest.mark.parametrize("name", ["al(ice)", "~root", "{a}", "!alice", "[a-z]"])
async def test_a_name_with_signs_that_shells_know_is_one_word_of_what_is_printed(tmp_path: Path, name: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        done = await h.run(gate, "users", "add", name, "--invite")
    lines = done.out.splitlines()
    (ssh,), (program,) = [[line for line in lines if what in line] for what in ("  ssh ", "wardgate login ")]
    assert f"{name}@GATE" in shlex.split(ssh, comments=True)
    assert f"{name}@GATE" in shlex.split(program.partition(": ")[2], comments=True)
    bash = subprocess.run(["bash", "-c", f"printf '%s\\n' {ssh}"], capture_output=True, text=True, check=True)
    assert bash.stdout.splitlines()[-1] == f"{name}@GATE"


async def test_a_new_enrollment_key_comes_with_the_command_for_the_device(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await h.run(gate, "settings", "set", "gate.addresses", "gate.example.com:2299")
        made = await h.run(gate, "enrollment-keys", "create", "--user", "alice", "--json")
        assert made.document["command"] == "wardgate up gate.example.com:2299 --key-file FILE"
        typed = await h.run(gate, "enrollment-keys", "create", "--user", "alice", columns=80)
        assert "wardgate up gate.example.com:2299 --key-file FILE" in typed.err
        assert typed.out.startswith("wge_")
        assert typed.out.count("\n") == 1


@pytest.mark.parametrize("address", ["gate:0", "gate:65536", "gate:x", "gate:"])
async def test_an_address_without_a_real_port_is_refused(tmp_path: Path, address: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, "settings", "set", "gate.addresses", address)
        assert (answer.status == 1) is (address != "gate:")


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context, terminal_width=80)
        if isinstance(command, click.Group):
            yield from _commands(command, below)
        else:
            yield command, below


EVERY = list(_commands(COMMANDS, click.Context(COMMANDS, info_name="wardgate")))


# --- words that are nearly right


FILTERED = [context.command_path.split()[1:] for command, context in EVERY if "words" in
            {parameter.name for parameter in command.params if "--filter" in parameter.opts}]  # fmt: skip


@pytest.mark.parametrize("words", FILTERED, ids=" ".join)
async def test_a_filter_that_a_list_does_not_have_is_refused_with_those_that_it_has(
    tmp_path: Path, words: list[str]
) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, *words, "--filter", "web foo:bar")
        refusal, hint = answer.err.splitlines()
        assert (answer.status, refusal) == (1, 'error: "foo" is not filtered by')
        for key in hint.removeprefix("hint: one of: ").split(", "):
            assert "is not filtered by" not in (await h.run(gate, *words, "--filter", f"{key}:1")).err


@pytest.mark.parametrize("word", ["fd7a:115c", "2001:db8", "SHA256:abc", "state:", ":22"])
async def test_a_word_with_a_colon_that_is_no_filter_is_looked_for(tmp_path: Path, word: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        assert (await h.run(gate, "devices", "list", "--filter", word)).status == 0


async def test_a_record_without_its_type_is_told_where_the_type_goes(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, "names", "set", "wiki", "web-1")
        assert answer.status == 2
        assert "needs a type before it: one of A, AAAA, CNAME, TXT, SSHFP" in answer.err
        other = await h.run(gate, "names", "set", "wiki", "b", "web-1")
        assert "NAME is followed by one of A, AAAA, CNAME, TXT, SSHFP" in other.err
        assert (await h.run(gate, "names", "set", "wiki", "a", "100.64.0.9")).status == 0


@pytest.mark.parametrize(("address", "type"), [("100.64.0.9", "A"), ("fd7a:115c:a1e0::9", "AAAA")])
async def test_an_address_says_by_itself_of_which_type_it_is(tmp_path: Path, address: str, type: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        assert (await h.run(gate, "names", "set", "wiki", address, "--json")).document["type"] == type


async def test_a_tag_that_the_policy_does_not_know_is_noted(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_policy(gate, json.dumps({"tagOwners": {"tag:db": []}, "acls": []}))
        await build.a_device(gate, "db-1")
        known = await h.run(gate, "devices", "tag", "db-1", "tag:db")
        other = await h.run(gate, "devices", "tag", "db-1", "tag:db", "tag:dbb")
        assert (known.status, known.err) == (0, "")
        assert (other.status, other.err) == (
            0, "note: tag:dbb is not in the policy's tagOwners, so no rule gives it anything yet\n",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "meant"), [("sreve", "serve"), ("stats", "status"), ("logn", "login"), ("devcies", "devices")]
)
def test_a_first_word_that_is_nearly_right_is_suggested(typed: str, meant: str) -> None:
    answer = wardgate(typed)
    assert answer.returncode == 2
    assert answer.stderr == f"error: no such command '{typed}'. Did you mean '{meant}'?\nhint: wardgate --help\n"


@pytest.mark.parametrize("words", [["devices"], ["devices", "tag"], ["serve"], ["up"], ["login"]])
def test_help_takes_the_command_that_it_is_about(words: list[str]) -> None:
    answer = wardgate("help", *words)
    assert answer.returncode == 0
    assert answer.stdout == wardgate(*words, "--help").stdout
    assert answer.stdout.startswith(f"Usage: wardgate {' '.join(words)}")


# --- what was done


def test_a_backup_through_a_gate_that_runs_says_what_it_wrote(tmp_path: Path) -> None:
    with a_served_network(tmp_path / "state"):
        file = tmp_path / "backup.tar"
        said = wardgate("gate", "backup", str(file), state=tmp_path / "state")
        assert said.stdout == f"wrote {file}, {file.stat().st_size} bytes; it holds the CA keys, so keep it safe\n"
        other = tmp_path / "other.tar"
        told = wardgate("gate", "backup", str(other), "--json", state=tmp_path / "state")
        assert json.loads(told.stdout) == {"file": str(other), "bytes": other.stat().st_size}


async def test_a_certificate_without_a_device_says_how_to_join(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await h.run(gate, "settings", "set", "gate.addresses", "gate.example.com:2299")
        alice = build.as_actor("alice", Role.OWNER)
        answer = await h.run(gate, "cert", actor=alice, stdin=build.an_ssh_key().line)
        assert answer.err.endswith("wardgate up alice@net.example.com@gate.example.com:2299\n")


# --- help


@pytest.mark.parametrize(
    ("program", "usage", "example"),
    [
        ("wardgate", "Usage: wardgate policy set [OPTIONS] FILE", "  wardgate policy set policy.hujson"),
        (
            "ssh -p 2222 alice@gate",
            "Usage: ssh -p 2222 alice@gate policy set [OPTIONS] FILE",
            "  ssh -p 2222 alice@gate policy set",
        ),
        ("", "Usage: policy set [OPTIONS] FILE", "  policy set policy.hujson"),
    ],
)
async def test_help_names_commands_as_they_are_typed_there(
    tmp_path: Path, program: str, usage: str, example: str
) -> None:
    async with build.a_gate(tmp_path) as gate:
        said = (await h.run(gate, "policy", "set", "--help", program=program)).out
        assert said.startswith(usage)
        assert f"\n{example}" in said
        local = (await h.run(gate, "gate", "restore", "--help", program=program)).out
        assert "\n  wardgate gate restore" in local


@pytest.mark.parametrize(("command", "context"), [pytest.param(*one, id=one[1].command_path) for one in EVERY])
def test_every_command_s_help_fits_a_terminal_and_its_examples_are_commands(
    command: Command, context: click.Context
) -> None:
    text = command.get_help(context)
    assert max(map(len, text.splitlines())) <= 80
    assert command.examples
    for example in command.examples:
        words = shlex.split(re.sub(r" [<>|] .*", "", example))
        if "--network" in words:  # without a gate: a program of its own
            continue
        if command.local:  # one that takes --state, which is the program's own
            words = words[: words.index("--state")]
        assert parse(words).command is command


async def test_the_gate_s_own_certificate_is_no_name_of_a_device(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        key = build.an_ssh_key()
        signers = gate.signers
        await asyncio.to_thread(network.host_certificate, gate.store, signers, key, ("gate.example.com",))
        listed = await h.run(gate, "names", "list", "--json")
        assert [answer["name"] for answer in listed.document if answer["type"] == "SSHFP"] == []


async def test_who_is_no_person_has_no_keys_of_their_own(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, "keys", "list")
        assert (answer.status, answer.err) == (
            1, "error: local:0 is nobody with things of their own\nhint: over SSH you are a person\n",
        )  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_a_shell_takes(shell: str) -> None:
    answer = wardgate("completion", shell)
    assert answer.returncode == 0
    assert "_WARDGATE_COMPLETE" in answer.stdout


def test_a_shell_that_asks_is_told_nouns_verbs_and_programs() -> None:
    def completed(*words: str) -> set[str]:
        asked = {
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_WARDGATE_COMPLETE": "bash_complete",
        }
        said = subprocess.run(
            PROGRAM, capture_output=True, text=True, check=True, env={**os.environ, **asked}
        ).stdout.split()
        return {line.partition(",")[2] for line in said}

    assert completed("wardgate", "c") == {"certs", "cert", "ca", "console", "completion"}
    assert completed("wardgate", "devices", "re") == {"rename", "remove"}
    assert "--filter" in completed("wardgate", "devices", "list", "--f")


async def test_what_can_be_chosen_stands_on_the_line_of_the_error(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, "ca", "rotate")
        assert (
            answer.err
            == "error: missing argument '(user|host)'. Choose from: user, host\nhint: wardgate ca rotate --help\n"
        )


async def test_a_usage_error_as_json_is_worded_as_every_message(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, "devices", "list", "--limit", "0", "--json")
        assert (answer.status, answer.error["code"]) == (2, "usage")
        assert answer.error["message"] == "invalid value for '--limit': 0 is not in the range x>=1"


def keys_of(document: Any) -> Iterator[str]:
    for key, value in document.items() if isinstance(document, dict) else ():
        yield key
        yield from keys_of(value)
    for value in document if isinstance(document, list) else ():
        yield from keys_of(value)


@pytest.mark.parametrize(
    "words",
    ["me", "users show alice", "devices list", "certs list", "policy history", "gate doctor", "settings list",
     "audit list", "ca show", "enrollment-keys list"],
)  # fmt: skip
async def test_json_has_keys_in_snake_case(tmp_path: Path, words: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        answer = await h.run(gate, *words.split(), "--json", actor=build.as_actor("alice", Role.OWNER))
        assert answer.status == 0
        assert [key for key in keys_of(answer.document) if not re.fullmatch(r"[a-z][a-z0-9_]*", key)] == []


@pytest.mark.parametrize(
    ("program", "usage", "refusal"),
    [
        ("wardgate", "wardgate ca rotate --help", "enable it: wardgate devices enable lap"),
        (
            "ssh -p 2222 alice@gate",
            "ssh -p 2222 alice@gate help ca rotate",
            "ssh -p 2222 alice@gate devices enable lap",
        ),
        ("", "help ca rotate", "enable it: devices enable lap"),
    ],
)
async def test_a_hint_names_commands_as_they_are_typed_there(
    tmp_path: Path, program: str, usage: str, refusal: str
) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "lap")
        await h.run(gate, "devices", "disable", "lap")
        assert (await h.run(gate, "ca", "rotate", program=program)).err.endswith(f"hint: {usage}\n")
        refused = await h.run(gate, "devices", "approve", "lap", program=program)
        assert refusal in refused.err
        told = await h.run(gate, "devices", "approve", "lap", "--json", program=program)
        assert told.error["hint"] in refused.err


def test_a_hint_about_the_gate_s_own_host_stays_as_it_is_typed_there() -> None:
    assert as_typed("there: wardgate gate restore FILE", "ssh gate") == "there: wardgate gate restore FILE"
    assert as_typed("on the device: wardgate up", "ssh gate") == "on the device: wardgate up"
