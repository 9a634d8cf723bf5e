"""Agents and the gate, both real: what the policy says is what goes through the tunnel."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_world import Host, RunningAgent, World, until, world
from real_gate import RealGate, real_gate

from gate.services import devices

pytestmark = [pytest.mark.root, pytest.mark.needs("ip", "wg", "nft", "ping", "ssh", "ssh-keygen")]

TCP = socket.SOCK_STREAM


class Stage:
    def __init__(self, made: World, gate: RealGate, folder: Path) -> None:
        self.world, self.gate, self._folder = made, gate, folder
        self.agents: list[RunningAgent] = []

    def agent(self, label: str, host: Host | None = None, **options: object) -> RunningAgent:
        agent = RunningAgent(host or self.world.host(label), self._folder / label)
        self.agents.append(agent)
        how = {"enrollment_key": str(self.gate.enrollment_key())} if "user" not in options else {}
        agent.start(host=self.gate.address, port=self.gate.port, hostname=label, **how, **options)
        until(lambda: self.gate.online(label) or agent.process.poll() is not None, of=f"{label} at the gate")  # type: ignore[union-attr]
        assert self.gate.online(label), agent.said()
        return agent

    def address(self, name: str) -> str:
        device = self.gate.device(name)
        assert device is not None
        return device.ipv4


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    with world() as made, real_gate(made, folder) as gate:
        here = Stage(made, gate, folder)
        try:
            yield here
        finally:
            for agent in here.agents:
                agent.end()


def test_people_reach_their_own_devices_in_a_new_network(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        b.host.listener(TCP, 5432)
        until(lambda: a.host.connects(on.address("db"), 5432), of="the tunnel")
        assert b.host.pings(on.address("laptop"))
        until(lambda: "db.net.test db" in a.hosts.read_text(), of="the names")


def test_a_policy_decides_which_port_is_reached_and_a_change_holds_at_once(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        for port in (22, 5432):
            b.host.listener(TCP, port)
        db = on.address("db")
        rule = {"action": "accept", "src": [on.address("laptop")], "dst": [f"{db}:5432"]}
        on.gate.policy(json.dumps({"acls": [rule]}))
        until(lambda: a.host.connects(db, 5432), of="the allowed port")
        assert not a.host.connects(db, 22)
        assert not b.host.pings(on.address("laptop"))
        on.gate.policy('{"acls": []}')
        until(lambda: not a.host.connects(db, 5432), of="the separation")
        until(lambda: "peer" not in a.host.run("wg", "show", a.host.interface), of="the peer's going")


def test_an_approved_route_carries_traffic_and_an_advertised_one_does_not(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        a, r = on.agent("laptop"), on.agent("router", advertise_routes=["10.77.0.0/24"])
        printer = on.world.behind(r.host, "printer")
        printer.listener(TCP, 631)
        on.gate.policy('{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*", "10.77.0.0/24:631"]}]}')
        until(lambda: a.host.pings(on.address("router")), of="the tunnel")
        assert not a.host.connects(printer.address, 631)
        on.gate.do(devices.routes, name="router", approve=["10.77.0.0/24"])
        until(lambda: a.host.connects(printer.address, 631), of="the way through the router")


def test_a_pending_device_has_no_peers_until_it_is_approved(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        a = on.agent("laptop")
        b = RunningAgent(on.world.host("db"), tmp_path / "db")
        on.agents.append(b)
        key = on.gate.enrollment_key(pre_approved=False)
        b.start(host=on.gate.address, port=on.gate.port, hostname="db", enrollment_key=str(key))
        until(lambda: on.gate.online("db"), of="db at the gate")
        assert "pending" in b.said()
        assert not b.host.pings(on.address("laptop"))
        on.gate.do(devices.approve, names=["db"])
        until(lambda: a.host.pings(on.address("db")), of="the tunnel")


def test_a_removed_device_is_cut_off_on_both_sides(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        until(lambda: a.host.pings(on.address("db")), of="the tunnel")
        on.gate.do(devices.remove, names=["db"])
        for host in (a.host, b.host):
            until(lambda: "peer" not in host.run("wg", "show", host.interface), of="the peer's going")  # noqa: B023
        assert on.gate.device("db") is None


def test_a_persons_login_lets_a_device_in(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        key = tmp_path / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        on.gate.person_key("alice", key.with_suffix(".pub").read_text())
        program = ["ssh", "-F", "none", "-i", str(key), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
        program += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        on.agent("laptop", user="alice", ssh_program=program)
        device = on.gate.device("laptop")
        assert device is not None
        assert device.user == "alice@net.test"


@contextlib.contextmanager
def sshd_folder(name: str) -> Iterator[Path]:
    folder = Path(f"/var/lib/wardgate-test-{os.getpid()}-{name}")
    (folder / "sshd_config.d").mkdir(parents=True, mode=0o755)
    key = folder / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (folder / "sshd_config").write_text(f"Include {folder}/sshd_config.d/*.conf\nHostKey {key}\nPidFile none\n")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def test_a_hosts_sshd_gets_its_certificate_and_its_logins_and_down_takes_them_back(tmp_path: Path) -> None:
    with sshd_folder("tunnel") as folder, stage(tmp_path) as on:
        before = sorted(folder.rglob("*"))
        rule = {"action": "accept", "src": ["alice@net.test"], "dst": ["autogroup:self"], "users": ["root"]}
        on.gate.policy(json.dumps({"acls": [], "ssh": [rule]}))
        a = on.agent("db", sshd=True, sshd_folder=str(folder))
        certificate = folder / "wardgate" / "ssh_host_ed25519_key-cert.pub"
        until(certificate.exists, of="the host certificate")
        shown = subprocess.run(["ssh-keygen", "-L", "-f", str(certificate)], capture_output=True, text=True, check=True)
        assert {"db", "db.net.test", on.address("db")} <= set(shown.stdout.split())
        drop_in = folder / "sshd_config.d" / "10-wardgate.conf"
        until(lambda: f"HostCertificate {certificate}" in drop_in.read_text(), of="sshd's configuration")
        assert (folder / "wardgate" / "logins" / "root").read_text() == "alice@net.test\n"
        device = on.gate.device("db")
        assert device is not None
        until(lambda: "node:user-ca" in on.gate.device("db").attributes, of="the report of it")  # type: ignore[union-attr]
        a.down()
        assert sorted(folder.rglob("*")) == before


def test_a_host_that_expired_has_a_new_certificate_once_it_is_approved_again(tmp_path: Path) -> None:
    with sshd_folder("again") as folder, stage(tmp_path) as on:
        on.agent("db", sshd=True, sshd_folder=str(folder))
        certificate = folder / "wardgate" / "ssh_host_ed25519_key-cert.pub"
        until(certificate.exists, of="the host certificate")
        first = certificate.read_text()
        on.gate.do(devices.expire, names=["db"])
        on.gate.do(devices.approve, names=["db"])
        until(lambda: certificate.read_text() != first, of="another host certificate")


def test_two_devices_behind_nats_find_each_other_by_what_a_public_one_sees(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.agent("public")
        a = on.agent("laptop", on.world.behind_nat("laptop", "10.81.0"))
        b = on.agent("desktop", on.world.behind_nat("desktop", "10.82.0"))
        until(lambda: a.host.pings(on.address("public")), of="the public device")
        until(lambda: a.host.pings(on.address("desktop")), of="the way through both NATs", seconds=60)
        assert b.host.pings(on.address("laptop"))


def test_a_new_wireguard_key_reaches_the_gate_the_peers_and_the_tunnel(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        until(lambda: a.host.pings(on.address("db")), of="the tunnel")
        before = on.gate.device("laptop")
        a.end()
        a.start(enrollment_key=None, rotate_key=True)

        def key() -> str:
            device = on.gate.device("laptop")
            assert device is not None
            return device.wireguard_key

        assert before is not None
        until(lambda: key() != before.wireguard_key, of="the new key")
        until(lambda: key() in b.host.run("wg", "show", b.host.interface), of="the new key at the peer")
        until(lambda: a.host.pings(on.address("db")), of="the tunnel by the new key", seconds=40)
        a.end()
        a.start(rotate_key=False)
        until(lambda: a.host.pings(on.address("db")), of="the tunnel again", seconds=40)


def test_a_device_that_lost_its_wireguard_key_offers_the_gate_another(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        a, b = on.agent("laptop"), on.agent("db")
        until(lambda: a.host.pings(on.address("db")), of="the tunnel")
        a.end()
        (a.state / "wireguard.key").unlink()
        a.start(enrollment_key=None)
        until(lambda: a.host.pings(on.address("db")), of="the tunnel by a new key", seconds=40)
        assert b.process is not None
