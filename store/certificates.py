"""The certificates that were issued, and what was revoked."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from model.errors import Conflict, Invalid, NotFound
from model.ids import DeviceID, DeviceName, GenerationID, Serial, UserName, quoted
from model.keys import SSHKey
from model.records import Certificate, CertificateKind, CertificateState, Page, Revocation
from store.mapping import Rows, decimal
from store.paging import Condition, Listing, Query, compares, equals, equals_number

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(Certificate, "certificates", key="serial", decimal_text=("device_id", "consent"))
_LAST_SERIAL = "SELECT value FROM counters WHERE name = 'serial'"
_REVOCATIONS = Rows(Revocation, "revocations", key="number")


def next_serial(tx: Transaction) -> Serial:
    """The next serial, from 1, rising: dealt for good once the transaction is committed, whatever is made of it."""
    last: int = tx.later.end(_LAST_SERIAL)[0]
    skip_serials(tx, 1)
    return Serial(last + 1)


def next_serials(tx: Transaction, count: int) -> tuple[Serial, ...]:
    """Several at once, rising."""
    (last,) = tx.later.end(_LAST_SERIAL)
    skip_serials(tx, count)
    return tuple(Serial(number) for number in range(last + 1, last + count + 1))


def skip_serials(tx: Transaction, count: int) -> None:
    """Leaves out the next `count` serials for good."""
    (last,) = tx.later.end(_LAST_SERIAL)
    tx.later.move(_LAST_SERIAL, (last + count,), "UPDATE counters SET value = ? WHERE name = 'serial'")


def add(tx: Transaction, certificate: Certificate) -> None:
    """Records an issued certificate. Raises `Conflict` where its serial is on record."""
    try:
        _ROWS.insert_record(tx, certificate)
    except sqlite3.IntegrityError as fault:
        if "serial" in str(fault):
            raise Conflict(
                f"serial {certificate.serial} is taken", hint="take a new serial for each certificate"
            ) from fault
        raise


def add_issued(tx: Transaction, certificate: Certificate) -> None:
    """`add` for one whose serial `next_serial` dealt: a user's is written with others of its part of the commit."""
    if certificate.kind is CertificateKind.USER:
        tx.later.row(*_ROWS.insertion(certificate))
    else:
        add(tx, certificate)


def by_serial(r: Reader, serial: Serial) -> Certificate:
    found = _ROWS.one(r, "serial = ?", serial)
    if found is None:
        raise NotFound(f"no certificate has the serial {serial}", hint="`wardgate certs list` shows them")
    return found


def with_key(r: Reader, fingerprint: str) -> tuple[Certificate, ...]:
    """All that were issued for one subject key, oldest first."""
    return _ROWS.many(r, "WHERE fingerprint = ? ORDER BY serial", fingerprint)


def host_of_key(r: Reader, fingerprint: str) -> tuple[DeviceID | None, DeviceName | None] | None:
    """The device whose host key this is by a certificate that counts now; (None, None) for the gate's own host key."""
    row = r.beside.execute(  # users' certificates may wait to be written, hosts' do not
        "SELECT device_id, device FROM certificates"
        " WHERE fingerprint = ? AND kind = 'host' AND +valid_before > ? AND +revoked_at IS NULL LIMIT 1",
        (fingerprint, r.now),
    ).fetchone()
    if row is None:
        return None
    return (None, None) if row[0] is None else (DeviceID(str(row[0])), DeviceName(row[1]))


def hosts_by_generation(r: Reader) -> dict[GenerationID, int]:
    """How many devices show a host certificate of each generation, by the newest of theirs that is valid now."""
    rows = r.sql.execute(
        "SELECT generation, count(*) FROM"
        " (SELECT generation, max(serial) FROM certificates WHERE kind = 'host' AND device_id IS NOT NULL"
        " AND valid_before > ? AND revoked_at IS NULL GROUP BY device_id) GROUP BY generation",
        (r.now,),
    )
    return dict(rows.fetchall())


def once_certified(r: Reader, device_id: DeviceID | None = None) -> frozenset[DeviceID]:
    """The devices that ever had a host certificate; of one alone where `device_id` is given."""
    only, parameters = ("", ()) if device_id is None else (" AND device_id = ?", (decimal(device_id),))
    found = r.sql.execute(
        f"SELECT DISTINCT device_id FROM certificates WHERE kind = 'host' AND device_id IS NOT NULL{only}",  # noqa: S608 - no text from outside
        parameters,
    )
    return frozenset(DeviceID(str(id)) for (id,) in found)


def certified_hosts(r: Reader) -> frozenset[DeviceID]:
    """The devices with a host certificate that is valid now."""
    found = r.sql.execute(
        "SELECT DISTINCT device_id FROM certificates"
        " WHERE kind = 'host' AND device_id IS NOT NULL AND valid_before > ? AND revoked_at IS NULL",
        (r.now,),
    )
    return frozenset(DeviceID(str(id)) for (id,) in found)


def valid_of_device(r: Reader, device_id: DeviceID, now: int) -> tuple[Certificate, ...]:
    """Those that name this device and neither ended nor were revoked by `now`, oldest first."""
    return _ROWS.many(
        r,
        "WHERE device_id = ? AND valid_before > ? AND revoked_at IS NULL ORDER BY serial",
        decimal(device_id),
        now,
    )


def valid_of_people(r: Reader) -> tuple[Certificate, ...]:
    """Those for users that neither ended nor were revoked, oldest first."""
    return _ROWS.many(r, "WHERE revoked_at IS NULL AND valid_before > ? AND kind = 'user' ORDER BY serial", r.now)


