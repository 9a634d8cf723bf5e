"""From `certs revoke` to the refused login: gate, agent, WireGuard and sshd on three machines (network namespaces).

Asks for root. `krl_after_answer_ms` is when the host had the new list on disk, counted from the moment at which the
command had answered (below 0: before that). `let_in_after_answer` counts the logins, begun after the answer, that were
still let in.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from bench.report import Figures, report
from tests.tour.machines import Machine, until, wire

GATE = "gate.example.com"
ROUNDS = 10
OWNER = "alice@net.example.com"
POLICY = {
    "tagOwners": {"tag:web": [OWNER]},
    "acls": [{"action": "accept", "src": [OWNER], "dst": ["tag:web:22"]}],
    "ssh": [{"action": "accept", "src": [OWNER], "dst": ["tag:web"], "users": ["root"]}],
}
ALICE = f"ssh -p 2222 alice@{GATE}"
LOGIN = (
    "ssh -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -i ~/.ssh/id_ed25519"
    " root@web-1.net.example.com true"
)


def _follows(machine: Machine, line: str, log: Path) -> None:
    machine.start(line, log)
    until(lambda: any(word in log.read_text() for word in ("connected", "listening on ")), of=log.read_text)


def _network(gate: Machine, laptop: Machine, web: Machine, logs: Path) -> None:
    laptop.do("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
    gate.write("alice.pub", laptop.do("cat ~/.ssh/id_ed25519.pub"))
    gate.do(
        f"wardgate init --state net --domain net.example.com --owner alice --owner-key alice.pub --address {GATE}:2222"
    )
    trusted = gate.do("wardgate ca trust client --state net").splitlines()
    laptop.write(".ssh/known_hosts", "\n".join(line for line in trusted if line.startswith("@")) + "\n")
    _follows(gate, "wardgate serve --state net --listen 10.9.0.1:2222", logs / "gate.log")
    laptop.do(f"{ALICE} policy set -", stdin=json.dumps(POLICY))
    _follows(laptop, f"wardgate up alice@{GATE}:2222", logs / "laptop.log")
    web.write("web.key", laptop.do(f"{ALICE} enrollment-keys create --tag tag:web --pre-approved"))
    web.do("ssh-keygen -A && /usr/sbin/sshd")
    _follows(web, f"wardgate up {GATE}:2222 --key-file web.key", logs / "web.log")
    until(lambda: "0% packet loss" in laptop.do("ping -c 1 -W 2 web-1", status=None), of="the tunnel")


def _lets_in(laptop: Machine) -> bool:
    said = laptop.do(f"{LOGIN} 2>&1; echo $?", status=None)
    return said.endswith("0\n")


def _round(laptop: Machine, krl: Path) -> tuple[float, float, float, int]:
    """Milliseconds for the command, for the list to be on the host after its answer, for a login; and logins let in."""
    key = laptop.do("cat ~/.ssh/id_ed25519.pub")
    got = json.loads(laptop.do(f"{ALICE} cert --json", stdin=key))
    laptop.write(".ssh/id_ed25519-cert.pub", got["certificate"] + "\n")
    until(lambda: _lets_in(laptop), of="the login to be let in")
    began = time.time()
    _lets_in(laptop)
    login, began = time.time() - began, time.time()
    laptop.do(f"{ALICE} certs revoke {got['serial']}")
    answered, let_in = time.time(), 0
    while _lets_in(laptop):
        let_in += 1
    return 1000 * (answered - began), 1000 * (os.stat(krl).st_mtime - answered), 1000 * login, let_in


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as name, wire(Path(name)) as net:
        folder = Path(name)
        gate, laptop, web = net.machine("gate", known_as=GATE), net.machine("laptop"), net.machine("web-1")
        _network(gate, laptop, web, folder)
        krl = folder / "web-1/etc/ssh/wardgate/revoked.krl"
        rounds = [_round(laptop, krl) for _ in range(ROUNDS)]
    command, told, login, let_in = zip(*rounds, strict=True)
    return {
        "revoke_command_ms": statistics.median(command), "krl_after_answer_ms": statistics.median(told),
        "krl_after_answer_longest_ms": max(told), "login_ms": statistics.median(login), "rounds": ROUNDS,
        "let_in_after_answer": sum(let_in),
    }  # fmt: skip


if __name__ == "__main__":
    report("revocation", figures())
