"""A CA whose keys are encrypted, on the program: each way in which the gate learns the passphrase, and without it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WARDGATE = str(Path(sys.executable).with_name("wardgate"))
PASSPHRASE = "correct horse"


def a_state(folder: Path) -> Path:
    (folder / "passphrase").write_text(f"{PASSPHRASE}\n")
    new = ["--domain", "net.example.com", "--owner", "alice", "--ca-passphrase-file", folder / "passphrase"]
    subprocess.run([WARDGATE, "init", "--state", folder / "state", *new], check=True, capture_output=True)
    return folder / "state"


def faults(state: Path, **environment: str) -> set[str | None]:
    """Why each generation does not sign, as `ca show` has it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WARDGATE", "CREDENTIALS"))}
    done = subprocess.run(
        [WARDGATE, "ca", "show", "--state", state, "--json"], env={**kept, **environment}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    shown: list[dict[str, Any]] = json.loads(done.stdout)
    assert all(one["signs"] == (one["fault"] is None) for one in shown)
    return {one["fault"] for one in shown}


def test_a_file_that_the_environment_names_has_the_passphrase(tmp_path: Path) -> None:
    assert faults(a_state(tmp_path), WARDGATE_CA_PASSPHRASE_FILE=f"{tmp_path}/passphrase") == {None}


def test_a_systemd_credential_has_the_passphrase(tmp_path: Path) -> None:
    state = a_state(tmp_path)
    (tmp_path / "wardgate-ca").write_text(PASSPHRASE)
    assert faults(state, CREDENTIALS_DIRECTORY=str(tmp_path)) == {None}


@pytest.mark.parametrize(
    ("said", "because"),
    [pytest.param(None, "no passphrase was given", id="none"), pytest.param("wrong", "wrong", id="wrong")],
)
def test_without_the_right_one_all_else_goes_on_and_says_so(tmp_path: Path, said: str | None, because: str) -> None:
    state = a_state(tmp_path)
    environment = {}
    if said is not None:
        (tmp_path / "other").write_text(said)
        environment["WARDGATE_CA_PASSPHRASE_FILE"] = f"{tmp_path}/other"
    assert all(because in str(fault) for fault in faults(state, **environment))


@pytest.mark.parametrize("said", [None, "wrong"])
def test_no_new_key_is_kept_in_clear_or_under_a_mistyped_passphrase(tmp_path: Path, said: str | None) -> None:
    state = a_state(tmp_path)
    before = sorted(state.glob("ca/*"))
    (tmp_path / "other").write_text(said or "")
    for how in ((), ("--emergency", "--yes")):
        done = rotated(state, tmp_path / "other" if said else None, *how)
        assert "error: the new key would not have the passphrase of the others" in done.stderr
    assert sorted(state.glob("ca/*")) == before
    assert rotated(state, tmp_path / "passphrase").returncode == 0


def test_where_the_passphrase_is_lost_a_new_key_has_a_new_one(tmp_path: Path) -> None:
    state = a_state(tmp_path)
    (tmp_path / "other").write_text("new")
    for name in ("user-1", "host-1"):
        (state / "ca" / name).rename(tmp_path / name)
    assert rotated(state, tmp_path / "other", "--emergency", "--yes").returncode == 0
    assert subprocess.run(["ssh-keygen", "-y", "-P", "new", "-f", state / "ca/user-2"], check=False).returncode == 0


def rotated(state: Path, passphrase: Path | None, *how: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WARDGATE", "CREDENTIALS"))}
    if passphrase is not None:
        kept["WARDGATE_CA_PASSPHRASE_FILE"] = str(passphrase)
    return subprocess.run(
        [WARDGATE, "ca", "rotate", "user", *how, "--state", state],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("piped", "status"), [(f"{PASSPHRASE}\n", 0), (PASSPHRASE, 0), ("", 1)])
def test_without_a_terminal_standard_input_has_the_passphrase(tmp_path: Path, piped: str, status: int) -> None:
    new = ["--domain", "net.example.com", "--owner", "alice", "--ca-passphrase-file", "-"]
    done = subprocess.run(
        [WARDGATE, "init", "--state", tmp_path / "state", *new],
        input=piped,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    if status:
        assert done.stderr.startswith("error: the passphrase is empty\nhint: ")
    else:
        (tmp_path / "passphrase").write_text(PASSPHRASE)
        assert faults(tmp_path / "state", WARDGATE_CA_PASSPHRASE_FILE=f"{tmp_path}/passphrase") == {None}


@pytest.mark.parametrize(("typed", "signs"), [(PASSPHRASE, True), ("wrong", False)])
def test_a_gate_that_asks_serves_whatever_is_typed(tmp_path: Path, typed: str, signs: bool) -> None:
    state = a_state(tmp_path)
    ours, theirs = pty.openpty()
    serve = [WARDGATE, "serve", "--state", state, "--listen", "127.0.0.1:0", "--ca-passphrase-file", "-"]
    gate = subprocess.Popen(
        serve, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True, start_new_session=True
    )
    os.close(theirs)
    try:
        asked = b""
        while b"passphrase" not in asked:
            asked += os.read(ours, 1024)
        os.write(ours, typed.encode() + b"\n")
        assert gate.stdout
        assert gate.stdout.readline().startswith("listening on ")
        assert (faults(state) == {None}) == signs
        assert typed.encode() not in asked
    finally:
        gate.terminate()
        gate.wait()
        os.close(ours)
