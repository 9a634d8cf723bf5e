"""A page of 50 out of 100,000 devices: by index, by filter, by words, and from far down the list."""

from __future__ import annotations

import base64
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import Figures, report
from model.ids import DeviceName, Tag, UserName
from model.keys import SSHKey, WireGuardKey
from model.records import DeviceState
from store import Query, Reader, Store, Transaction, devices, settings, users

DEVICES = 100_000
PEOPLE = 2_000
ROUNDS = 30
ROLES = ("db", "web", "ci", "router", "backup")
SYSTEMS = ("linux", "macos", "windows", "ios", "android")
PLACES = ("berlin", "lisbon", "osaka", "quito", "tromso")


def _fill(tx: Transaction, random_: random.Random, first: int, count: int) -> None:
    for number in range(first, first + count):
        tagged = number % 3 == 0
        devices.add(
            tx,
            name=DeviceName(f"{random_.choice(PLACES)}-{random_.choice(ROLES)}-{number}"),
            user=None if tagged else UserName(f"person{random_.randrange(PEOPLE)}@example.com"),
            tags=(Tag(f"tag:{random_.choice(ROLES)}"),) if tagged else (),
            wireguard_key=WireGuardKey(base64.b64encode(random_.randbytes(32)).decode()),
            ssh_key=SSHKey(random_.randbytes(51)),
            state=random_.choices(list(DeviceState), (1, 95, 3, 1))[0],
            os=random_.choice(SYSTEMS),
        )


def seeded(path: Path) -> Store:
    """A store of `DEVICES` devices, the same each time."""
    store, random_ = Store.create(path), random.Random(7)
    for number in range(PEOPLE):
        store.transact(lambda tx, n=number: users.add(tx, name=UserName(f"person{n}@example.com")))  # type: ignore[misc]
    for first in range(0, DEVICES, 5_000):
        store.transact(lambda tx, f=first: _fill(tx, random_, f, 5_000))  # type: ignore[misc]
    return store


QUERIES = {
    "by_name": Query(),
    "by_owner_descending": Query(sort="user", descending=True),
    "by_address": Query(sort="ipv4", offset=200),
    "by_last_seen": Query(sort="last_seen", descending=True),
    "pending_by_name": Query(filter="state:pending"),
    "approved_by_name": Query(filter="state:approved"),
    "of_a_person": Query(filter="user:person77"),
    "tagged": Query(filter="tag:db"),
    "word_few": Query(filter="db-4711"),
    "word_address": Query(filter="100.64.77.1"),
    "word_many": Query(filter="berlin"),
    "two_words_many": Query(filter="berlin router"),
    "word_and_state": Query(filter="tromso state:expired"),
    "short_word": Query(filter="-9"),
    "typed_letter": Query(filter="e", exact=False),
    "typed_absent": Query(filter="zz", exact=False),
    "typed_far_down": Query(filter="tr", exact=False),
    "typed_many": Query(filter="example.com", exact=False),
    "typed_two": Query(filter="osaka 99", exact=False),
    "middle_of_the_list": Query(offset=50_000),
    "end_of_the_list": Query(offset=99_900),
}


def _microseconds(store: Store, work: Callable[[Reader], object], *, counted: bool = True) -> float:
    """`counted` false has each round follow a commit, so that the total is counted anew."""
    took = []
    for _ in range(ROUNDS):
        if not counted:
            store.transact(lambda tx: settings.put(tx, "bench", 1))
        started = time.perf_counter()
        store.read(work)
        took.append((time.perf_counter() - started) * 1e6)
    return round(statistics.median(took), 1)


def figures() -> Figures:
    """Medians in microseconds, the records made, on a warm cache; after a commit totals are counted anew.

    `typed` are searches that need not know how many match, as a console asks while one types.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        store = seeded(Path(folder) / "wardgate.db")
        add_us = (time.perf_counter() - started) / DEVICES * 1e6
        found = {
            f"{name}_us": _microseconds(store, lambda r, q=query: devices.page(r, q))  # type: ignore[misc]
            for name, query in QUERIES.items()
        }
        for name in ("by_name", "approved_by_name", "word_few", "word_many", "word_and_state"):
            found[f"{name}_after_commit_us"] = _microseconds(
                store,
                lambda r, q=QUERIES[name]: devices.page(r, q),  # type: ignore[misc]
                counted=False,
            )
        started = time.perf_counter()
        store.read(devices.all)
        all_us = (time.perf_counter() - started) / DEVICES * 1e6
        store.close()
    return {**found, "enroll_us": round(add_us, 1), "all_us_a_device": round(all_us, 2)}


if __name__ == "__main__":
    report("store_pages", figures())