def valid_of_user(r: Reader, user: UserName, now: int) -> tuple[Certificate, ...]:
    """Those of a person that neither ended nor were revoked by `now`, oldest first."""
    return _ROWS.many(r, 'WHERE "user" = ? AND valid_before > ? AND revoked_at IS NULL ORDER BY serial', user, now)


def longest_end(r: Reader, generation: GenerationID) -> int | None:
    """When the last certificate that a generation signed ends; None where it signed none."""
    row = r.sql.execute("SELECT max(valid_before) FROM certificates WHERE generation = ?", (generation,)).fetchone()
    return None if row is None else row[0]


def revoke(
    tx: Transaction,
    *,
    serial: Serial | None = None,
    generation: GenerationID | None = None,
    key: SSHKey | None = None,
    key_id: str | None = None,
    fingerprint: str | None = None,
    by: str,
    reason: str = "",
) -> Revocation:
    """Revokes by exactly one of serial, key, key ID and the subject key's fingerprint, under the next number.

    What is revoked already stays as it is, and its revocation is given. A serial's generation comes from its
    certificate. Certificates on record that are meant are marked. Raises `NotFound` for a serial that is not on
    record where no generation is given with it.
    """
    given = {"serial": serial, "key": key.blob if key else None, "key_id": key_id, "fingerprint": fingerprint}
    columns: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if len(columns) != 1:
        raise Invalid("a revocation names one of serial, key, key ID, fingerprint", hint="revoke one after the other")
    ((column, value),) = columns.items()
    known = _REVOCATIONS.one(tx, f'"{column}" = ?', value)
    if known is not None:
        return known
    if serial is not None:
        meant = by_serial(tx, serial) if generation is None else _ROWS.one(tx, "serial = ?", serial)
        columns["generation"] = meant.generation if meant and generation is None else generation
        columns["until"] = meant.valid_before if meant else None
    _REVOCATIONS.insert(tx, {**columns, "at": tx.now, "by": by, "reason": reason})
    _mark(tx, "fingerprint" if key else column, key.fingerprint if key else value)
    revocation = _REVOCATIONS.one(tx, f'"{column}" = ?', value)
    assert revocation is not None
    return revocation


def end_generation(tx: Transaction, generation: GenerationID) -> None:
    """Marks what a generation signed and that still lives as revoked: for when nobody trusts its key any more."""
    tx.sql.execute(
        "UPDATE certificates SET revoked_at = ? WHERE generation = ? AND valid_before > ? AND revoked_at IS NULL",
        (tx.now, generation, tx.now),
    )


def revoke_unknown(tx: Transaction, count: int, *, reason: str) -> None:
    """Leaves out the next `count` serials, and revokes them as a row; the KRL's version rises by as much.

    For a restored copy: they may have been dealt, and as many revocations made, since its backup. Nobody knows how long
    their certificates live, so the row stays for good.
    """
    first = next_serial(tx)
    skip_serials(tx, count - 1)
    columns = {"number": krl_version(tx) + count, "serial": first, "through": first + count - 1}
    _REVOCATIONS.insert(tx, {**columns, "at": tx.now, "by": "gate", "reason": reason})


def _mark(tx: Transaction, column: str, value: Any) -> None:
    tx.sql.execute(
        f"UPDATE certificates SET revoked_at = ? WHERE {column} = ? AND revoked_at IS NULL",  # noqa: S608 - one of our columns
        (tx.now, value),
    )


def revocations(r: Reader, after: int = 0) -> tuple[Revocation, ...]:
    """Those after a number, in order of it: what a KRL is made of."""
    return _REVOCATIONS.many(r, "WHERE number > ? ORDER BY number", after)


def krl_version(r: Reader) -> int:
    """The number of the newest revocation, which is the KRL's version; 0 where nothing was revoked."""
    row = r.sql.execute("SELECT coalesce(max(number), 0) FROM revocations").fetchone()
    return int(row[0])


_STATES = {
    CertificateState.VALID: compares(
        "revoked_at IS NULL AND valid_before > ?", "+revoked_at IS NULL AND +valid_before > ?"
    ),
    CertificateState.EXPIRED: compares(
        "revoked_at IS NULL AND valid_before <= ?", "+revoked_at IS NULL AND +valid_before <= ?"
    ),
    CertificateState.REVOKED: compares("revoked_at IS NOT NULL", "+revoked_at IS NOT NULL"),
}


def _state(r: Reader, value: object) -> Condition:
    if not isinstance(value, str) or value not in list(CertificateState):
        raise Invalid(f"{quoted(str(value))} is no state of a certificate", hint="valid, expired or revoked")
    return _STATES[CertificateState(value)](r, r.now)


_LISTING = Listing(
    _ROWS,
    sorts={
        "serial": "serial", "key_id": "key_id", "user": "user", "device": "device", "valid_before": "valid_before",
        "issued_at": "serial", "generation": "generation",
    },
    filters={
        "state": _state, "kind": equals("kind"), "user": equals("user"), "device": equals("device"),
        "device_id": equals_number("device_id"), "generation": equals("generation"),
        "fingerprint": equals("fingerprint"), "SHA256": compares("fingerprint = 'SHA256:' || ?"),
    },
    text="key_id",
    newest_first=True,
)  # fmt: skip


def page(r: Reader, query: Query) -> Page:
    """Newest first unless asked otherwise. Words are looked for in the key ID; `SHA256:…` is one for the subject's key.

    Filters: state, kind, user, device, device_id, generation, fingerprint.
    """
    return _LISTING.page(r, query)
