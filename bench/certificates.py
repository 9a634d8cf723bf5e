"""Signing user certificates: beside raw Ed25519 signing in this process, and beside `ssh-keygen -s`, in one run.

`sign alone` packs and signs. `issue` reads the certificate again and compares every field; `validate and issue` is
what each certificate takes before it is recorded. Ratios are of the medians of rounds taken in turns, since a shared
machine is faster at one moment than at the next.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import Figures, report
from model.ids import Serial
from model.records import CertificateKind
from sshca import Specification, generate, issue, parse, save, sign
from sshca.parsing import parse_blob
from sshca.signing import pack

ROUNDS, BATCH = 15, 1000
OPENSSH_BATCH = 200
NOW = 1_800_000_000


def specification(now: int = NOW) -> Specification:
    return Specification(
        kind=CertificateKind.USER, serial=Serial(1042), key=generate().key, key_id="alice@example.com/laptop/1042",
        principals=("alice@example.com", "fresh:3600:alice@example.com"), valid_after=now - 90,
        valid_before=now + 16 * 3600, source_addresses=("100.64.0.7", "fd7a:115c:a1e0::7"),
    )  # fmt: skip


def _microseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(BATCH):
        work()
    return (time.perf_counter() - started) / BATCH * 1e6


def openssh_per_second() -> float:
    """Certificates a second by one `ssh-keygen -s` that is given many keys."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(folder / "ca", generate(), None)
        keys = [folder / f"key{number}.pub" for number in range(OPENSSH_BATCH)]
        for key in keys:
            key.write_text(f"{generate().key.line}\n")
        command = ["ssh-keygen", "-q", "-s", str(folder / "ca"), "-I", "alice@example.com/laptop/1042", "-z", "1042"]
        command += ["-n", "alice@example.com,fresh:3600:alice@example.com", "-V", "-1m:+16h"]
        command += ["-O", "source-address=100.64.0.7,fd7a:115c:a1e0::7", *map(str, keys)]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        return OPENSSH_BATCH / (time.perf_counter() - started)


def figures() -> Figures:
    ca, spec = generate(), specification()
    signed = parse(issue(ca, spec)).signed
    whole = pack(ca, spec, os.urandom(32))
    known = {ca.key}
    steps: dict[str, Callable[[], object]] = {
        "raw": lambda: ca.private.sign(signed),
        "sign_alone": lambda: pack(ca, spec, os.urandom(32)),
        "issue": lambda: issue(ca, spec),
        "validate_and_issue": lambda: sign(ca, spec, ca_keys=known, revoked_keys=(), now=NOW),
        "read": lambda: parse_blob(whole),
    }
    rounds = [{name: _microseconds(work) for name, work in steps.items()} for _ in range(ROUNDS)]
    taken = {name: statistics.median(one[name] for one in rounds) for name in steps}
    shares = {
        name: statistics.median(one["raw"] / one[name] for one in rounds)
        for name in ("sign_alone", "issue", "validate_and_issue")
    }
    found: dict[str, float | int | str] = {f"{name}_us": micros for name, micros in taken.items()}
    found |= {f"{name}_share_of_raw": share for name, share in shares.items()}
    found["validate_and_issue_per_second"] = 1e6 / taken["validate_and_issue"]
    if shutil.which("ssh-keygen"):
        found["ssh_keygen_per_second"] = statistics.median(openssh_per_second() for _ in range(3))
    return found


if __name__ == "__main__":
    report("certificates", figures())
