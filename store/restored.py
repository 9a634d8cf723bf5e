"""What makes a restored copy safe to go on from: since the backup, things were issued that it knows nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import addresses, certificates

if TYPE_CHECKING:
    from store.transaction import Transaction

SERIALS = 1_000_000
"""Serials that are left out, more than any network issues between two backups."""
ADDRESSES = 1_000
"""Free addresses, the next that would have been dealt, that rest; half of them at most."""


REASON = "restored from a backup"


def go_on(tx: Transaction) -> None:
    """To be called once on a copy, before anything is issued from it.

    Serials that may have been dealt since the backup are never dealt again, nor are addresses before the certificates
    that name them can have ended. What was revoked since would live again, so everything that is not known to be good
    is revoked: people's certificates on record, and all that may have been signed since.
    """
    for living in certificates.valid_of_people(tx):
        certificates.revoke(tx, serial=living.serial, generation=living.generation, by="gate", reason=REASON)
    certificates.revoke_unknown(tx, SERIALS, reason=REASON)
    addresses.rest_next(tx, ADDRESSES)
