"""Making a KRL of 100,000 revoked serials, and what `ssh-keygen -k` makes of the same ones.

Serials rise, so what is revoked lies close together: `row` is all of 1 to 100,000, `tenth` one in ten of a million at
random, `scattered` anywhere below 2^64, as with serials drawn at random. (For `tenth` ssh-keygen makes one bitmap that
is longer than ssh-keygen and sshd read: "bignum is too large". Ours is cut where they can read it.)
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.report import Figures, report
from model.ids import GenerationID, Serial
from model.keys import SSHKey
from model.records import Revocation
from sshca import generate, krl, read_krl

COUNT, ROUNDS = 100_000, 9
USER_1 = GenerationID("user-1")


def _shapes() -> dict[str, list[int]]:
    chance = random.Random(1)
    return {
        "row": list(range(1, COUNT + 1)),
        "tenth": chance.sample(range(1, 10 * COUNT), COUNT),
        "scattered": [chance.randrange(1, 2**64) for _ in range(COUNT)],
    }


def _milliseconds(serials: Sequence[int], ca: SSHKey) -> tuple[float, int]:
    """The time of the quickest round, since what else runs on the machine only adds to it; and the size in bytes."""
    revoked = [
        Revocation(number=number, serial=Serial(serial), generation=USER_1, at=0, by="alice@example.com")
        for number, serial in enumerate(serials, 1)
    ]
    taken, data = [], b""
    for version in range(ROUNDS):
        started = time.perf_counter()
        data = krl(version=version, generated_at=0, comment="", revocations=revoked, ca_keys={USER_1: ca})
        taken.append((time.perf_counter() - started) * 1000)
    assert sum(high - low + 1 for low, high in read_krl(data).serials[0].ranges) == len(set(serials))
    return min(taken), len(data)


def _openssh(serials: Sequence[int], ca: SSHKey) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ca.pub").write_text(ca.line)
        (folder / "serials").write_text("".join(f"serial: {serial}\n" for serial in serials))
        started = time.perf_counter()
        subprocess.run(
            ["ssh-keygen", "-k", "-f", folder / "krl", "-s", folder / "ca.pub", folder / "serials"],
            check=True, capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return (time.perf_counter() - started) * 1000, (folder / "krl").stat().st_size


def figures() -> Figures:
    ca = generate().key
    found: dict[str, float | int | str] = {}
    for name, serials in _shapes().items():
        found[f"{name}_ms"], found[f"{name}_bytes"] = _milliseconds(serials, ca)
        if shutil.which("ssh-keygen"):
            found[f"{name}_ssh_keygen_ms"], found[f"{name}_ssh_keygen_bytes"] = _openssh(serials, ca)
    return found


if __name__ == "__main__":
    report("krl", figures())
