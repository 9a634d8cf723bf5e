"""System calls that fail under the writer: who was answered is right, and the gate goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from store import Store, audit, changes

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from model.change import SettingSet
from model.errors import Unavailable
from store import Store

def work(value):
    def run(tx):
        tx.audit("gate", "test", str(value), source="gate")
        return tx.record(SettingSet(key="a", value=value))
    return run

store = Store.open(Path(sys.argv[1]))
for value in range(40):
    try:
        print("kept", value, store.transact(work(value)), flush=True)
    except Unavailable as refused:
        print("refused", value, refused.hint is not None, flush=True)
store.close()
"""


@pytest.mark.needs("strace")
@pytest.mark.parametrize("when", [3, 8, 20])
@pytest.mark.parametrize("call", ["fdatasync:error=EIO", "pwrite64:error=ENOSPC", "pwrite64:error=EIO"])
def test_a_call_that_fails_once_refuses_that_work_alone(tmp_path: Path, call: str, when: int) -> None:
    path = tmp_path / "wardgate.db"
    Store.create(path).close()
    name = call.partition(":")[0]
    strace = ["strace", "-f", "-qq", "-o", tmp_path / "trace", "-P", f"{path}-wal"]
    injected = ["-e", f"trace={name}", "-e", f"inject={call}:when={when}"]
    run = subprocess.run(
        [*strace, *injected, sys.executable, "-c", WRITER, path], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert run.returncode == 0, run.stderr
    told = [line.split() for line in run.stdout.splitlines()]
    assert len(told) == 40
    assert [words[0] for words in told].count("refused") == 1
    assert all(words[2] == "True" for words in told if words[0] == "refused")
    store = Store.open(path)
    kept = store.read(lambda r: changes.since(r, 0))
    assert [(c.number, c.change.value) for c in kept] == [  # type: ignore[union-attr]
        (int(words[2]), int(words[1])) for words in told if words[0] == "kept"
    ]
    assert [c.number for c in kept] == list(range(1, 40))
    assert store.read(audit.verify) is None
    store.close()
