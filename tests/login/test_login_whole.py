"""The whole way: a person without any key, the provider's pages, `wardgate login`, and what it leaves."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import shlex
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from doors_harness import InTerminal
from login_harness import RealProvider, a_provider
from this_machine import PROGRAM, ThisMachine


class Home(ThisMachine):
    """A person's home without a key, and a served gate on the same machine."""

    def __init__(self, folder: Path) -> None:
        browser = f"{sys.executable} -W ignore {Path(__file__).with_name('browser.py')} %s"
        super().__init__(folder, PERSON="bob", TERM="xterm", BROWSER=browser)

    def at_terminal(self, *words: str) -> AbstractAsyncContextManager[InTerminal]:
        return self.running(*PROGRAM, *words)

    @asynccontextmanager
    async def running(self, *words: str) -> AsyncIterator[InTerminal]:
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 200))
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self.environment,
            preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
        )
        os.close(slave)
        terminal = InTerminal(process, master)
        try:
            yield terminal
        finally:
            await terminal.close()


def arranged(home: Home, provider: RealProvider) -> None:
    home.run("init", "--domain", "net.test", "--owner", "alice", "--address", "localhost")
    home.run("users", "add", "bob")
    key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="
    home.run("devices", "add", "laptop", "--user", "bob", "--wireguard-key", key)
    home.run("settings", "apply", "-", stdin=json.dumps({"login.issuers": provider.settings()}))


@pytest.mark.needs("oidc-provider", "ssh-keygen", "ssh")
async def test_a_person_without_a_key_logs_in_with_their_provider_and_has_all_that_ssh_needs(tmp_path: Path) -> None:
    async with a_provider(tmp_path) as provider:
        home = Home(tmp_path)
        arranged(home, provider)
        async with home.serving():
            async with home.at_terminal("login", f"bob@localhost:{home.port}") as terminal:
                await terminal.until(b"Is that what your operator gave you?")
                await terminal.type(b"y\r")
                await terminal.until(b"Password, or Enter for example: ")
                await terminal.type(b"\r")
                await terminal.until(b"logged in as bob@net.test on laptop")
                assert await terminal.status() == 0
            (certificate,) = (tmp_path / ".ssh" / "wardgate").glob("*-cert.pub")
            key = certificate.with_name(certificate.name.removesuffix("-cert.pub"))
            me = await asyncio.to_thread(
                subprocess.run,
                [
                    "ssh", "-F", "none", "-i", key, "-o", f"CertificateFile={certificate}", "-o", "BatchMode=yes", "-o",
                    "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'kh'}", "-p", str(home.port),
                    "bob@127.0.0.1", "me", "--json",
                ],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert me.returncode == 0, me.stderr
            assert json.loads(me.stdout)["name"] == "bob@net.test"
            async with home.at_terminal("logout") as terminal:
                assert await terminal.status() == 0
            assert json.loads(home.run("certs", "list", "--json"))[0]["state"] == "revoked"


@pytest.mark.needs("ssh")
async def test_an_invitations_command_as_it_is_printed_knows_the_gate_and_lets_in(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run("init", "--domain", "net.test", "--owner", "alice", "--address", "localhost")
    async with home.serving():
        home.run("settings", "set", "gate.addresses", f"localhost:{home.port}")
        made = json.loads(home.run("users", "add", "bob", "--invite", "--json"))
        program, *words = shlex.split(made["command"])
        asked = [program, "-F", "none", "-o", f"UserKnownHostsFile={tmp_path / 'kh'}", "-o", "IdentityAgent=none"]
        async with home.running(*asked, *words, "me") as terminal:
            await terminal.until(b"Password: ")
            await terminal.type(made["invitation"].encode() + b"\r")
            await terminal.until(b"Enter to set a password")
            await terminal.type(b"\r")
            for prompt in (b"New password: ", b"Again: "):
                await terminal.until(prompt)
                await terminal.type(b"correct horse battery\r")
            await terminal.until(b"y or n: ")
            await terminal.type(b"n\r")
            await terminal.until(b"bob@net.test")
            assert await terminal.status() == 0
        user_ca = next(one["key"] for one in json.loads(home.run("ca", "show", "--json")) if one["kind"] == "user")
        told = [word.partition("* ")[0] + f"* {user_ca}" if "KnownHosts" in word else word for word in words]
        async with home.running(*asked, *told, "me") as terminal:
            await terminal.until(b"Host key verification failed")
