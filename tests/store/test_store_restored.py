"""A restored copy deals nothing again that may have been dealt since the backup."""

from __future__ import annotations

from store_builders import Clock, a_certificate, a_device, a_generation

from store import Store, addresses, certificates, restored, settings


def test_serials_that_may_have_been_dealt_are_left_out(store: Store) -> None:
    before = store.transact(certificates.next_serial)
    store.transact(restored.go_on)
    assert store.transact(certificates.next_serial) == before + restored.SERIALS + 1


def test_what_may_have_been_revoked_since_is_revoked(store: Store) -> None:
    store.transact(lambda tx: a_certificate(tx, a_generation(tx)))
    before = store.read(certificates.krl_version)
    store.transact(restored.go_on)
    assert store.read(certificates.krl_version) > before + restored.SERIALS
    (known, unknown) = store.read(certificates.revocations)
    assert known.serial is not None
    assert store.read(lambda r: certificates.by_serial(r, known.serial)).revoked_at is not None
    assert (unknown.serial, unknown.through) == (known.serial + 1, known.serial + restored.SERIALS)
    assert unknown.until is None, "nobody knows how long what was signed since lives"


def test_what_is_signed_after_is_not_revoked(store: Store) -> None:
    store.transact(restored.go_on)
    (unknown,) = store.read(certificates.revocations)
    assert unknown.through is not None
    assert store.transact(certificates.next_serial) == unknown.through + 1


def test_addresses_that_may_have_been_dealt_rest(store: Store, clock: Clock) -> None:
    store.transact(restored.go_on)
    assert store.transact(a_device).ipv4 == "100.64.3.233"
    clock.now += store.read(addresses.longest_life)
    assert store.transact(a_device).ipv4 == "100.64.0.1"


def test_a_small_network_can_still_enroll(store: Store) -> None:
    store.transact(lambda tx: (settings.put(tx, "ipv4", "10.9.0.0/29"), settings.put(tx, "ipv6", "fd00:1::/64")))
    store.transact(restored.go_on)
    assert [store.transact(a_device).ipv4 for _ in range(3)] == ["10.9.0.4", "10.9.0.5", "10.9.0.6"]
