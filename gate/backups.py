"""A network in one file: a tar archive of the database as of one moment, the CA keys and the gate's host key."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import Conflict, Invalid
from model.files import write_whole
from model.ids import quoted
from store import Store, audit, changes, restored
from store.layout import CA, DATABASE, HOST_KEY, LOGIN_KEY
from store.lock import StateLock

_MAX_KEY = 64 * 1024
_MAX_FILES = 1000
_MADE_BY = "one is made with: wardgate gate backup FILE"


@contextmanager
def archived(store: Store, state: Path) -> Iterator[Path]:
    """The archive, mode 0600, in a folder that goes away with the block. The gate goes on serving meanwhile."""
    with tempfile.TemporaryDirectory(dir=state, prefix="backup-") as name:
        folder = Path(name)
        store.backup(folder / DATABASE)
        target = folder / "backup.tar"
        with tarfile.open(fileobj=os.fdopen(_private(target), "wb"), mode="w") as archive:
            archive.add(folder / DATABASE, DATABASE)
            archive.add(state / HOST_KEY, HOST_KEY)
            if (state / LOGIN_KEY).exists():
                archive.add(state / LOGIN_KEY, LOGIN_KEY)
            for key in sorted((state / CA).iterdir()):
                archive.add(key, f"{CA}/{key.name}")
        yield target


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def restore(source: Path, state: Path) -> int:
    """Makes `state` from an archive; the number of its last change. Raises `Conflict` where there is a network.

    Everything is looked at before anything is in place: what is refused leaves no state behind.
    """
    if (state / DATABASE).exists():
        raise Conflict(f"there is a network in {state} already", hint="name another folder with --state")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with StateLock(state), tempfile.TemporaryDirectory(dir=state, prefix="restore-") as made:
        folder = Path(made)
        _unpack(source, folder)
        store = Store.open(folder / DATABASE)
        try:
            broken = store.read(audit.verify)
            if broken is not None:
                raise Invalid(f"the audit trail in {source} is broken at entry {broken}", hint="take another backup")
            store.transact(restored.go_on)
            last = store.read(changes.last)
        finally:
            store.close()
        (state / CA).mkdir(mode=0o700, exist_ok=True)
        for key in (folder / CA).iterdir():
            write_whole(state / CA / key.name, key.read_bytes(), mode=0o600)
        for name in (HOST_KEY, LOGIN_KEY):
            if (folder / name).exists():
                write_whole(state / name, (folder / name).read_bytes(), mode=0o600)
        os.replace(folder / DATABASE, state / DATABASE)
    return last


def _unpack(source: Path, folder: Path) -> None:
    """Takes the files that an archive of ours has, and refuses one with any other."""
    (folder / CA).mkdir(mode=0o700)
    try:
        with tarfile.open(source) as archive:
            members = archive.getmembers()
            if len(members) > _MAX_FILES:
                raise Invalid(f"{source} is not a backup: it holds {len(members)} files")
            for member in members:
                place, _, name = member.name.rpartition("/")
                known = (place == "" and name in {DATABASE, HOST_KEY, LOGIN_KEY}) or (
                    place == CA and name.replace("-", "").isalnum()
                )
                if not known or not member.isfile() or (name != DATABASE and member.size > _MAX_KEY):
                    raise Invalid(f"{source} is not a backup: it holds {quoted(member.name)}")
                content = archive.extractfile(member) or io.BytesIO()
                with os.fdopen(_private(folder / member.name), "wb") as out:
                    while chunk := content.read(1 << 20):
                        out.write(chunk)
    except (tarfile.TarError, EOFError, zlib.error):
        raise Invalid(f"{source} is not a backup: it is no tar archive, or a part of one", hint=_MADE_BY) from None
    except OSError as fault:
        raise Invalid(
            f"{source} cannot be read: {(fault.strerror or 'it is damaged').lower()}", hint=_MADE_BY
        ) from None
    if not (folder / DATABASE).exists() or not (folder / HOST_KEY).exists():
        raise Invalid(f"{source} is not a whole backup", hint=_MADE_BY)
