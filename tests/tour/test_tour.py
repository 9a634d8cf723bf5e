"""The README's five minutes, its own command lines on real machines: ssh, ssh-keygen, sshd, WireGuard and nftables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import Machine, Wire, until, wire

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()

pytestmark = [
    pytest.mark.root,
    pytest.mark.needs("ssh", "ssh-keygen", "sshd", "wg", "wireguard-go", "nft", "ip", "ping", "tmux", "openssl"),
    pytest.mark.timeout(300),
]


def said(words: str) -> str:
    """The README's command line that holds `words`, without the comment behind it."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    found = [re.split(r"\s{2,}#", line)[0].strip() for line in lines if words in line]
    assert found, f"the README does not say {words!r}"
    return found[0]


class Tour:
    """The machines and what is done on them. Each step is a step of the README."""

    def __init__(self, net: Wire, logs: Path) -> None:
        self.net = net
        self.logs = logs
        self.gate = net.machine("gate", known_as="gate.example.com")
        self.laptop = net.machine("laptop")
        self.web = net.machine("web-1")

    def make_the_network(self) -> None:
        self.laptop.do("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
        self.gate.write(".ssh/id_ed25519.pub", self.laptop.do("cat ~/.ssh/id_ed25519.pub"))
        self.gate.do(said("wardgate init"))
        self.laptop.write(".ssh/known_hosts", self.gate.do(said("ca trust client")))
        self.start(self.gate, said("wardgate serve"), until_it_says="listening on ")

    def add_bob(self) -> None:
        self.laptop.do("ssh-keygen -q -t ed25519 -N '' -f bob")
        self.laptop.do(said("users add bob"))
        self.laptop.do(said("users keys add bob"))

    def join_both(self) -> None:
        self.start(self.laptop, said("wardgate up alice@"), until_it_says="connected")
        self.web.write("web.key", self.laptop.do(said("enrollment-keys create").partition(" > ")[0]))
        self.web.do("ssh-keygen -A && /usr/sbin/sshd")
        self.start(self.web, said("wardgate up gate"), until_it_says="connected")
        for name in ("laptop", "web-1"):
            until(lambda name=name: self.device(name).get("online"), of=f"{name} to be online")

    def let_both_reach_the_web(self) -> None:
        policy = re.search(r"```hujson\n(.*?)```", README, re.DOTALL)
        assert policy
        self.laptop.write("policy.hujson", policy[1])
        self.laptop.do(said("policy set"))

    def start(self, machine: Machine, line: str, *, until_it_says: str) -> None:
        log = self.logs / f"{machine.name}.log"
        process = machine.start(line, log)
        until(lambda: until_it_says in log.read_text() or process.poll() is not None, of=f"{machine.name}$ {line}")
        assert process.poll() is None, log.read_text()

    def device(self, name: str) -> dict[str, object]:
        rows = json.loads(self.laptop.do("ssh -p 2222 alice@gate.example.com devices list --json"))
        return next((row for row in rows if row["name"] == name), {})


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Tour]:
    with wire(tmp_path) as net:
        yield Tour(net, tmp_path)


def test_the_five_minutes_can_be_walked(tour: Tour) -> None:
    tour.make_the_network()
    tour.add_bob()
    tour.join_both()
    tour.let_both_reach_the_web()
    tour.laptop.do(said("wardgate ping"))
    tour.laptop.do(said("alice@gate.example.com cert"))
    shown = tour.laptop.do(said("ssh-keygen -L"))
    assert "alice@net.example.com" in shown.partition("Principals:")[2]
    assert f"source-address {tour.device('laptop')['ipv4']}" in shown
    login = said("ssh root@web-1")
    assert tour.laptop.do(f"{login} hostname") == "web-1\n"
