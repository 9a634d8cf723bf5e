"""`wardgate login` as a person runs it: a real gate, a home of the test's own, and what ssh then finds there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from console.programs.knownhosts import known

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
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT), **self.more}
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

    def shown_ca(self) -> str:
        """Of the host certificate that the gate shows to whoever connects."""
        words = ["ssh-keyscan", "-c", "-t", "ed25519", "-p", str(self.port), "localhost"]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        line = said[said.index("ssh-ed25519-cert-v01@openssh.com") :]
        told = subprocess.run(["ssh-keygen", "-L", "-f", "-"], input=line, capture_output=True, text=True, check=True)
        return told.stdout.partition("Signing CA: ED25519 ")[2].split()[0]

    def login(self, *words: str, fingerprint: str | None = None, check: bool = True):  # type: ignore[no-untyped-def]
        return self.run(
            "login", f"alice@localhost:{self.port}", "--fingerprint", fingerprint or self.host_ca(), *words,
            check=check,
        )  # fmt: skip

    def knows(self, *lines: str) -> None:
        (self.ssh / "known_hosts").write_text("".join(f"{line}\n" for line in lines))

    def host_ca_key(self) -> str:
        lines = self.run("ca", "trust", "client", "--state", str(self.state)).stdout.splitlines()
        return next(" ".join(line.split()[2:4]) for line in lines if line.startswith("@cert-authority"))

    port = 0
    more: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    person = Home(tmp_path)
    gate = subprocess.Popen(
        [*PROGRAM, "serve", "--state", str(person.state), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=(tmp_path / "log").open("w"), text=True, cwd=tmp_path,
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
    assert f"localhost shows the host CA {home.host_ca()}, and not SHA256:AAAA" in done.stderr
    assert "give it: --fingerprint SHA256:" in done.stderr
    assert not list((home.ssh / "wardgate").glob("*-cert.pub"))


@pytest.mark.needs("ssh-keygen", "ssh-keyscan")
def test_after_the_host_ca_was_replaced_the_new_one_is_told_and_counts_once_it_is_given(home: Home) -> None:
    home.login()
    old = home.host_ca()
    home.run("ca", "rotate", "host", "--emergency", "--state", str(home.state))
    shown = next(one for one in json.loads(home.run("ca", "show", "--json", "--state", str(home.state)).stdout)
                 if one["kind"] == "host" and one["state"] == "active")  # fmt: skip
    deadline = time.monotonic() + 20
    while home.shown_ca() != shown["fingerprint"]:
        assert time.monotonic() < deadline
    again = home.run("login", check=False)
    assert f"localhost shows the host CA {shown['fingerprint']}, and not {old}, which is trusted" in again.stderr
    assert "ask its operator for the host CA's fingerprint" in again.stderr
    home.login(fingerprint=shown["fingerprint"])
    assert home.run("login").returncode == 0


@pytest.mark.needs("ssh-keygen")
def test_print_writes_nothing_but_the_certificate(home: Home) -> None:
    done = home.login("--print")
    assert done.stdout.startswith("ssh-ed25519-cert-v01@openssh.com ")
    assert not (home.ssh / "config").exists()


@pytest.mark.needs("ssh-keygen")
def test_logging_out_takes_everything_away_and_revokes(home: Home) -> None:
    (home.ssh / "config").write_text("Host mine\n    User me\n")
    home.login()
    (config,) = (home.ssh / "wardgate").glob("*.conf")
    assert f"# Written by `wardgate login alice@localhost:{home.port}`" in config.read_text()
    home.run("logout")
    left = {path.suffix for path in (home.ssh / "wardgate").iterdir()}
    assert left <= {".trusted"}
    assert (home.ssh / "config").read_text() == "Host mine\n    User me\n"
    words = ("certs", "list", "--filter", "kind:user", "--json", "--state", str(home.state))
    assert [one["state"] for one in json.loads(home.run(*words).stdout)] == ["revoked"]


@pytest.mark.needs("ssh-keygen")
def test_a_second_login_goes_by_the_first_ones_key_so_that_logging_out_leaves_none(home: Home) -> None:
    home.login()
    home.login()
    assert len(list((home.ssh / "wardgate").glob("*.pub"))) == 2  # the key's, and its certificate
    home.run("logout")
    assert {path.suffix for path in (home.ssh / "wardgate").iterdir()} == {".trusted"}


@pytest.mark.needs("ssh-keygen")
def test_logging_in_and_out_answers_in_json_where_that_is_asked_for(home: Home) -> None:
    came = json.loads(home.login("--json").stdout)
    assert [came] == json.loads(home.run("login", "--status", "--json").stdout)
    assert (came["name"], came["device"], came["valid"]) == ("alice@net.example.com", "laptop", True)
    gone = json.loads(home.run("logout", "--json").stdout)
    assert gone == {"name": "alice@net.example.com", "gate": came["gate"], "problem": None}


@pytest.mark.needs("ssh-keygen")
def test_a_login_by_another_key_takes_the_place_of_the_key_that_was_made(home: Home) -> None:
    home.login()
    home.login("--key", str(home.ssh / "id_ed25519"))
    assert not list((home.ssh / "wardgate").glob("alice@*"))
    home.run("logout")
    assert {path.name for path in home.ssh.iterdir()} >= {"id_ed25519", "id_ed25519.pub"}


@pytest.mark.needs("ssh-keygen")
def test_a_question_that_nobody_is_there_to_answer_ends_the_login_in_one_line(home: Home) -> None:
    home.run("users", "add", "bob", "--state", str(home.state))
    done = home.run("login", f"bob@localhost:{home.port}", "--fingerprint", home.host_ca(), check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert 'error: the gate asks "Password:", and nobody answers' in done.stderr.splitlines()
    assert "hint: log in at a terminal" in done.stderr


@pytest.mark.needs("ssh-keygen")
def test_a_login_by_a_registered_key_asks_for_nothing_that_is_refused(home: Home) -> None:
    home.login()
    trail = json.loads(home.run("audit", "list", "--json", "--state", str(home.state)).stdout)
    assert not [entry for entry in trail if entry["subject"] == "refused"]


@pytest.mark.needs("ssh-keygen")
def test_a_device_that_expires_soon_is_warned_about(home: Home) -> None:
    assert "warning" not in home.login().stderr
    home.run("devices", "expire", "laptop", "--in", "2d", "--state", str(home.state))
    assert "warning: your device laptop expires in " in home.login().stderr


@pytest.mark.needs("ssh-keygen")
def test_the_gate_logs_a_login_in_one_line(home: Home) -> None:
    home.login()
    lines = (home.folder / "log").read_text().splitlines()
    assert "INFO wardgate.login: login user=alice@net.example.com method=key source=127.0.0.1" in lines


# Whether the gate is the right one.


@pytest.mark.needs("ssh-keygen")
def test_a_gate_that_ssh_knows_is_not_asked_about_again(home: Home) -> None:
    home.knows(f"@cert-authority [localhost]:{home.port} {home.host_ca_key()}")
    done = home.run("login", f"alice@localhost:{home.port}", "--print")
    assert "Is that what your operator gave you?" not in done.stderr


@pytest.mark.needs("ssh-keygen")
def test_without_a_terminal_the_refusal_says_how_to_name_the_gates_key(home: Home) -> None:
    done = home.run("login", f"alice@localhost:{home.port}", "--print", check=False)
    assert done.returncode == 1
    assert f"localhost shows the host CA {home.host_ca()}, and there is no terminal to ask" in done.stderr
    assert "hint: ask its operator for the host CA's fingerprint, and give it: --fingerprint SHA256:" in done.stderr


@pytest.mark.needs("ssh-keygen")
def test_a_key_that_ssh_knows_as_revoked_is_not_even_asked_about(home: Home) -> None:
    key = home.host_ca_key()
    home.knows(f"@cert-authority [localhost]:{home.port} {key}", f"@revoked * {key}")
    done = home.run("login", f"alice@localhost:{home.port}", "--print", check=False)
    assert done.returncode == 1
    assert "does not show a key that is trusted" in done.stderr


@pytest.mark.needs("ssh-keygen")
def test_the_key_of_another_server_on_that_host_is_not_the_gates(tmp_path: Path) -> None:
    line = ssh_key_line(tmp_path)
    file = tmp_path / "known_hosts"
    file.write_text(f"gate.test {line}\n")
    assert known("gate.test", 22, [file]).trusted
    assert not known("gate.test", 2222, [file]).trusted
    file.write_text(f"[gate.test]:2222 {line}\n")
    assert known("gate.test", 2222, [file]).trusted
    file.write_text(f"@cert-authority *.test {line}\n\x00 rubbish\n")
    assert known("gate.test", 2222, [file, tmp_path / "none"]).trusted


def ssh_key_line(folder: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True)
    return " ".join((folder / "host.pub").read_text().split()[:2])


@pytest.mark.parametrize(
    ("given", "like"),
    [
        pytest.param("alice", "wardgate login alice@GATE[:PORT]", id="a-person-alone"),
        pytest.param("gate.example.com", "wardgate login NAME@gate.example.com", id="a-gate-alone"),
        pytest.param("gate:2222", "wardgate login NAME@gate:2222", id="a-gate-and-its-port"),
    ],
)
def test_who_names_half_of_it_is_told_the_other_half(tmp_path: Path, given: str, like: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*PROGRAM, "login", given], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"hint: like: {like}\n" in done.stderr


# Renewing by itself.


@contextmanager
def an_agent(home: Home) -> Iterator[None]:
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    values = dict(line.split(";")[0].split("=", 1) for line in said.splitlines() if "=" in line)
    home.more = {"SSH_AUTH_SOCK": values["SSH_AUTH_SOCK"]}
    try:
        yield
    finally:
        os.kill(int(values["SSH_AGENT_PID"]), signal.SIGTERM)


def nearly_over(home: Home) -> None:
    """As the certificate is some hours later."""
    (record,) = (home.ssh / "wardgate").glob("*.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"valid_before": int(time.time()) + 60}))


def serials(home: Home) -> list[int]:
    words = ("certs", "list", "--filter", "kind:user", "--json", "--state", str(home.state))
    return sorted(one["serial"] for one in json.loads(home.run(*words).stdout))


@pytest.mark.needs("ssh-keygen", "ssh-agent", "ssh-add")
def test_as_a_proxy_command_it_renews_for_the_agent_and_carries_the_connection(home: Home) -> None:
    with an_agent(home), socket.create_server(("127.0.0.1", 0)) as host:
        home.login()
        nearly_over(home)
        threading.Thread(target=echo_once, args=(host,), daemon=True).start()
        done = subprocess.run(
            [*PROGRAM, "login", "--proxy", f"127.0.0.1:{host.getsockname()[1]}"], input=b"carried\n" * 50_000,
            env={"PATH": os.environ["PATH"], "HOME": str(home.folder), "PYTHONPATH": str(ROOT), **home.more},
            capture_output=True, check=False, timeout=60, cwd=home.folder,
        )  # fmt: skip
        assert done.stdout == b"carried\n" * 50_000
        assert len(serials(home)) == 2
        listed = subprocess.run(
            ["ssh-add", "-L"], env={**os.environ, **home.more}, capture_output=True, text=True, check=True
        )
        newest = (next((home.ssh / "wardgate").glob("*-cert.pub"))).read_text().split()[1]
        assert newest in listed.stdout


def echo_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


@pytest.mark.needs("ssh-keygen")
def test_what_ssh_asks_for_each_connection_renews_only_what_is_nearly_over(home: Home) -> None:
    home.login()
    home.run("login", "--renew", f"alice@localhost:{home.port}")
    assert len(serials(home)) == 1
    nearly_over(home)
    home.run("login", "--renew", f"alice@localhost:{home.port}")
    assert len(serials(home)) == 2


def list_is_old(home: Home) -> None:
    (path,) = (home.ssh / "wardgate").glob("*.krl")
    os.utime(path, (0, 0))


@pytest.mark.needs("ssh-keygen")
def test_a_revoked_certificate_is_replaced_once_the_list_says_so(home: Home) -> None:
    home.login()
    (serial,) = serials(home)
    home.run("certs", "revoke", str(serial), "--state", str(home.state))
    home.run("login", "--renew", f"alice@localhost:{home.port}")
    assert len(serials(home)) == 1, "the gate is not asked for each connection"
    list_is_old(home)
    home.run("login", "--renew", f"alice@localhost:{home.port}")
    assert len(serials(home)) == 2
    (shown,) = json.loads(home.run("login", "--status", "--json").stdout)
    assert (shown["revoked"], shown["valid"]) == (False, True)


@pytest.mark.needs("ssh-keygen")
def test_a_login_that_the_gate_ended_is_shown_as_revoked(home: Home) -> None:
    home.login()
    home.run("devices", "disable", "laptop", "--state", str(home.state))
    list_is_old(home)
    assert "revoked" in home.run("login", "--status").stdout


def test_a_host_that_is_down_is_said_in_one_line(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*PROGRAM, "login", "--proxy", "127.0.0.1:9"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "error: 127.0.0.1:9 does not answer: connection refused\n"
