"""Server CPU of one agent's connection, key and first map of 50 peers, beside what OpenSSH's sshd spends on a login."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from pathlib import Path

import asyncssh

from bench.peers_network import PEERS, a_network, private_text, public_key
from bench.peers_parts import a_gate, cpu_seconds, crowds
from bench.report import Figures, report

ROUNDS = 3
AGENTS = 204
LOGINS = 60


def _gate(state: Path) -> float:
    """Milliseconds a connection."""
    with a_gate(state) as (gate, port), crowds(port, 1) as clients:
        clients.connect(0, PEERS + 1, 8)  # caches and byte code are warm after a start's first
        began = cpu_seconds(gate.pid)
        clients.connect(PEERS + 1, AGENTS - PEERS - 1, 8)
        return (cpu_seconds(gate.pid) - began) * 1000 / (AGENTS - PEERS - 1)


async def _log_in(port: int, user: str, count: int) -> None:
    key = asyncssh.import_private_key(private_text(0))
    for _ in range(count):
        connection = await asyncssh.connect(
            "127.0.0.1", port, username=user, client_keys=[key], config=None, agent_path=None, known_hosts=None,
            preferred_auth="publickey", compression_algs=None, encryption_algs=["aes128-gcm@openssh.com"],
            kex_algs=["curve25519-sha256"],
        )  # fmt: skip
        connection.close()
        await connection.wait_closed()


def _sshd(folder: Path) -> float:
    """Milliseconds a login with a key alone: no session, no program."""
    folder.mkdir(exist_ok=True)
    key, keys = folder / "host", folder / "keys"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    keys.write_text(public_key(0).line + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    port = 20000 + time.monotonic_ns() % 10000
    daemon = subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", "none", "-h", str(key), "-p", str(port), "-o", "ListenAddress=127.0.0.1",
         "-o", f"AuthorizedKeysFile={keys}", "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PidFile=none",
         "-o", "PermitRootLogin=yes", "-o", "MaxStartups=100"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(0.5)
        asyncio.run(_log_in(port, "root", 5))
        began = cpu_seconds(daemon.pid, children=True)
        asyncio.run(_log_in(port, "root", LOGINS))
        time.sleep(0.5)  # until the daemon has waited for its last child
        return (cpu_seconds(daemon.pid, children=True) - began) * 1000 / LOGINS
    finally:
        daemon.terminate()
        daemon.wait(10)


def figures() -> Figures:
    """Rounds of both are mixed, so that a noisy machine disturbs them alike; the best of each."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        a_network(state, AGENTS)
        rounds = [(_gate(state), _sshd(Path(folder) / "sshd")) for _ in range(ROUNDS)]
    ours, theirs = (min(column) for column in zip(*rounds, strict=True))
    return {"connect_ms": round(ours, 2), "sshd_login_ms": round(theirs, 2), "ratio": round(ours / theirs, 3)}


if __name__ == "__main__":
    report("peers_connect", figures())
