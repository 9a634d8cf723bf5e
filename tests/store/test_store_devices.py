"""Devices: what must be unique, how they are found, and what of them is kept."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from store_builders import Clock, a_certificate, a_device, a_generation, a_user, a_wireguard_key, an_ssh_key

from model.errors import Ambiguous, Conflict, NotFound
from model.ids import DeviceID, DeviceName, Prefix, Tag, UserName
from model.records import Device, DeviceState, Route, RouteState
from store import Store, Transaction, certificates, devices, settings, users

replace = msgspec.structs.replace


def test_a_device_comes_back_as_it_was_put(store: Store) -> None:
    def work(tx: Transaction) -> Device:
        a_user(tx)
        device = replace(
            a_device(tx),
            name=DeviceName("laptop"),
            user=UserName("alice@example.com"),
            tags=(),
            state=DeviceState.APPROVED,
            approved_at=tx.now,
            expires_at=tx.now + 60,
            endpoints=("192.0.2.1:51820", "[2001:db8::1]:51820"),
            routes=(
                Route(Prefix("0.0.0.0/0"), RouteState.ADVERTISED),
                Route(Prefix("10.1.0.0/16"), RouteState.APPROVED),
            ),
            os="linux",
            agent_version="1.0",
            attributes={"node:os": "linux", "custom:tier": "prod"},
            last_seen=tx.now,
        )
        devices.put(tx, device)
        return device

    device = store.transact(work)
    assert store.read(lambda r: devices.by_id(r, device.id)) == device
    assert store.read(devices.all) == (device,)


def test_routes_and_tags_that_are_gone_from_the_record_are_gone(store: Store) -> None:
    def work(tx: Transaction) -> None:
        device = a_device(tx, tags=("tag:db", "tag:web"), routes=(Route(Prefix("10.0.0.0/8"), RouteState.APPROVED),))
        devices.put(tx, replace(device, tags=(Tag("tag:web"),), routes=()))

    store.transact(work)
    (device,) = store.read(devices.all)
    assert (device.tags, device.routes) == (("tag:web",), ())


SAME: dict[str, Callable[[Device], dict[str, object]]] = {
    'device "db-1" is taken (by device 1)': lambda d: {"name": d.name},
    "the WireGuard key": lambda d: {"wireguard_key": d.wireguard_key},
    "this device's SSH key is taken (by db-1, device 1)": lambda d: {"ssh_key": d.ssh_key},
    "the addresses 100.64.0.1": lambda d: {"ipv4": d.ipv4},
}


@pytest.mark.parametrize("message", SAME)
def test_what_is_taken_is_refused_with_its_holder(store: Store, message: str) -> None:
    def work(tx: Transaction) -> None:
        first = a_device(tx, "db-1")
        a_device(tx, **{"name": "other", **SAME[message](first)})

    with pytest.raises(Conflict) as refused:
        store.transact(work)
    assert refused.value.message.startswith(message)
    assert refused.value.hint


def test_a_device_cannot_be_renamed_to_a_name_that_is_taken(store: Store) -> None:
    store.transact(lambda tx: (a_device(tx, "db-1"), a_device(tx, "db-2")))
    second = store.read(lambda r: devices.find(r, "db-2"))
    with pytest.raises(Conflict, match=r'device "db-1" is taken \(by device 1\)'):
        store.transact(lambda tx: devices.put(tx, replace(second, name=DeviceName("db-1"))))


def test_devices_without_an_ssh_key_do_not_collide(store: Store) -> None:
    store.transact(lambda tx: (a_device(tx, ssh_key=None), a_device(tx, ssh_key=None)))
    assert len(store.read(devices.all)) == 2


def test_a_device_of_nobody_known_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match=r'no user is called "eve@example\.com"'):
        store.transact(lambda tx: a_device(tx, user="eve@example.com"))


def test_an_id_is_never_used_twice(store: Store) -> None:
    store.transact(lambda tx: devices.remove(tx, a_device(tx)))
    assert store.transact(a_device).id == "2"


@pytest.mark.parametrize(
    "text",
    ["db-1", "DB-1", "1", "db-1.net.example.com", "db-1.net.example.com.", "100.64.0.1", "fd7a:115c:a1e0::6440:1"],
)
def test_a_device_is_found_by(store: Store, text: str) -> None:
    store.transact(
        lambda tx: (settings.put(tx, "domain", "net.example.com"), a_device(tx, "db-1"), a_device(tx, "db-2"))
    )
    assert store.read(lambda r: devices.find(r, text)).name == "db-1"


@pytest.mark.parametrize("text", ["db", "3", "db-1.example.com", "100.64.0.9", "", "0", "9" * 40, "%"])
def test_no_device_is_found_by(store: Store, text: str) -> None:
    store.transact(
        lambda tx: (settings.put(tx, "domain", "net.example.com"), a_device(tx, "db-1"), a_device(tx, "db-2"))
    )
    with pytest.raises(NotFound):
        store.read(lambda r: devices.find(r, text))


def test_a_name_that_is_anothers_id_is_ambiguous(store: Store) -> None:
    store.transact(lambda tx: (settings.put(tx, "domain", "net.example.com"), a_device(tx, "db-1"), a_device(tx, "1")))
    with pytest.raises(Ambiguous):
        store.read(lambda r: devices.find(r, "1"))
    assert store.read(lambda r: devices.find(r, "1.net.example.com")).id == "2"


def test_a_device_is_found_by_its_keys(store: Store) -> None:
    device = store.transact(a_device)
    assert device.ssh_key is not None
    assert store.read(lambda r: devices.by_ssh_key(r, device.ssh_key)) == device  # type: ignore[arg-type]
    assert store.read(lambda r: devices.by_wireguard_key(r, device.wireguard_key)) == device
    assert store.read(lambda r: devices.by_ssh_key(r, an_ssh_key())) is None
    assert store.read(lambda r: devices.by_wireguard_key(r, a_wireguard_key())) is None


def test_a_free_name_is_the_wanted_one_or_the_next_number(store: Store) -> None:
    names = []
    for _ in range(4):
        name = store.read(lambda r: devices.free_name(r, DeviceName("db-1")))
        store.transact(lambda tx, n=name: a_device(tx, n))  # type: ignore[misc]
        names.append(name)
    assert names == ["db-1", "db-1-2", "db-1-3", "db-1-4"]


def test_a_free_name_is_a_label_still(store: Store) -> None:
    wanted = DeviceName("a" * 60 + "-bc")
    store.transact(lambda tx: a_device(tx, wanted))
    assert store.read(lambda r: devices.free_name(r, wanted)) == "a" * 60 + "-2"


def test_due_are_the_approved_whose_time_is_over(store: Store, clock: Clock) -> None:
    at = clock.now

    def work(tx: Transaction) -> None:
        a_device(tx, "over", state=DeviceState.APPROVED, expires_at=at)
        a_device(tx, "long-over", state=DeviceState.APPROVED, expires_at=at - 9)
        a_device(tx, "not-yet", state=DeviceState.APPROVED, expires_at=at + 1)
        a_device(tx, "never", state=DeviceState.APPROVED)
        a_device(tx, "known", state=DeviceState.EXPIRED, expires_at=at - 1)

    store.transact(work)
    assert [device.name for device in store.read(lambda r: devices.due(r, at))] == ["long-over", "over"]


def test_last_seen_is_noted_in_batches_and_the_gone_are_passed_over(store: Store) -> None:
    store.transact(lambda tx: (a_device(tx), a_device(tx), a_device(tx)))
    moments = {DeviceID("1"): 100, DeviceID("3"): 300, DeviceID("9"): 900}
    store.transact(lambda tx: devices.seen(tx, moments))
    assert [device.last_seen for device in store.read(devices.all)] == [100, None, 300]


def test_a_user_with_devices_stays(store: Store) -> None:
    user = store.transact(a_user)
    device = store.transact(lambda tx: a_device(tx, user=user.name))
    with pytest.raises(Conflict, match="still owns 1 device"):
        store.transact(lambda tx: users.remove(tx, user))
    store.transact(lambda tx: devices.remove(tx, device))
    store.transact(lambda tx: users.remove(tx, user))
    assert store.read(users.all) == ()


def test_devices_follow_their_owner_to_a_new_name(store: Store) -> None:
    user = store.transact(a_user)
    store.transact(lambda tx: a_device(tx, user=user.name))
    store.transact(lambda tx: users.put(tx, replace(user, name=UserName("al@example.com"))))
    assert [device.user for device in store.read(devices.all)] == ["al@example.com"]
    assert store.read(lambda r: devices.of_user(r, UserName("alice@example.com"))) == ()


def test_the_certificates_of_a_removed_device_stay_on_record(store: Store) -> None:
    def work(tx: Transaction) -> DeviceID:
        device = a_device(tx)
        a_certificate(tx, a_generation(tx), device_id=device.id)
        devices.remove(tx, device)
        return device.id

    id = store.transact(work)
    assert len(store.read(lambda r: certificates.valid_of_device(r, id, r.now))) == 1


def test_a_device_that_is_gone_cannot_be_put_back(store: Store) -> None:
    device = store.transact(a_device)
    store.transact(lambda tx: devices.remove(tx, device))
    for change in (devices.put, devices.remove):
        with pytest.raises(NotFound):
            store.transact(lambda tx, c=change: c(tx, device))  # type: ignore[misc]
