"""User certificates through the service, many callers at once: validated, signed, recorded durably, read again.

Beside it in the same run: the same certificates validated, signed and read without a gate, raw Ed25519 signing, and
`ssh-keygen -s`, which records nothing. Rounds are taken in turns, and their medians told, since a shared machine is
faster at one moment than at the next. The `part` figures say where the CPU time of one certificate goes.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from bench.certificates import openssh_per_second, specification
from bench.report import Figures, report
from gate.actor import Actor, local_actor
from gate.collecting import seldom
from gate.gate import Gate
from gate.network import NewNetwork, init
from gate.services import certificates, devices, health, users
from model.change import CertificateIssued
from model.ids import Serial, UserName
from model.keys import SSHKey
from model.records import Certificate, Role
from sshca import KeySigner, check_key, generate, issue, parse, sign
from store import Transaction
from store import certificates as records

PEOPLE, CALLERS, EACH, ROUNDS = 64, 256, 10, 7
LOCAL = local_actor(0)
_Asking = tuple[Actor, list[SSHKey]]


async def _people(gate: Gate) -> list[Actor]:
    """Each with one device, and a login that is fresh."""
    actors = []
    for number in range(PEOPLE):
        user = await gate.perform(users.add, LOCAL, name=f"person-{number}")
        key = base64.b64encode(os.urandom(32)).decode()
        await gate.perform(devices.add, LOCAL, name=f"laptop-{number}", wireguard=key, user=user.name)
        actors.append(
            Actor(name=user.name, role=Role.MEMBER, user=UserName(user.name), source="192.0.2.1", method="password",
                  login_at=int(time.time()), fresh_at=int(time.time()))
        )  # fmt: skip
    return actors


async def _round(gate: Gate, asking: list[_Asking]) -> tuple[float, float]:
    """Certificates a second by the clock, and by this process's CPU time."""

    async def caller(actor: Actor, keys: list[SSHKey]) -> Certificate:
        for key in keys:
            made = await gate.perform(certificates.for_myself, actor, key=key)
        assert isinstance(made, Certificate)
        return made

    began, spent = time.perf_counter(), time.process_time()
    made = await asyncio.gather(*(caller(actor, keys) for actor, keys in asking))
    count = CALLERS * EACH
    rates = count / (time.perf_counter() - began), count / (time.process_time() - spent)
    assert all(parse(one.line).key_id == one.key_id for one in made)
    return rates


def _asking(actors: list[Actor], keys: list[SSHKey]) -> list[_Asking]:
    """Each caller with keys that no one signed before."""
    return [(actors[n % PEOPLE], keys[n * EACH : (n + 1) * EACH]) for n in range(CALLERS)]


def _without_a_gate(keys: list[SSHKey]) -> tuple[float, float]:
    """Validated, signed and read; and raw signatures of the same length. A second, by the clock."""
    ca, now = generate(), int(time.time())
    spec = specification(now)
    signed = parse(issue(ca, spec)).signed
    began = time.perf_counter()
    for _ in keys:
        sign(ca, spec, ca_keys={ca.key}, revoked_keys=(), now=now)
    issued = len(keys) / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in keys:
        ca.private.sign(signed)
    return issued, len(keys) / (time.perf_counter() - began)


def _parts(gate: Gate, ca: KeySigner, keys: list[SSHKey]) -> dict[str, float]:
    """CPU microseconds for what one certificate takes; what the sum leaves of the whole is Python around it."""
    now = int(time.time())
    spec = specification(now)
    signed = parse(issue(ca, spec)).signed

    def cpu(work: Callable[[SSHKey], object]) -> float:
        began = time.thread_time()
        for key in keys:
            work(key)
        return (time.thread_time() - began) / len(keys) * 1e6

    def rows(tx: Transaction) -> float:
        record = records.by_serial(tx, Serial(1))

        def write(key: SSHKey) -> None:
            serial = records.next_serial(tx)
            one = replace(record, serial=serial, fingerprint=key.fingerprint, key_id=f"{record.device}/{serial}")
            records.add_issued(tx, one)
            tx.record(CertificateIssued(serial=serial))
            tx.audit("bench", "cert", one.key_id, after={"serial": serial, "key": one.fingerprint}, source="local")

        each, began = cpu(write), time.thread_time()
        tx.later.write()
        return each + (time.thread_time() - began) / len(keys) * 1e6

    raw = cpu(lambda _: ca.private.sign(signed))
    whole = cpu(lambda _: sign(ca, spec, ca_keys={ca.key}, revoked_keys=(), now=now))
    return {
        "part_signature_us": raw, "part_key_check_us": cpu(check_key),
        "part_validate_pack_read_us": whole - raw, "part_rows_change_audit_us": gate.store.transact(rows),
    }  # fmt: skip


async def _measure(folder: Path) -> Figures:
    init(folder / "state", NewNetwork(domain="net.example.com", owner="alice"))
    rounds: list[tuple[float, float, float, float]] = []
    async with await Gate.open(folder / "state") as gate:
        actors = await _people(gate)
        seldom()  # the collector as `wardgate serve` sets it
        gc.collect()
        gc.freeze()
        for _ in range(ROUNDS):
            keys = [generate().key for _ in range(CALLERS * EACH)]
            rounds.append((*await _round(gate, _asking(actors, keys)), *_without_a_gate(keys)))
        status = await gate.perform(health.status, LOCAL)
        assert status.certificates_valid == ROUNDS * CALLERS * EACH
        parts = [_parts(gate, generate(), [generate().key for _ in range(CALLERS)]) for _ in range(ROUNDS)]
    service, cpu, alone, raw = (statistics.median(column) for column in zip(*rounds, strict=True))
    found: dict[str, float | int | str] = {
        "callers": CALLERS, "per_second": service, "best_per_second": max(one[0] for one in rounds),
        "per_cpu_second": cpu, "validate_and_issue_per_second": alone, "raw_signatures_per_second": raw,
        "share_of_validate_and_issue": statistics.median(one[0] / one[2] for one in rounds),
    }  # fmt: skip
    found |= {name: statistics.median(one[name] for one in parts) for name in parts[0]}
    found["part_the_rest_us"] = 1e6 / cpu - sum(float(found[name]) for name in parts[0])
    if shutil.which("ssh-keygen"):
        openssh = statistics.median(openssh_per_second() for _ in range(3))
        found |= {"ssh_keygen_per_second": openssh, "times_ssh_keygen": service / openssh}
    return found


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        measured = _measure(Path(folder))
        try:
            import uvloop
        except ImportError:
            return asyncio.run(measured)
        return uvloop.run(measured)  # as `wardgate serve` does


if __name__ == "__main__":
    report("issuance", figures())
