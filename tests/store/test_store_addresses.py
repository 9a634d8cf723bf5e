"""Addresses: the lowest free one, none twice, none again before the certificates that name it have ended."""

from __future__ import annotations

import ipaddress
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_builders import Clock, a_certificate, a_device, a_generation

from model.errors import Conflict, Invalid, Limited
from model.ids import Address
from model.network import RESERVED
from model.records import CertificateKind
from sshca import grant
from store import Store, Transaction, addresses, devices, settings

LIFE = addresses.LEAST_REST
"""The longest life of a certificate where no setting says otherwise."""


def ranged(store: Store, ipv4: str, ipv6: str = "fd00:1::/48") -> None:
    store.transact(lambda tx: (settings.put(tx, "ipv4", ipv4), settings.put(tx, "ipv6", ipv6)))


def dealt(store: Store, count: int) -> list[str]:
    return [store.transact(a_device).ipv4 for _ in range(count)]


def test_the_first_device_has_the_first_address_and_the_one_beside_it(store: Store) -> None:
    assert store.transact(a_device).addresses == ("100.64.0.1", "fd7a:115c:a1e0::6440:1")


def test_addresses_rise_and_the_ends_of_the_range_are_left_out(store: Store) -> None:
    ranged(store, "10.9.0.0/29")
    assert dealt(store, 6) == [f"10.9.0.{n}" for n in range(1, 7)]


def test_a_full_range_is_told(store: Store) -> None:
    ranged(store, "10.9.0.0/30")
    dealt(store, 2)
    with pytest.raises(Limited, match=r"no address is left in 10\.9\.0\.0/30"):
        store.transact(a_device)


def test_a_small_ipv6_range_bounds_what_is_dealt(store: Store) -> None:
    ranged(store, "10.9.0.0/24", "fd00:1::/126")
    assert [store.transact(a_device).ipv6 for _ in range(3)] == ["fd00:1::1", "fd00:1::2", "fd00:1::3"]
    with pytest.raises(Limited):
        store.transact(a_device)


def test_reserved_addresses_are_never_dealt(store: Store) -> None:
    ranged(store, "100.115.88.0/21")
    numbers = store.read(lambda r: [n for low, high in addresses.ranges(r).free(()) for n in (low, high)])
    assert [str(ipaddress.ip_address(n)) for n in numbers] == [
        "100.115.88.1",
        "100.115.91.255",
        "100.115.94.0",
        "100.115.95.254",
    ]


@pytest.mark.parametrize("network", RESERVED, ids=str)
def test_the_default_range_has_holes_where_it_is_reserved(store: Store, network: ipaddress.IPv4Network) -> None:
    free = store.read(lambda r: list(addresses.ranges(r).free(())))
    assert not any(low <= int(address) <= high for low, high in free for address in (network[0], network[-1]))


def test_an_address_that_was_given_up_rests_for_the_longest_life(store: Store, clock: Clock) -> None:
    ranged(store, "10.9.0.0/30")
    first = store.transact(a_device)
    store.transact(lambda tx: devices.remove(tx, first))
    assert dealt(store, 1) == ["10.9.0.2"]
    clock.now += LIFE - 1
    with pytest.raises(Limited, match="1 rest"):
        store.transact(a_device)
    clock.now += 1
    assert dealt(store, 1) == ["10.9.0.1"]


def test_the_longest_life_is_that_of_any_certificate_unless_the_claims_say_more(store: Store) -> None:
    lives = [grant([], kind).lives.maximum for kind in CertificateKind]
    assert store.read(addresses.longest_life) == max(lives)


def test_it_rests_until_the_last_certificate_that_names_it_has_ended(store: Store, clock: Clock) -> None:
    ranged(store, "10.9.0.0/30")

    def work(tx: Transaction) -> None:
        device = a_device(tx)
        a_certificate(tx, a_generation(tx), device_id=device.id, valid_before=tx.now + 2 * LIFE)
        devices.remove(tx, device)
        a_device(tx)

    store.transact(work)
    clock.now += 2 * LIFE - 1
    with pytest.raises(Limited):
        store.transact(a_device)
    clock.now += 1
    assert dealt(store, 1) == ["10.9.0.1"]


