"""Pages of long lists: every way of finding one gives what a plain filter and sort of all rows would."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_builders import a_device, a_store, a_user

from model.errors import Invalid
from model.records import Device, DeviceState
from store import Query, Store, Transaction, certificates, devices, paging, users

STATES = list(DeviceState)
SYSTEMS = ("linux", "macOS", "windows")


def fill(tx: Transaction) -> None:
    random_ = random.Random(3)
    people = [a_user(tx, f"{name}@example.com").name for name in ("alice", "al", "bob")] + [a_user(tx, "al@b.org").name]
    for number in range(300):
        tagged = random_.random() < 0.4
        a_device(
            tx,
            f"{random_.choice(['db', 'web', 'ci'])}-{number}",
            user=None if tagged else random_.choice(people),
            tags=random_.choice([("tag:db",), ("tag:db", "tag:web"), ("tag:ci",)]) if tagged else (),
            state=random_.choices(STATES, (5, 90, 3, 2))[0],
            os=random_.choice(SYSTEMS),
            expires_at=random_.choice([None, 1, 2, 3]),
        )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = a_store(Path(tmp_path_factory.mktemp("pages")))
    store.transact(fill)
    yield store
    store.close()


def visible(device: Device) -> str:
    return " ".join([device.name, device.user or "", *device.tags, device.ipv4, device.ipv6, device.os]).lower()


def matches(device: Device, word: str) -> bool:
    key, _, value = word.partition(":")
    match key:
        case "state":
            return device.state.value == value
        case "tag":
            return f"tag:{value.removeprefix('tag:')}" in device.tags
        case "user":
            return device.user is not None and value in {device.user, device.user.partition("@")[0]}
        case "os":
            return device.os == value
    return word.lower() in visible(device)


WORDS = st.sampled_from(
    ["db", "db-1", "DB-12", "web", "ci-", "1", "-2", "alice", "example.com", "linux", "MACOS", "100.64.0.1",
     "::6440:12", "%", "_", "nothing", '"', "tag:db", "state:approved", "state:pending", "state:expired",
     "state:unknown", "user:alice", "user:al", "user:al@b.org", "os:windows"]
)  # fmt: skip
SORTS = {
    "name": lambda d: d.name,
    "user": lambda d: (d.user is not None, d.user),
    "state": lambda d: d.state.value,
    "ipv4": lambda d: int(d.id),
    "expires_at": lambda d: (d.expires_at is not None, d.expires_at),
    "id": lambda d: int(d.id),
}


QUERIES = st.builds(
    Query,
    filter=st.lists(WORDS, max_size=3).map(" ".join),
    sort=st.sampled_from(list(SORTS)),
    descending=st.booleans(),
    offset=st.integers(0, 320),
    limit=st.integers(0, 70),
)


def expected(store: Store, query: Query) -> list[Device]:
    found = [d for d in store.read(devices.all) if all(matches(d, word) for word in query.filter.split())]
    return sorted(found, key=lambda d: (SORTS[query.sort](d), int(d.id)), reverse=query.descending)


@pytest.mark.parametrize(
    ("few", "walk"), [(4000, 4096), (10, 40), (0, 0)], ids=["sorted", "walked-where-enough-match", "judged-row-by-row"]
)
@given(query=QUERIES)
def test_a_page_is_what_a_plain_filter_and_sort_gives(filled: Store, query: Query, few: int, walk: int) -> None:
    found = expected(filled, query)
    with mock.patch.multiple(paging, _FEW=few, _WALK=walk):
        page = filled.read(lambda r: devices.page(r, query))
    assert (page.total, page.more) == (len(found), False)
    assert list(page.rows) == found[query.offset : query.offset + query.limit]


@pytest.mark.parametrize(("few", "walk"), [(4000, 4096), (10, 400), (0, 100)])
@given(query=QUERIES.map(lambda query: msgspec.structs.replace(query, exact=False)))
def test_a_page_without_the_exact_total_has_the_same_rows_and_says_whether_there_are_more(
    filled: Store, query: Query, few: int, walk: int
) -> None:
    found = expected(filled, query)
    with mock.patch.multiple(paging, _FEW=few, _WALK=walk):
        page = filled.read(lambda r: devices.page(r, query))
    assert list(page.rows) == found[query.offset : query.offset + query.limit]
    assert query.offset + len(page.rows) < page.total <= len(found) if page.more else page.total == len(found)


def test_filters_may_be_given_as_values_of_which_any_holds(filled: Store) -> None:
    query = Query(where={"state": ("pending", "expired"), "tag": "db"}, limit=300)
    page = filled.read(lambda r: devices.page(r, query))
    assert page.rows
    assert all(d.state in {"pending", "expired"} and "tag:db" in d.tags for d in page.rows)  # type: ignore[attr-defined]


def test_no_values_hold_for_nothing(filled: Store) -> None:
    assert filled.read(lambda r: devices.page(r, Query(where={"state": ()}))).total == 0


def test_a_total_follows_each_commit(store: Store) -> None:
    totals = []
    for _ in range(3):
        store.transact(a_device)
        totals.append(store.read(lambda r: devices.page(r, Query())).total)
    assert totals == [1, 2, 3]


def test_words_find_a_device_by_what_it_is_called_now(store: Store) -> None:
    def total(word: str) -> int:
        return store.read(lambda r: devices.page(r, Query(filter=word))).total

    device = store.transact(lambda tx: a_device(tx, "before"))
    store.transact(lambda tx: devices.put(tx, msgspec.structs.replace(device, name="after")))
    assert (total("before"), total("after")) == (0, 1)
    store.transact(lambda tx: devices.remove(tx, device))
    assert total("after") == 0


def test_an_unknown_sort_is_refused_with_those_there_are(store: Store) -> None:
    with pytest.raises(Invalid) as refused:
        store.read(lambda r: devices.page(r, Query(sort="colour; DROP TABLE users")))
    assert "last_seen" in str(refused.value.hint)


def test_an_unknown_filter_is_refused_with_those_there_are(store: Store) -> None:
    with pytest.raises(Invalid) as refused:
        store.read(lambda r: devices.page(r, Query(where={"colour": "red"})))
    assert "state" in str(refused.value.hint)


def test_an_unknown_state_of_a_certificate_is_refused(store: Store) -> None:
    with pytest.raises(Invalid, match="no state of a certificate"):
        store.read(lambda r: certificates.page(r, Query(where={"state": "fine"})))


def test_people_are_found_by_words_roles_and_groups(store: Store) -> None:
    def work(tx: Transaction) -> None:
        alice = a_user(tx, email="a.liddell@example.org")
        users.put(tx, msgspec.structs.replace(alice, groups=("group:eng",)))
        a_user(tx, "bob@example.com")

    store.transact(work)
    for query in ("liddell", "group:eng", "alice role:member"):
        page = store.read(lambda r, q=query: users.page(r, Query(filter=q)))  # type: ignore[misc]
        assert [user.name for user in page.rows] == ["alice@example.com"], query  # type: ignore[attr-defined]
