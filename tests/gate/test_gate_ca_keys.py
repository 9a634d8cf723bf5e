"""CA keys that are held elsewhere, and keys that hang: who waits, how long, and what the gate says."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gate_builders as build
import pytest
from msgspec.structs import replace

from gate.actor import GATE
from gate.gate import Gate
from gate.network import host_certificate as own_certificate
from gate.network import stale
from gate.patience import PatientSigner
from gate.services import agents, authority, certificates, devices, health, revocations
from gate.signers import Signers
from model.errors import Conflict, Unavailable
from model.keys import SSHKey, ssh_key
from model.records import CertificateKind, GenerationState, Role
from model.sshd import TRUST_ATTRIBUTE, trust_mark
from sshca import generate
from store import Query

USER = CertificateKind.USER


class SlowHolder:
    """A key whose holder answers when it is `free`."""

    def __init__(self) -> None:
        self._signer = generate()
        self.free = threading.Event()
        self.free.set()
        self.asked = 0

    @property
    def key(self) -> SSHKey:
        return self._signer.key

    @property
    def algorithm(self) -> str:
        return self._signer.algorithm

    def sign(self, data: bytes) -> bytes:
        self.asked += 1
        self.free.wait(30)
        return self._signer.sign(data)


def soon(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def signs(signer: PatientSigner) -> bool:
    with contextlib.suppress(Unavailable):
        return bool(signer.sign(b"a certificate"))
    return False


def test_a_holder_that_answers_is_not_noticed() -> None:
    holder = SlowHolder()
    patient = PatientSigner(holder)
    assert patient.sign(b"data") == holder.sign(b"data")
    assert patient.fault is None


def test_a_silent_holder_is_waited_for_once_and_then_refused_at_once() -> None:
    holder = SlowHolder()
    holder.free.clear()
    patient = PatientSigner(holder, patience=0.05)
    for _ in range(10):
        with pytest.raises(Unavailable, match="no answer"):
            patient.sign(b"data")
    assert holder.asked == 1
    assert "no answer" in str(patient.fault)
    holder.free.set()


def test_a_holder_that_is_well_again_signs_again() -> None:
    holder = SlowHolder()
    holder.free.clear()
    patient = PatientSigner(holder, patience=0.05)
    assert not signs(patient)
    holder.free.set()
    soon(lambda: signs(patient))
    assert patient.fault is None


def test_a_holder_that_refuses_says_why_and_is_asked_again() -> None:
    class Refusing(SlowHolder):
        def sign(self, data: bytes) -> bytes:
            raise Unavailable("the token is away")

    patient = PatientSigner(Refusing())
    assert patient.check() == "the token is away"
    assert patient.fault == "the token is away"


class Agent:
    """OpenSSH's own agent with one key; `hang` stops it as it is, connections and all."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "agent"
        said = subprocess.run(["ssh-agent", "-a", self.socket], capture_output=True, text=True, check=True).stdout
        self._pid = int(said.partition("SSH_AGENT_PID=")[2].partition(";")[0])
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "ca"], check=True)
        subprocess.run(
            ["ssh-add", "-q", folder / "ca"], check=True, capture_output=True,
            env={**os.environ, "SSH_AUTH_SOCK": str(self.socket)},
        )  # fmt: skip
        self.key = ssh_key((folder / "ca.pub").read_text())

    def hang(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def end(self) -> None:
        self.go_on()
        os.kill(self._pid, signal.SIGTERM)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    made = Agent(tmp_path)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(made.socket))
    yield made
    made.end()


async def taken_up(gate: Gate, backend: str, algorithm: str = "ed25519") -> None:
    """The user CA's key is the one that `backend` holds, from now on."""
    await gate.perform(authority.rotate, build.LOCAL, kind=USER, backend=backend, algorithm=algorithm)
    await gate.perform(authority.promote, build.LOCAL, kind=USER)


async def asks(gate: Gate) -> str:
    alice = build.as_actor("alice", Role.OWNER)
    return str((await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())).generation)


