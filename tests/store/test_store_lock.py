"""One process owns a state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import Conflict, Unavailable
from store.lock import StateLock, held

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from store.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def a_holder(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_told_who_holds_the_state(tmp_path: Path) -> None:
    with a_holder(tmp_path) as holder:
        assert held(tmp_path)
        with pytest.raises(Conflict, match=f"is in use by process {holder.pid} since 20"):
            StateLock(tmp_path)
        holder.kill()


def test_a_killed_holder_leaves_the_state_free(tmp_path: Path) -> None:
    with a_holder(tmp_path) as holder:
        holder.kill()
    assert not held(tmp_path)
    StateLock(tmp_path).close()


def test_a_lock_given_up_can_be_taken_again(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        assert held(tmp_path)
    assert not held(tmp_path)
    with StateLock(tmp_path) as lock:
        lock.close()
        lock.close()


def test_asking_who_holds_it_takes_nothing(tmp_path: Path) -> None:
    assert not held(tmp_path)
    StateLock(tmp_path).close()
    assert not held(tmp_path)
    StateLock(tmp_path).close()


def test_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        StateLock(tmp_path / "nowhere")
