"""The network in SQLite: schema and migrations, the one writer, the change log and the audit trail.

All SQL is in here, behind functions that speak `model`: `devices.find(r, "db-1")`. Each takes the `Reader` or
`Transaction` that `Store.read` or `Store.transact` hands to a piece of work.
"""

from store.paging import Query
from store.store import Store
from store.transaction import Reader, Transaction

__all__ = ["Query", "Reader", "Store", "Transaction"]
