"""`wardgate login` at a gate that answers what it likes: what it says becomes no setting of this person's ssh."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from console.programs import loginfiles
from console.programs.gateclient import Asker, Person
from console.programs.knownhosts import Known
from model.errors import Denied

PROGRAM = [sys.executable, "-W", "ignore", "-m", "console"]
ROOT = Path(__file__).parents[2]


class Liar(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


class HostileGate:
    """Answers `me`, `cert`, `certs krl` and `ca trust client` with what a test has it say."""

    def __init__(self, **said: object) -> None:
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self._said: Mapping[str, object] = said

    def answer(self, process: asyncssh.SSHServerProcess[str]) -> None:
        line = self.key.export_public_key().decode().strip()
        me = {"name": "alice@net.example.com", "devices": [], **self._said}
        certificate = {
            "domain": "net.example.com", "device": "laptop", "valid_before": "2099-01-01T00:00:00Z",
            "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA", **self._said,
        }  # fmt: skip
        trust = {"known_hosts": f"@cert-authority net.example.com,*.net.example.com {line} wardgate\n", **self._said}
        krl = {"krl": base64.b64encode(b"SSHKRL\n\0" + bytes(36)).decode(), **self._said}
        words = (process.command or "").split()
        process.stdout.write(json.dumps({"me": me, "cert": certificate, "certs": krl}.get(words[0], trust)))
        process.exit(0)

    async def _serve(self, ready: threading.Event, done: asyncio.Event) -> None:
        async with await asyncssh.create_server(
            Liar, "127.0.0.1", 0, server_host_keys=[self.key], process_factory=self.answer
        ) as server:
            self.port = server.get_port()
            ready.set()
            await done.wait()

    @contextmanager
    def open(self) -> Iterator[HostileGate]:
        loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._serve(ready, done),))
        thread.start()
        try:
            assert ready.wait(20)
            yield self
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join(20)
            loop.close()


def log_in(gate: HostileGate, home: Path) -> subprocess.CompletedProcess[str]:
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    words = ["login", f"alice@127.0.0.1:{gate.port}", "--fingerprint", gate.key.get_fingerprint()]
    return subprocess.run(
        [*PROGRAM, *words], env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60, cwd=home,
    )  # fmt: skip


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"domain": "a.test\nMatch all\n    ProxyCommand touch owned\n#"}, id="a-domain-of-several-lines"),
        pytest.param({"domain": "../../elsewhere"}, id="a-domain-that-is-a-path"),
        pytest.param({"domain": "*"}, id="every-host-there-is"),
        pytest.param({"name": 'alice" ; touch owned ; "@net.example.com'}, id="a-name-for-a-shell"),
        pytest.param({"device": "laptop\x1b[2J"}, id="a-device-for-the-terminal"),
        pytest.param({"certificate": "ssh-ed25519-cert-v01@openssh.com AAAA\nsecond line"}, id="a-second-line"),
        pytest.param({"domain": None}, id="no-domain-at-all"),
        pytest.param({"krl": "bm8gbGlzdA=="}, id="a-revocation-list-that-is-none"),
    ],
)
def test_what_is_no_name_is_refused_before_anything_is_written(tmp_path: Path, said: dict[str, object]) -> None:
    home = tmp_path / "home"
    with HostileGate(**said).open() as gate:
        done = log_in(gate, home)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the gate did not answer as a gate does: ")
    assert not (home / ".ssh" / "config").exists()
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {f"alice@127.0.0.1-{gate.port}", f"alice@127.0.0.1-{gate.port}.pub"}, "nothing that ssh reads"
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.needs("ssh-keygen")
def test_its_host_keys_count_for_the_networks_names_alone(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    with HostileGate(known_hosts=f"@cert-authority * {key} wardgate\n").open() as gate:
        assert log_in(gate, tmp_path).returncode == 0
    (config,) = (tmp_path / ".ssh" / "wardgate").glob("*.conf")
    assert "Match host net.example.com,*.net.example.com exec" in config.read_text()
    assert not (tmp_path / ".ssh" / "known_hosts").exists()


@pytest.mark.parametrize("address", ["file:///etc/passwd", "vscode://x", "-oops", "https://a.test/\x1b[2J", ""])
async def test_only_a_page_of_the_web_is_opened(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    said: list[str] = []
    asker = Asker(ask=lambda prompt, _: said.append(prompt) or "", tell=said.append, confirm=lambda _: True)
    person = Person(asker, (), "gate.test", Known())
    assert (await person.kbdint_challenge_received("", "", "", [("\x1b[2JEnter to log in with id", True)])) is not None
    with pytest.raises(Denied, match="the gate names no web page"):
        await person.kbdint_challenge_received("", "", "", [(f"wardgate-login {address}", True)])
    assert (opened, said) == ([], ["\ufffd[2JEnter to log in with id"])


@pytest.mark.needs("ssh", "ssh-keygen")
def test_a_name_with_signs_that_shells_know_is_asked_for_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    asked = tmp_path / "asked"
    name = "al(ice)%h#~"
    with HostileGate(name=f"{name}@net.example.com").open() as gate:
        assert log_in(gate, home).returncode == 0
    (config,) = (home / ".ssh" / "wardgate").glob("*.conf")
    program = tmp_path / "a program"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {asked}\n")
    program.chmod(0o755)
    kept = loginfiles.Folder(home).logins()[0]
    loginfiles.Folder(home).keep(kept, certificate="", known_hosts="", krl=b"", program=str(program))
    shown = subprocess.run(
        ["ssh", "-G", "-F", str(config), "db-1.net.example.com"], capture_output=True, text=True, check=True
    ).stdout
    assert asked.read_text().split("\n") == ["login", "--renew", f"{name}@127.0.0.1:{gate.port}", ""]
    assert f"identityfile {kept.key_file}\n" in shown
