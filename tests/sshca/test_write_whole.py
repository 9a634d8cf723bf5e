"""Files that a reader never sees empty or half written."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from certificate_builders import NOW, a_revocation, a_signer

from model.files import write_whole
from model.ids import GenerationID, Serial
from sshca import krl, read_krl


def a_long_krl(version: int) -> bytes:
    revoked = (
        a_revocation(serial=Serial(n * 1000), generation=GenerationID("user-1")) for n in range(1, 4000 + version)
    )
    return krl(
        version=version, generated_at=NOW, comment="", revocations=revoked,
        ca_keys={GenerationID("user-1"): a_signer().key},
    )  # fmt: skip


def test_a_reader_in_a_loop_sees_the_old_list_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "revoked.krl"
    lists = [a_long_krl(version) for version in range(1, 5)]
    write_whole(path, lists[0])
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            data = path.read_bytes()
            seen.add(data)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(200):
        write_whole(path, lists[number % len(lists)])
    done.set()
    for reader in readers:
        reader.join()
    assert seen <= set(lists)
    assert {read_krl(data).version for data in seen} <= {1, 2, 3, 4}


def test_a_failed_write_leaves_the_old_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "revoked.krl"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["revoked.krl"]


def test_the_mode_is_what_was_asked_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "open", b"x", mode=0o644)
        write_whole(tmp_path / "closed", b"x", mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_whole(tmp_path / "link", b"ours")
    assert (tmp_path / "target").read_bytes() == b"theirs"
    assert not (tmp_path / "link").is_symlink()


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "file", b"x")
