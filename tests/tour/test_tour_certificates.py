"""Certificates from end to end: the gate's commands, the agents' files, a real sshd behind a real tunnel."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from machines import Machine, Wire, until, wire

pytestmark = [
    pytest.mark.root,
    pytest.mark.needs("ssh", "ssh-keygen", "sshd", "wg", "wireguard-go", "nft", "ip", "ping"),
    pytest.mark.timeout(300),
]

GATE = "gate.example.com"
PASSWORD = "correct horse battery staple"
RULE = {"action": "accept", "src": ["alice@net.example.com"], "dst": ["tag:web"], "users": ["root"]}
POLICY = {
    "tagOwners": {"tag:web": ["alice@net.example.com"]},
    "acls": [{"action": "accept", "src": ["alice@net.example.com"], "dst": ["tag:web:22"]}],
    "ssh": [RULE],
}
ASKPASS = """#!/bin/sh
case "$1" in
*Password*) echo "{password}" ;;
*Code*) cat ~/code ;;
esac
"""


class Net:
    """A gate; alice's laptop; web-1, whose sshd follows its agent. Alice's key is `id_ed25519`, bob operates."""

    def __init__(self, net: Wire, logs: Path) -> None:
        self._logs = logs
        self.gate, self.laptop = net.machine("gate", known_as=GATE), net.machine("laptop")
        self.web, self.web_address = net.machine("web-1"), "10.9.0.3"
        self.laptop.do("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && ssh-keygen -q -t ed25519 -N '' -f bob")
        self.gate.write("alice.pub", self.laptop.do("cat ~/.ssh/id_ed25519.pub"))
        new = f"--domain net.example.com --owner alice --owner-key alice.pub --address {GATE}:2222"
        self.gate.do(f"wardgate init --state net {new}")
        self.trust_hosts(self.gate.do("wardgate ca trust client --state net"))
        self._start(self.gate, "wardgate serve --state net --listen 10.9.0.1:2222", "listening on ")
        self.alice("policy set -", stdin=json.dumps(POLICY))
        self._start(self.laptop, f"wardgate up alice@{GATE}:2222", "connected")
        self.web.write("web.key", self.alice("enrollment-keys create --tag tag:web --pre-approved"))
        self.web.do("ssh-keygen -A && /usr/sbin/sshd")
        self._start(self.web, f"wardgate up {GATE}:2222 --key-file web.key", "connected")
        until(lambda: "0% packet loss" in self.laptop.do("ping -c 1 -W 2 web-1", status=None), of="the tunnel")

    def _start(self, machine: Machine, line: str, says: str) -> None:
        log = self._logs / f"{machine.name}.log"
        machine.start(line, log)
        until(lambda: says in log.read_text(), of=lambda: f"{machine.name}$ {line}\n{log.read_text()}")

    def trust_hosts(self, printed: str) -> None:
        lines = [line for line in printed.splitlines() if line.startswith("@cert-authority")]
        self.laptop.write(".ssh/known_hosts", "".join(f"{line}\n" for line in lines))

    def alice(self, command: str, *, stdin: str = "", status: int | None = 0) -> str:
        return self.laptop.do(f"ssh -p 2222 alice@{GATE} {command} 2>&1", stdin=stdin, status=status)

    def fetch(self, more: str = "") -> int:
        """A certificate for alice's key, beside it; its serial."""
        key = self.laptop.do("cat ~/.ssh/id_ed25519.pub")
        got = json.loads(self.alice(f"cert {more} --json", stdin=key))
        self.laptop.write(".ssh/id_ed25519-cert.pub", got["certificate"] + "\n")
        return int(got["serial"])

    def lets_in(self, host: str = "web-1.net.example.com", options: str = "", key: str = ".ssh/id_ed25519") -> bool:
        known = f"-o BatchMode=yes -o ConnectTimeout=5 -o IdentitiesOnly=yes -i ~/{key}"
        return self.laptop.do(f"ssh {known} {options} root@{host} hostname", status=None) == "web-1\n"

    def refused(self) -> None:
        until(lambda: not self.lets_in(), of="the login to be refused", seconds=10)

    def let_in(self) -> None:
        until(self.lets_in, of="the login to be let in", seconds=20)

    def generations(self) -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in json.loads(self.alice("ca show --json"))}

    def taken(self, generation: str) -> bool:
        found = self.generations()[generation]
        return found["hosts"] > 0 and found["taken"] == found["hosts"]

    def host_certificate(self) -> dict[str, Any]:
        """Of web-1, the newest on record."""
        rows = json.loads(self.alice("certs list --filter kind:host --json"))
        return max((row for row in rows if row["device"] == "web-1"), key=lambda row: int(row["serial"]))

    def standing(self) -> dict[str, Any]:
        """Of web-1's certificate, as it says itself."""
        found: dict[str, Any] = json.loads(self.web.do("wardgate status --json"))["host_certificate"]
        return found

    @contextlib.contextmanager
    def policy(self, **changes: object) -> Iterator[None]:
        self.alice("policy set -", stdin=json.dumps({**POLICY, **changes}))
        try:
            yield
        finally:
            self.alice("policy set -", stdin=json.dumps(POLICY))

    @contextlib.contextmanager
    def claims(self, *rows: dict[str, object]) -> Iterator[None]:
        self._claim(rows)
        try:
            yield
        finally:
            self._claim(())

    def _claim(self, rows: Sequence[dict[str, object]]) -> None:
        self.alice("settings apply -", stdin=json.dumps({"certificates.claims": rows}))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Made once: each test fetches a certificate of its own and says itself what else it needs."""
    folder = tmp_path_factory.mktemp("net")
    with wire(folder) as made:
        yield Net(made, folder)


def test_a_certificate_serves_through_the_tunnel_and_not_around_it(net: Net) -> None:
    net.fetch()
    net.let_in()
    any_host = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    web = json.loads(net.alice("devices show web-1 --json"))
    assert net.lets_in(web["ipv4"], any_host)
    assert net.lets_in(web["ipv6"], any_host)
    assert not net.lets_in(net.web_address, any_host)


def test_what_is_revoked_is_refused_at_the_next_login(net: Net) -> None:
    for how in ("SERIAL", "--device laptop", "--user alice", "--key-id alice@net.example.com/laptop/SERIAL"):
        serial = net.fetch()
        net.let_in()
        net.alice(f"certs revoke {how.replace('SERIAL', str(serial))}")
        net.refused()


def test_a_revoked_key_gets_no_other_certificate(net: Net) -> None:
    net.laptop.do("rm -f lost* && ssh-keygen -q -t ed25519 -N '' -f lost")
    key = net.laptop.do("cat lost.pub")
    net.laptop.write("lost-cert.pub", net.alice("cert", stdin=key))
    until(lambda: net.lets_in(key="lost"), of="the login to be let in")
    net.alice("certs revoke --key -", stdin=key)
    until(lambda: not net.lets_in(key="lost"), of="the login to be refused", seconds=10)
    assert "is revoked" in net.alice("cert", stdin=key, status=1)


def test_a_check_rule_asks_for_a_fresh_login(net: Net) -> None:
    net.gate.do("wardgate users set-password alice --state net", stdin=f"{PASSWORD}\n")
    secret = json.loads(net.gate.do("wardgate users totp alice --state net --json"))["secret"]
    codes, step = pyotp.TOTP(secret.replace(" ", "")), int(time.time()) // 30
    net.alice("users totp alice --confirm", stdin=f"{codes.generate_otp(step - 1)}\n")
    with net.policy(ssh=[{**RULE, "action": "check", "checkPeriod": "1h"}]):
        net.fetch("--ttl 30m")
        net.refused()  # a key proves nothing new of the person
        net.laptop.write("code", codes.generate_otp(step))
        net.laptop.write("askpass", ASKPASS.format(password=PASSWORD), 0o700)
        ask = "SSH_ASKPASS=~/askpass SSH_ASKPASS_REQUIRE=force ssh -o PreferredAuthentications=keyboard-interactive"
        key = net.laptop.do("cat ~/.ssh/id_ed25519.pub")
        fresh = net.laptop.do(f"{ask} -p 2222 alice@{GATE} cert --ttl 30m", stdin=key)
        net.laptop.write(".ssh/id_ed25519-cert.pub", fresh)
        net.let_in()


def test_a_host_takes_its_key_from_whoever_claimed_it_and_says_how_its_certificate_stands(net: Net) -> None:
    net.laptop.do("ssh-keygen -q -t ed25519 -N '' -f next-host")
    public, private = net.laptop.do("cat next-host.pub"), net.laptop.do("cat next-host")
    net.alice("users add mallory --role member")
    net.alice("users keys add mallory -", stdin=public)
    net.web.do("cat > /etc/ssh/ssh_host_ed25519_key.pub", stdin=public)
    net.web.do("cat > /etc/ssh/ssh_host_ed25519_key", stdin=private)
    fingerprint = net.laptop.do("ssh-keygen -lf next-host.pub").split()[1]
    until(lambda: net.host_certificate()["fingerprint"] == fingerprint, of="the certificate", seconds=60)
    assert net.host_certificate()["key_proved"]
    assert fingerprint not in net.alice("users keys list mallory")
    until(lambda: net.standing()["problem"] is None, of="the host to be content")
    assert net.standing()["valid_before"] == net.host_certificate()["valid_before"]
    assert json.loads(net.alice("devices show web-1 --json"))["host_certificate"]["problem"] is None


def test_a_second_operators_word_is_waited_for(net: Net) -> None:
    net.alice("users add bob --role operator")
    net.alice("users keys add bob -", stdin=net.laptop.do("cat bob.pub"))
    with net.claims({"kind": "user", "role": "owner", "approval": 600}):
        said = net.alice("cert", stdin=net.laptop.do("cat ~/.ssh/id_ed25519.pub"), status=1)
        (request,) = json.loads(net.alice("certs waiting --json"))
        approve = f"certs approve {request['id']}"
        assert approve in said
        assert "second operator" in net.alice(approve, status=1)
        net.laptop.do(f"ssh -i bob -o IdentitiesOnly=yes -p 2222 bob@{GATE} {approve}")
        serial = net.fetch()
        net.let_in()
        assert "of bob@net.example.com" in net.alice(f"certs show {serial}")


def test_logins_go_on_at_each_step_of_a_rotation(net: Net) -> None:
    net.fetch()
    before, after = next_generations(net, "user")
    net.alice("ca rotate user")
    until(lambda: net.taken(after), of="the host to trust the new key")
    assert net.lets_in()
    net.alice("ca promote user")
    assert net.lets_in()  # by the old generation's certificate
    net.fetch()
    assert net.lets_in()
    assert "would be refused everywhere" in net.alice(f"ca retire {before}", status=1)
    net.alice(f"ca retire {before} --anyway")
    until(lambda: net.generations()[before]["state"] == "retired", of="the old one to retire")
    assert net.lets_in()


def test_an_emergency_puts_out_what_the_stolen_key_signed(net: Net) -> None:
    net.fetch()
    net.let_in()
    net.alice("ca rotate user --emergency")
    net.refused()
    net.fetch()
    net.let_in()


def test_hosts_fetch_certificates_of_the_new_host_ca_and_renew_them_at_two_thirds(net: Net) -> None:
    net.fetch()
    net.let_in()
    with net.claims({"kind": "host", "minimum": 30, "default": 60}):
        net.alice("ca rotate host --emergency")
        net.refused()  # the host shows a certificate of the new CA, which this client does not know yet
        net.trust_hosts(net.gate.do("wardgate ca trust client --state net"))
        until(lambda: "host-" in net.alice("ca show", status=None), of="the gate itself to be certified anew")
        active = next(id for id, one in net.generations().items() if id.startswith("host") and one["state"] == "active")
        until(lambda: net.host_certificate()["generation"] == active, of="a certificate of the new host CA")
        net.let_in()
        first = net.host_certificate()
        until(lambda: int(net.host_certificate()["serial"]) > int(first["serial"]), of="the renewal")
        net.let_in()
        renewed = moment(net.host_certificate()["issued_at"])
    begins, ends = moment(first["valid_after"]), moment(first["valid_before"])
    assert begins + (ends - begins) * 2 / 3 <= renewed < ends


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def next_generations(net: Net, kind: str) -> tuple[str, str]:
    """The newest of a kind, and what the one after it will be called."""
    last = max(int(id.rpartition("-")[2]) for id in net.generations() if id.startswith(kind))
    return f"{kind}-{last}", f"{kind}-{last + 1}"
