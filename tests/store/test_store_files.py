"""The database as a file: made, opened, migrated, copied; and what is refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_builders import a_certificate, a_generation, a_store

from model.change import CertificateIssued, SettingSet
from model.errors import Conflict, NotFound, Unavailable, WardgateError
from model.ids import Serial
from store import Store, certificates, changes, restored, settings
from store.schema import migrations


def a_state(folder: Path) -> Path:
    store = a_store(folder)
    store.transact(lambda tx: settings.put(tx, "domain", "net.example.com"))
    store.close()
    return store.path


def domain(path: Path) -> object:
    store = Store.open(path)
    try:
        return store.read(lambda r: settings.get(r, "domain"))
    finally:
        store.close()


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def test_a_new_state_is_its_owners_alone(store: Store) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_a_state_that_exists_is_not_made_over(tmp_path: Path) -> None:
    path = a_state(tmp_path)
    with pytest.raises(Conflict, match="exists already"):
        Store.create(path)
    assert domain(path) == "net.example.com"


def test_nothing_but_the_database_is_left_after_closing(tmp_path: Path) -> None:
    a_state(tmp_path)
    assert os.listdir(tmp_path) == ["wardgate.db"]


def test_a_failed_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(migrations, "apply", fails)
    with pytest.raises(Unavailable):
        a_store(tmp_path)
    assert os.listdir(tmp_path) == []


def test_no_state_is_told_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refused:
        Store.open(tmp_path / "wardgate.db")
    assert refused.value.hint == "make one with: wardgate init"


def text_file(path: Path) -> None:
    path.write_text("not a database, though long enough to be taken for one\n" * 100)


def empty_file(path: Path) -> None:
    path.touch()


def other_database(path: Path) -> None:
    alter(path, "CREATE TABLE users (id INTEGER PRIMARY KEY)")


@pytest.mark.parametrize("make", [text_file, empty_file, other_database])
def test_what_is_not_a_state_is_refused_and_left_as_it_is(tmp_path: Path, make: object) -> None:
    path = tmp_path / "wardgate.db"
    assert callable(make)
    make(path)
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="not a Wardgate state"):
        Store.open(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = a_state(tmp_path)
    alter(path, "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('wardgate', 'of_next_year')")
    with pytest.raises(Unavailable, match="newer Wardgate: this one does not know of_next_year"):
        Store.open(path)
    assert os.listdir(tmp_path) == ["wardgate.db"]


def undo_last_migration(path: Path) -> None:
    """Takes the tables of the last migration away, as a state from before it has them."""
    alter(
        path,
        *(f"DROP TABLE {table}" for table in ("identities", "totp", "recovery_codes", "logins", "codes")),
        "DELETE FROM _sqlite_migrations WHERE name = 'logins'",
    )


def test_an_older_schema_is_migrated_with_a_backup_beside_it(tmp_path: Path) -> None:
    path = a_state(tmp_path)
    undo_last_migration(path)
    assert domain(path) == "net.example.com"
    (backup,) = tmp_path.glob("wardgate.db.before-logins-*")
    with closing(sqlite3.connect(backup)) as db:
        assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'logins'").fetchall()
        assert db.execute("SELECT value FROM settings").fetchall() == [('"net.example.com"',)]
    assert backup.stat().st_mode & 0o777 == 0o600


def test_a_consent_that_a_rule_told_has_columns_of_its_own(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.transact(lambda tx: (a_certificate(tx, made := a_generation(tx)), a_certificate(tx, made)))
    store.close()
    alter(
        store.path,
        "ALTER TABLE certificates DROP COLUMN consented_by",
        "ALTER TABLE certificates DROP COLUMN consent",
        "DELETE FROM _sqlite_migrations WHERE name = 'consented'",
        "UPDATE certificates SET rule = 'claims of role owner'",
        "UPDATE certificates SET rule = rule || ', with consent 7 of bob@example.com' WHERE serial = 2",
    )
    store = Store.open(store.path)
    known = store.read(lambda r: [certificates.by_serial(r, Serial(number)) for number in (1, 2)])
    store.close()
    assert [(one.rule, one.consent, one.consented_by) for one in known] == [
        ("claims of role owner", None, None),
        ("claims of role owner", "7", "bob@example.com"),
    ]


def test_the_change_of_an_issued_certificate_keeps_its_serial_alone(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    other = SettingSet(key="a", value=1)
    store.transact(lambda tx: (tx.record(other), tx.record(CertificateIssued(serial=Serial(2)))))
    store.close()
    whole = '{"change": "CertificateIssued", "certificate": {"serial": 2, "kind": "user"}}'
    alter(
        store.path,
        "CREATE INDEX certificates_issued_at ON certificates (issued_at)",
        "DELETE FROM _sqlite_migrations WHERE name = 'issued'",
        f"UPDATE changes SET change = '{whole}' WHERE number = 2",
    )
    store = Store.open(store.path)
    known = store.read(lambda r: [one.change for one in changes.since(r, 0)])
    store.close()
    assert known == [other, CertificateIssued(serial=Serial(2))]


def test_a_row_of_serials_that_a_restored_gate_revoked_has_no_end(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.transact(restored.go_on)
    store.close()
    alter(
        store.path,
        "UPDATE revocations SET until = 1 WHERE through IS NOT NULL",
        "DELETE FROM _sqlite_migrations WHERE name = 'unknown_ends'",
    )
    store = Store.open(store.path)
    (row,) = store.read(certificates.revocations)
    store.close()
    assert (row.through is None, row.until) == (False, None)


def test_a_migration_that_fails_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    path = a_state(tmp_path)
    undo_last_migration(path)
    alter(path, "CREATE TABLE codes (oh INTEGER)")
    with pytest.raises(Unavailable):
        Store.open(path)
    alter(path, "DROP TABLE codes")
    assert domain(path) == "net.example.com"


def test_a_backup_of_a_store_in_use_is_a_whole_state(store: Store, tmp_path: Path) -> None:
    store.transact(lambda tx: settings.put(tx, "domain", "net.example.com"))
    store.backup(tmp_path / "copy.db")
    store.transact(lambda tx: settings.put(tx, "domain", "later.example.com"))
    assert domain(tmp_path / "copy.db") == "net.example.com"
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


def test_a_backup_does_not_replace_a_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(Conflict, match="exists already"):
        store.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_backup_into_no_folder_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        store.backup(tmp_path / "nowhere" / "copy.db")


def test_a_program_that_holds_the_database_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_state(tmp_path)
    monkeypatch.setattr("store.connections._COMMON", ("PRAGMA busy_timeout = 10", "PRAGMA foreign_keys = ON"))
    store = Store.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="another program holds the database"):
            store.transact(lambda tx: settings.put(tx, "a", 1))
    store.transact(lambda tx: settings.put(tx, "a", 1))
    store.close()


def test_damage_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = a_state(tmp_path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 8)
    with pytest.raises(WardgateError) as refused:
        domain(path)
    assert "gate restore" in str(refused.value.hint)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.root
def test_a_full_disk_is_told_and_passes_when_there_is_room_again(small_disk: Path) -> None:
    store = a_store(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free))
    with pytest.raises(Unavailable, match="disk is full") as refused:
        store.transact(lambda tx: settings.put(tx, "a", "x" * 200_000))
    assert "free space" in str(refused.value.hint)
    assert store.read(settings.all) == {}
    ballast.unlink()
    store.transact(lambda tx: settings.put(tx, "a", 1))
    assert store.read(settings.all) == {"a": 1}
    store.close()


@pytest.mark.root
def test_a_file_system_that_turned_read_only_is_told(small_disk: Path) -> None:
    path = a_state(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(Unavailable, match="cannot be"):
        domain(path)
