"""`wardgate login` as a person runs it: a real gate, a home of the test's own, and what ssh then finds there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-W", "ignore", "-m", "console"]
ROOT = Path(__file__).parents[2]


class Home:
    """A person's home with a key that alice's gate knows, and the gate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.ssh = folder / ".ssh"
        self.ssh.mkdir(mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.ssh / "id_ed25519"], check=True)
        self.run("init", "--domain", "net.example.com", "--owner", "alice", "--owner-key",
                 str(self.ssh / "id_ed25519.pub"), "--address", "localhost", "--state", str(self.state))  # fmt: skip
        key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="
        self.run("devices", "add", "laptop", "--user", "alice", "--wireguard-key", key, "--state", str(self.state))

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [*PROGRAM, *words], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            check=False, timeout=60, cwd=self.folder,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def host_ca(self) -> str:
        shown = json.loads(self.run("ca", "show", "--json", "--state", str(self.state)).stdout)
        return str(next(one["fingerprint"] for one in shown if one["kind"] == "host"))

    def login(self, *words: str, fingerprint: str | None = None, check: bool = True):  # type: ignore[no-untyped-def]
        return self.run(
            "login", f"alice@localhost:{self.port}", "--fingerprint", fingerprint or self.host_ca(), *words,
            check=check,
        )  # fmt: skip

    port = 0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    person = Home(tmp_path)
    gate = subprocess.Popen(
        [*PROGRAM, "serve", "--state", str(person.state), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert gate.stdout is not None
        person.port = int(gate.stdout.readline().split()[2].rpartition(":")[2])
        yield person
    finally:
        gate.terminate()
        gate.wait(20)


@pytest.mark.needs("ssh-keygen")
def test_a_login_leaves_a_certificate_and_all_that_ssh_needs(home: Home) -> None:
    home.login()
    folder = home.ssh / "wardgate"
    (certificate,) = folder.glob("*-cert.pub")
    shown = subprocess.run(["ssh-keygen", "-L", "-f", certificate], capture_output=True, text=True, check=True).stdout
    assert "alice@net.example.com/laptop/" in shown
    resolved = subprocess.run(
        ["ssh", "-G", "-F", str(home.ssh / "config"), "db-1.net.example.com"], capture_output=True, text=True,
        check=True, env={**os.environ, "HOME": str(home.folder)},
    )  # fmt: skip
    (config,) = folder.glob("*.conf")
    text = config.read_text()
    assert f"CertificateFile {certificate}" in text
    assert "@cert-authority" in (folder / "net.example.com.known_hosts").read_text()
    assert resolved.returncode == 0
    assert (home.ssh / "config").read_text().startswith("Include wardgate/*.conf")
    status = json.loads(home.run("login", "--status", "--json").stdout)
    assert [(one["name"], one["device"], one["valid"]) for one in status] == [("alice@net.example.com", "laptop", True)]


@pytest.mark.needs("ssh-keygen")
def test_a_gate_that_shows_another_key_gets_no_secret_and_leaves_nothing(home: Home) -> None:
    done = home.login(fingerprint="SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", check=False)
    assert done.returncode == 1
    assert "does not show a key that is trusted" in done.stderr
    assert not list((home.ssh / "wardgate").glob("*-cert.pub"))


@pytest.mark.needs("ssh-keygen")
def test_print_writes_nothing_but_the_certificate(home: Home) -> None:
    done = home.login("--print")
    assert done.stdout.startswith("ssh-ed25519-cert-v01@openssh.com ")
    assert not (home.ssh / "config").exists()


@pytest.mark.needs("ssh-keygen")
def test_logging_out_takes_everything_away_and_revokes(home: Home) -> None:
    home.login()
    home.run("logout")
    left = {path.suffix for path in (home.ssh / "wardgate").iterdir()}
    assert left <= {".trusted"}
    words = ("certs", "list", "--filter", "kind:user", "--json", "--state", str(home.state))
    assert [one["state"] for one in json.loads(home.run(*words).stdout)] == ["revoked"]
