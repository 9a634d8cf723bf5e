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


class Terminal:
    """A terminal on a machine, in tmux: what a person sees, and the keys that they press."""

    def __init__(self, machine: Machine, line: str) -> None:
        self._machine = machine
        self._tmux = f"tmux -S {machine.home}/tmux -f /dev/null"
        machine.do(f"{self._tmux} new-session -d -x 120 -y 36 '{line}'")

    def press(self, *keys: str) -> None:
        self._machine.do(f"{self._tmux} send-keys {' '.join(keys)}")

    def screen(self) -> str:
        return self._machine.do(f"{self._tmux} capture-pane -p", status=None)

    def shows(self, *words: str) -> str:
        """The screen, once all of `words` stand on it."""
        until(lambda: all(word in self.screen() for word in words), of=lambda: f"{words} on\n{self.screen()}")
        return self.screen()

    def is_open(self) -> bool:
        return "console" in self._machine.do(f"{self._tmux} list-sessions -F console 2>/dev/null", status=None)

    def close(self) -> None:
        self._machine.do(f"{self._tmux} kill-server", status=None)


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Tour]:
    with wire(tmp_path) as net:
        yield Tour(net, tmp_path)


def test_the_five_minutes_can_be_walked(tour: Tour) -> None:
    tour.make_the_network()
    tour.add_bob()
    tour.join_both()
    tour.let_both_reach_the_web()
    until(lambda: "0% packet loss" in tour.laptop.do(said("wardgate ping"), status=None), of="a ping to come back")
    tour.laptop.do(said("alice@gate.example.com cert"))
    shown = tour.laptop.do(said("ssh-keygen -L"))
    assert "alice@net.example.com" in shown.partition("Principals:")[2]
    assert f"source-address {tour.device('laptop')['ipv4']}" in shown
    login = said("ssh root@web-1")
    assert tour.laptop.do(f"{login} hostname") == "web-1\n"

    tour.laptop.do('sed -i \'s/"root"/"nobody"/\' policy.hujson')
    tour.laptop.do(said("policy set"))
    until(lambda: "web-1" not in tour.laptop.do(f"{login} hostname", status=None), of="the login to be refused")


def test_a_login_sets_ssh_up_for_the_network(tour: Tour) -> None:
    tour.make_the_network()
    tour.add_bob()
    tour.join_both()
    tour.let_both_reach_the_web()
    login = re.search(r"`(wardgate login .*?)`", README)
    assert login
    terminal = Terminal(tour.laptop, login[1] + "; sleep 60")
    try:
        terminal.shows("logged in as alice@net.example.com")
    finally:
        terminal.close()
    until(lambda: "0% packet loss" in tour.laptop.do(said("wardgate ping"), status=None), of="a ping to come back")
    assert tour.laptop.do(f"{said('ssh root@web-1')} hostname") == "web-1\n"
    assert tour.laptop.do("ssh root@web-1 hostname") == "web-1\n"


def test_a_console_over_ssh_shows_a_device_that_joins(tour: Tour) -> None:
    tour.make_the_network()
    terminal = Terminal(tour.laptop, said("the console; ? helps"))
    try:
        screens = ("Overview", "Users", "Devices", "Access", "Names", "Certificates", "Activity")
        terminal.shows(*screens, "net.example.com", "alice owner")
        terminal.press("3")
        terminal.shows("No devices yet")
        tour.web.write("web.key", tour.laptop.do(said("enrollment-keys create").partition(" > ")[0]))
        tour.start(tour.web, said("wardgate up gate"), until_it_says="connected")
        terminal.shows("web-1", "100.64.0.1")
        terminal.press("C-q")
        until(lambda: not terminal.is_open(), of="the console to close")
    finally:
        terminal.close()


def test_a_shell_with_ssh_wg_and_openssl_is_a_whole_device(tour: Tour) -> None:
    tour.make_the_network()
    tour.start(tour.laptop, said("wardgate up alice@"), until_it_says="connected")
    shell = tour.net.machine("shell")
    shell.write("join.sh", (TOP / "docs/join.sh").read_text())
    key = tour.laptop.do("ssh -p 2222 alice@gate.example.com enrollment-keys create --user alice --pre-approved")
    shell.write("key", key)
    address = shell.do("ip -4 -o address show eth0 | sed 's|.*inet \\([0-9.]*\\)/.*|\\1|'").strip()
    shell.do(f"sh join.sh enroll gate.example.com 2222 key shell {address}:51820")
    shell.do("sh join.sh follow gate.example.com 2222 wg-tour9")
    laptop = tour.device("laptop")["ipv4"]
    until(lambda: " 0% packet loss" in shell.do(f"ping -c 1 -W 2 {laptop}", status=None), of="the laptop to answer")
    assert "latest handshake" in shell.do("wg show wg-tour9")


def test_the_shell_holds_the_gate_to_the_enrollment_key(tour: Tour) -> None:
    tour.make_the_network()
    key = tour.laptop.do("ssh -p 2222 alice@gate.example.com enrollment-keys create --user alice").strip()
    end = "A" if key[-2] != "A" else "B"
    tour.web.write("join.sh", (TOP / "docs/join.sh").read_text())
    tour.web.write("key", f"{key[:-2]}{end}{key[-1]}\n")
    said_no = tour.web.do("sh join.sh enroll gate.example.com 2222 key web-1 2>&1", status=1)
    assert "not of the CA that the enrollment key names" in said_no
    assert tour.device("web-1") == {}
