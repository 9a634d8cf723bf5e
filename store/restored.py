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


def go_on(tx: Transaction) -> None:
    """To be called once on a copy, before anything is issued from it.

    Serials that may have been dealt since the backup are never dealt again, nor are addresses before the certificates
    that name them can have ended.
    """
    certificates.skip_serials(tx, SERIALS)
    addresses.rest_next(tx, ADDRESSES)