def test_a_longer_life_set_meanwhile_counts_for_the_resting_too(store: Store, clock: Clock) -> None:
    ranged(store, "10.9.0.0/30")
    store.transact(lambda tx: (devices.remove(tx, a_device(tx)), a_device(tx)))
    store.transact(lambda tx: settings.put(tx, settings.CLAIMS, [{"kind": "user", "maximum": 3 * LIFE}]))
    clock.now += 3 * LIFE - 1
    with pytest.raises(Limited):
        store.transact(a_device)
    clock.now += 1
    assert dealt(store, 1) == ["10.9.0.1"]


def test_an_address_can_be_asked_for(store: Store) -> None:
    device = store.transact(lambda tx: a_device(tx, ipv4="100.64.7.7"))
    assert device.addresses == ("100.64.7.7", "fd7a:115c:a1e0::6440:707")


def test_an_ipv6_address_that_was_asked_for_is_not_dealt_beside_another(store: Store) -> None:
    store.transact(lambda tx: a_device(tx, ipv4="100.64.7.7", ipv6="fd7a:115c:a1e0::6440:1"))
    assert store.transact(a_device).addresses == ("100.64.0.2", "fd7a:115c:a1e0::6440:2")


@pytest.mark.parametrize("ipv4", ["10.0.0.1", "100.64.0.0", "100.127.255.255", "100.100.100.100", "100.115.92.1"])
def test_an_address_outside_the_range_or_reserved_cannot_be_asked_for(store: Store, ipv4: str) -> None:
    with pytest.raises(Invalid, match="is not an address that"):
        store.transact(lambda tx: a_device(tx, ipv4=ipv4))


def test_a_resting_address_cannot_be_asked_for(store: Store) -> None:
    store.transact(lambda tx: devices.remove(tx, a_device(tx)))
    with pytest.raises(Conflict, match="rest since"):
        store.transact(lambda tx: a_device(tx, ipv4="100.64.0.1"))


def test_a_device_that_changes_its_address_leaves_the_old_one_resting(store: Store) -> None:
    device = store.transact(a_device)
    moved = msgspec.structs.replace(device, ipv4=Address("100.64.9.9"), ipv6=Address("fd7a:115c:a1e0::6440:909"))
    store.transact(lambda tx: devices.put(tx, moved))
    assert store.transact(a_device).ipv4 == "100.64.0.2"
    with pytest.raises(Conflict):
        store.transact(lambda tx: a_device(tx, ipv4="100.64.0.1"))


def test_work_that_is_rolled_back_deals_nothing(store: Store) -> None:
    def refused(tx: Transaction) -> None:
        a_device(tx)
        raise Conflict("no")

    with pytest.raises(Conflict):
        store.transact(refused)
    assert dealt(store, 1) == ["100.64.0.1"]


@given(taken=st.sets(st.integers(int(ipaddress.ip_address("100.115.91.0")), int(ipaddress.ip_address("100.115.94.0")))))
def test_free_intervals_hold_exactly_what_is_neither_taken_nor_reserved(taken: set[int]) -> None:
    space = addresses.Ranges("100.115.88.0/21", "fd00::/48")
    free = list(space.free(taken))
    reserved = {int(address) for network in RESERVED for address in network}
    held = {number for low, high in free for number in range(low, high + 1)}
    assert held == set(range(space.first, space.last + 1)) - taken - reserved
    assert all(high + 1 < low for (_, high), (low, _) in itertools.pairwise(free))


@given(st.integers(1, 2**22 - 2), st.sampled_from(["fd00::/48", "fd00::/96", "fd00::/64", "fd00:0:0:1::/100"]))
def test_an_address_and_its_number_belong_together(offset: int, ipv6: str) -> None:
    space = addresses.Ranges("100.64.0.0/10", ipv6)
    number = int(space.ipv4.network_address) + offset
    ipv4, six = space.addresses(number)
    assert ipaddress.ip_address(six) in space.ipv6
    assert space.numbers(ipv4, six) == {number}
