"""A restored copy deals nothing again that may have been dealt since the backup."""

from __future__ import annotations

from store_builders import Clock, a_device

from store import Store, addresses, certificates, restored, settings


def test_serials_that_may_have_been_dealt_are_left_out(store: Store) -> None:
    before = store.transact(certificates.next_serial)
    store.transact(restored.go_on)
    assert store.transact(certificates.next_serial) == before + restored.SERIALS + 1


def test_addresses_that_may_have_been_dealt_rest(store: Store, clock: Clock) -> None:
    store.transact(restored.go_on)
    assert store.transact(a_device).ipv4 == "100.64.3.233"
    clock.now += store.read(addresses.longest_life)
    assert store.transact(a_device).ipv4 == "100.64.0.1"


def test_a_small_network_can_still_enroll(store: Store) -> None:
    store.transact(lambda tx: (settings.put(tx, "ipv4", "10.9.0.0/29"), settings.put(tx, "ipv6", "fd00:1::/64")))
    store.transact(restored.go_on)
    assert [store.transact(a_device).ipv4 for _ in range(3)] == ["10.9.0.4", "10.9.0.5", "10.9.0.6"]
