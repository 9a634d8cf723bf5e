"""docs/ssh.md without an agent, from `init` to a login: the commands as they stand there, on real programs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd_host import OTHER_ADDRESS, Host, a_key_file, beside

from sshca import parse

pytestmark = [pytest.mark.root, pytest.mark.needs("sshd", "ssh", "ip", "wg")]

WARDGATE = str(Path(sys.executable).with_name("wardgate"))
POLICY = """{
  "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
  "tagOwners": {"tag:db": ["alice@net.example.com"]},
  "ssh": [{"action": "accept", "src": ["alice@net.example.com"], "dst": ["tag:db"], "users": ["web"]}]
}"""


class Network:
    """A gate that serves on a port of its own, and its owner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.key = folder / "alice"
        a_key_file(self.key)
        self.local(
            "init", "--domain", "net.example.com", "--owner", "alice", "--owner-key", f"{self.key}.pub",
            "--address", "127.0.0.1",
        )  # fmt: skip
        self.port = ""

    def local(self, *words: str, input: str = "") -> str:
        done = subprocess.run(
            [WARDGATE, *words, "--state", str(self.state)], capture_output=True, text=True, input=input, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ssh(self, *words: str, input: str = "") -> str:
        done = subprocess.run(
            ["ssh", "-F", "none", "-p", self.port, "-i", self.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
             "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.folder}/gate",
             "alice@127.0.0.1", *words],
            capture_output=True, text=True, input=input, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        gate = subprocess.Popen(
            [WARDGATE, "serve", "--listen", "127.0.0.1:0", "--state", str(self.state)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert gate.stdout
            self.port = gate.stdout.readline().split()[2].rpartition(":")[2]
            yield
        finally:
            gate.terminate()
            gate.wait()

    def has_device(self, name: str, *whose: str) -> str:
        """Adds an approved device that no agent follows; gives its VPN address."""
        private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
        public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout
        self.ssh("devices", "add", name, *whose, "--wireguard-key", public.strip())
        shown = json.loads(self.ssh("devices", "show", name, "--json"))
        if shown["state"] != "approved":
            self.ssh("devices", "approve", name)
        return str(shown["ipv4"])


def test_a_host_without_an_agent_is_set_up_logged_into_and_shut(tmp_path: Path) -> None:
    (tmp_path / "gate").mkdir()
    network = Network(tmp_path / "gate")
    with network.served(), Host(tmp_path) as host:
        network.ssh("policy", "set", "-", input=POLICY)
        network.has_device("db-1", "--tag", "tag:db")
        laptop = network.has_device("laptop", "--user", "alice")
        host.run(["ip", "address", "add", laptop, "dev", "lo"], check=True)

        network.ssh("certs", "sign", "--host", "db-1", input=host.key.line)
        host.run(["sh", "-s"], input=network.ssh("ca", "trust", "sshd", "--script", "db-1"), check=True)
        host.serves()
        key = tmp_path / "id_ed25519"
        line = network.ssh("cert", input=a_key_file(key).line)
        trusted = network.ssh("ca", "trust", "client")
        options = {"source": laptop, "known_hosts": trusted}
        assert host.lets_in(beside(key, line.strip()), "web", **options)
        assert not host.lets_in(key, "deploy", **options)
        assert not host.lets_in(key, "web", source=OTHER_ADDRESS)

        network.ssh("certs", "revoke", str(parse(line).serial))
        assert host.lets_in(key, "web", **options), "nobody has told the host yet"
        host.run(["sh", "-s"], input=network.ssh("ca", "trust", "sshd", "--script", "db-1"), check=True)
        assert not host.lets_in(key, "web", **options)

        line = network.ssh("cert", input=key.with_name("id_ed25519.pub").read_text())
        assert host.lets_in(beside(key, line.strip()), "web", **options)
        network.ssh("ca", "rotate", "user", "--emergency")
        host.run(["sh", "-s"], input=network.ssh("ca", "trust", "sshd", "--script", "db-1"), check=True)
        assert not host.lets_in(key, "web", **options)
        line = network.ssh("cert", input=key.with_name("id_ed25519.pub").read_text())
        assert host.lets_in(beside(key, line.strip()), "web", **options)