@pytest.mark.needs("ssh-agent")
async def test_an_agent_that_hangs_holds_up_the_writer_once_and_the_gate_says_so(tmp_path: Path, agent: Agent) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        await taken_up(gate, f"agent:{agent.key.fingerprint}")
        assert await asks(gate) == "user-2"
        agent.hang()
        refused = await asyncio.gather(*(asks(gate) for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in refused} == {Unavailable}
        await build.a_device(gate, "everything-else-goes-on", tags=["tag:db"])
        status = await gate.perform(health.status, build.LOCAL)
        assert "no answer" in status.signs["user-2"]
        assert status.signs["host-1"] == "ready"
        shown = {view.generation.id: view for view in await gate.perform(authority.show, build.LOCAL)}
        assert not shown["user-2"].signs
        findings = {found.subject: found for found in await gate.perform(health.doctor, build.LOCAL)}
        assert "ssh-add" in str(findings["user-2"].hint)
        agent.go_on()
        assert await at_last(gate) == "user-2"
        assert (await gate.perform(health.status, build.LOCAL)).signs["user-2"] == "ready"


@pytest.mark.needs("ssh-agent")
async def test_a_key_that_was_a_ca_before_does_not_become_one_again(tmp_path: Path, agent: Agent) -> None:
    async with build.a_gate(tmp_path) as gate:
        backend = f"agent:{agent.key.fingerprint}"
        await taken_up(gate, backend)
        with pytest.raises(Conflict, match="that of generation user-2"):
            await gate.perform(authority.rotate, build.LOCAL, kind=USER, backend=backend)
        with pytest.raises(Conflict, match="that of generation user-2"):
            await gate.perform(authority.rotate, build.LOCAL, kind=USER, backend=backend, emergency=True)
        assert [one.id for one in gate.snapshot.generations if one.kind is USER] == ["user-1", "user-2"]


MODULE = next((str(path) for path in Path("/usr/lib").rglob("libsofthsm2.so")), "")
BESIDE_A_TOKEN = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import gate_builders as build
import test_gate_ca_keys as here
from gate.services import health
from model.errors import Unavailable

async def main():
    async with build.a_gate(Path(sys.argv[2])) as gate:
        await build.a_device(gate, "laptop")
        await here.taken_up(gate, f"pkcs11:{sys.argv[3]}:ca:wardgate", "ecdsa-p256")
        print("signed by", await here.asks(gate), flush=True)
        input()
        refused = await asyncio.gather(*(here.asks(gate) for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in refused} == {Unavailable}, refused
        await build.a_device(gate, "everything-else-goes-on", tags=["tag:db"])
        print((await gate.perform(health.status, build.LOCAL)).signs["user-2"], flush=True)
        input()
        print("signed by", await here.at_last(gate), flush=True)

asyncio.run(main())
"""


async def at_last(gate: Gate) -> str:
    for _ in range(200):
        with contextlib.suppress(Unavailable):
            return await asks(gate)
        await asyncio.sleep(0.05)
    raise AssertionError("it never signed again")


@pytest.mark.needs("softhsm2-util")
def test_a_token_that_hangs_is_waited_for_only_so_long(tmp_path: Path) -> None:
    """Softhsm locks its files while it reads them, so whoever holds the locks makes it wait. It reads its configuration
    once a process, so the gate has one of its own."""
    pytest.importorskip("pkcs11", reason="needs python-pkcs11")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    (tmp_path / "pin").write_text("1234\n")
    environment = {
        **os.environ, "SOFTHSM2_CONF": f"{tmp_path}/softhsm2.conf", "WARDGATE_PKCS11_PIN_FILE": f"{tmp_path}/pin",
    }  # fmt: skip
    words = ["softhsm2-util", "--init-token", "--free", "--label", "ca", "--so-pin", "12345678", "--pin", "1234"]
    subprocess.run(words, check=True, capture_output=True, env=environment)
    gate = subprocess.Popen(
        [sys.executable, "-c", BESIDE_A_TOKEN, Path(__file__).parent, tmp_path, MODULE],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert gate.stdin
    assert gate.stdout
    try:
        assert gate.stdout.readline() == "signed by user-2\n"
        with contextlib.ExitStack() as held:
            for path in (tmp_path / "tokens").rglob("*.*"):
                fcntl.lockf(held.enter_context(path.open("r+b")), fcntl.LOCK_EX)
            print(file=gate.stdin, flush=True)
            assert "no answer" in gate.stdout.readline()
        print(file=gate.stdin, flush=True)
        assert gate.stdout.readline() == "signed by user-2\n"
        assert gate.wait(20) == 0
    finally:
        gate.kill()
        gate.wait()


async def test_what_is_refused_is_kept_ready_and_the_same_after_a_restart(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        stolen = build.an_ssh_key()
        await asks(gate)
        await gate.perform(revocations.revoke, build.LOCAL, device="laptop")
        await gate.perform(revocations.revoke, build.LOCAL, key=stolen)
        await gate.perform(authority.rotate, build.LOCAL, kind=USER)
        before = gate.snapshot
        assert before.refused.keys == {stolen}
        assert before.refused.ca_keys == {one.key for one in before.generations}
    async with build.a_gate(tmp_path) as gate:
        assert gate.snapshot.refused == before.refused
        assert gate.snapshot.krl == before.krl


async def test_a_generation_lives_as_long_as_what_it_signed_during_the_promotion(tmp_path: Path) -> None:
    from store import certificates as rows
    from store import generations

    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        await gate.perform(authority.rotate, build.LOCAL, kind=USER)
        await gate.perform(authority.promote, build.LOCAL, kind=USER)
        await asks(gate)
        last = gate.store.read(lambda r: rows.longest_end(r, "user-2"))  # type: ignore[arg-type]
        old = gate.store.read(lambda r: generations.by_id(r, "user-1"))  # type: ignore[arg-type]
        late = gate.store.read(lambda r: rows.with_key(r, rows.page(r, Query(limit=1)).rows[0].fingerprint))[0]  # type: ignore[attr-defined]
        await gate.store.write(
            lambda tx: rows.add(tx, replace(late, serial=9000, generation="user-1"))  # type: ignore[arg-type]
        )
        assert old.trusted_until is not None
        assert old.trusted_until <= gate.store.now()
        await gate.perform(authority.lapse, GATE)
        now = {one.id: one for one in gate.snapshot.generations}
        assert now["user-1"].state is GenerationState.TRUSTED
        assert now["user-1"].trusted_until == last


async def test_the_gates_own_certificate_is_recorded_and_serves_while_the_ca_is_away(tmp_path: Path) -> None:
    addresses = ("gate.example.com:2222",)
    async with build.a_gate(tmp_path, addresses=addresses) as gate:
        key = build.an_ssh_key()
        made = own_certificate(gate.store, gate.signers, key, addresses)
        assert made is not None
        page = await gate.perform(certificates.list_certificates, build.LOCAL, query=Query())
        assert [row.key_id for row in page.rows] == [f"host/gate/{made.serial}"]  # type: ignore[attr-defined]
        nobody = Signers(tmp_path / "elsewhere")
        assert own_certificate(gate.store, nobody, key, addresses) == made
        assert own_certificate(gate.store, nobody, build.an_ssh_key(), addresses) is None


async def test_the_gate_wants_another_certificate_where_the_ca_or_its_address_changed(tmp_path: Path) -> None:
    addresses = ("gate.example.com:2222",)
    async with build.a_gate(tmp_path, addresses=addresses) as gate:
        made = own_certificate(gate.store, gate.signers, build.an_ssh_key(), addresses)
        assert made is not None
        now, life = made.issued_at, made.valid_before - made.valid_after
        assert not stale(made, gate.snapshot, addresses, now)
        assert stale(made, gate.snapshot, addresses, made.valid_after + life * 2 // 3)
        assert stale(made, gate.snapshot, ("other.example.com",), now)
        assert stale(None, gate.snapshot, addresses, now)
        await gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.HOST)
        assert not stale(made, gate.snapshot, addresses, now)
        await gate.perform(authority.promote, build.LOCAL, kind=CertificateKind.HOST)
        assert stale(made, gate.snapshot, addresses, now)


async def test_each_host_counts_for_the_generation_of_its_newest_certificate(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        keys = {name: build.an_ssh_key() for name in ("db-1", "db-2")}
        own_certificate(gate.store, gate.signers, build.an_ssh_key(), ("gate.example.com",))

        async def certified(name: str) -> None:
            await gate.perform(certificates.sign, build.LOCAL, key=keys[name], device=name, host=True)

        async def shown() -> dict[str, tuple[int, int]]:
            views = await gate.perform(authority.show, build.LOCAL)
            return {v.generation.id: (v.taken, v.hosts) for v in views if v.generation.kind is CertificateKind.HOST}

        for name in keys:
            await build.a_device(gate, name, tags=["tag:db"])
            await certified(name)
            await certified(name)
        assert await shown() == {"host-1": (2, 2)}
        await gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.HOST)
        await gate.perform(authority.promote, build.LOCAL, kind=CertificateKind.HOST)
        await certified("db-2")
        assert await shown() == {"host-1": (1, 2), "host-2": (1, 2)}


async def test_a_host_that_is_kept_out_is_not_waited_for_in_a_rotation(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:

        async def taken() -> tuple[int, int]:
            views = await gate.perform(authority.show, build.LOCAL)
            return next((v.taken, v.hosts) for v in views if v.generation.id == "user-1")

        mark = trust_mark(next(one for one in gate.snapshot.generations if one.id == "user-1").key.line)
        for name, trusts in (("db-1", mark), ("db-2", "none")):
            made = await build.a_device(gate, name, tags=["tag:db"])
            told = {TRUST_ATTRIBUTE: trusts}
            await gate.perform(agents.report, build.LOCAL, device=made.id, os="Debian", attributes=told)
        assert await taken() == (1, 2)
        await gate.perform(devices.disable, build.LOCAL, names=["db-2"])
        assert await taken() == (1, 1)
