"""Certificates, revocations, generations; policies and names."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from store_builders import Clock, a_certificate, a_generation, an_ssh_key

from model.errors import Conflict, Invalid, NotFound
from model.ids import DeviceID, DNSName, GenerationID, Serial, UserName
from model.records import Certificate, CertificateKind, GenerationState, NameType
from store import Query, Reader, Store, Transaction, certificates, generations, names, policies

ALICE = UserName("alice@example.com")


def three(tx: Transaction) -> list[Certificate]:
    generation = a_generation(tx)
    return [a_certificate(tx, generation, device_id=DeviceID("7")) for _ in range(3)]


def test_a_certificate_comes_back_as_it_was_recorded(store: Store) -> None:
    first, *_ = store.transact(three)
    assert store.read(lambda r: certificates.by_serial(r, Serial(1))) == first


def test_serials_rise_from_one_and_what_is_not_committed_dealt_none(store: Store) -> None:
    def refused(tx: Transaction) -> None:
        certificates.next_serials(tx, 100)
        raise Conflict("no")

    assert store.transact(certificates.next_serial) == 1
    with pytest.raises(Conflict):
        store.transact(refused)
    assert store.transact(lambda tx: certificates.next_serials(tx, 3)) == (2, 3, 4)
    assert store.transact(certificates.next_serial) == 5


def test_a_serial_is_recorded_once(store: Store) -> None:
    first, *_ = store.transact(three)
    with pytest.raises(Conflict, match="serial 1 is taken"):
        store.transact(lambda tx: certificates.add(tx, first))


def test_valid_are_those_that_neither_ended_nor_were_revoked(store: Store, clock: Clock) -> None:
    store.transact(three)
    store.transact(lambda tx: certificates.revoke(tx, serial=Serial(2), by="local:0"))
    for found in (
        store.read(lambda r: certificates.valid_of_device(r, DeviceID("7"), r.now)),
        store.read(lambda r: certificates.valid_of_user(r, ALICE, r.now)),
    ):
        assert [certificate.serial for certificate in found] == [1, 3]
    clock.now += 3600
    assert store.read(lambda r: certificates.valid_of_user(r, ALICE, r.now)) == ()


def test_revocations_are_numbered_and_twice_is_once(store: Store) -> None:
    def work(tx: Transaction) -> None:
        first, second, third = three(tx)
        certificates.revoke(tx, serial=first.serial, by="local:0", reason="lost")
        certificates.revoke(tx, serial=first.serial, by="local:0")
        certificates.revoke(tx, key_id=second.key_id, by="local:0")
        certificates.revoke(tx, fingerprint=third.fingerprint, by="local:0")
        certificates.revoke(tx, key=an_ssh_key(77), by="local:0")

    store.transact(work)
    revocations = store.read(certificates.revocations)
    assert [r.number for r in revocations] == [1, 2, 3, 4]
    assert (revocations[0].serial, revocations[0].generation) == (1, "user-1")
    assert store.read(certificates.krl_version) == 4
    assert store.read(lambda r: certificates.page(r, Query(filter="state:revoked"))).total == 3


def test_a_revoked_key_marks_the_certificates_of_that_key(store: Store) -> None:
    key = an_ssh_key()
    store.transact(lambda tx: a_certificate(tx, a_generation(tx), fingerprint=key.fingerprint))
    store.transact(lambda tx: certificates.revoke(tx, key=key, by="local:0"))
    assert store.read(lambda r: certificates.by_serial(r, Serial(1))).revoked_at is not None


def test_a_serial_that_is_not_on_record_needs_its_generation(store: Store) -> None:
    with pytest.raises(NotFound, match="no certificate has the serial 9"):
        store.transact(lambda tx: certificates.revoke(tx, serial=Serial(9), by="local:0"))
    revoked = store.transact(
        lambda tx: certificates.revoke(tx, serial=Serial(9), generation=GenerationID("user-1"), by="local:0")
    )
    assert revoked.generation == "user-1"


def test_a_revocation_names_one_thing(store: Store) -> None:
    with pytest.raises(Invalid):
        store.transact(lambda tx: certificates.revoke(tx, by="local:0"))
    with pytest.raises(Invalid):
        store.transact(lambda tx: certificates.revoke(tx, serial=Serial(1), key_id="a", by="local:0"))


def test_the_longest_end_is_a_generations_own(store: Store, clock: Clock) -> None:
    store.transact(three)
    assert store.read(lambda r: certificates.longest_end(r, GenerationID("user-1"))) == clock.now + 3600
    assert store.read(lambda r: certificates.longest_end(r, GenerationID("host-1"))) is None


def test_certificates_come_newest_first_and_by_state(store: Store, clock: Clock) -> None:
    store.transact(three)
    clock.now += 3600
    store.transact(lambda tx: a_certificate(tx, generations.all(tx)[0]))
    page = store.read(lambda r: certificates.page(r, Query()))
    assert [certificate.serial for certificate in page.rows] == [4, 3, 2, 1]  # type: ignore[attr-defined]
    assert store.read(lambda r: certificates.page(r, Query(filter="state:valid"))).total == 1
    assert store.read(lambda r: certificates.page(r, Query(filter="state:expired laptop/2"))).total == 1


def test_a_certificate_is_found_by_a_pasted_fingerprint(store: Store) -> None:
    first, *_ = store.transact(three)
    page = store.read(lambda r: certificates.page(r, Query(filter=first.fingerprint)))
    assert page.rows == (first,)


def test_generations_are_counted_by_kind(store: Store) -> None:
    def work(tx: Transaction) -> list[str]:
        kinds = (CertificateKind.USER, CertificateKind.HOST, CertificateKind.USER)
        return [generations.add(tx, kind=kind, key=an_ssh_key()).id for kind in kinds]

    assert store.transact(work) == ["user-1", "host-1", "user-2"]


def test_one_generation_of_a_kind_is_active(store: Store) -> None:
    first = store.transact(a_generation)
    second = store.transact(lambda tx: generations.add(tx, kind=CertificateKind.USER, key=an_ssh_key()))
    promoted = msgspec.structs.replace(second, state=GenerationState.ACTIVE)
    with pytest.raises(Conflict, match="user-1 is active"):
        store.transact(lambda tx: generations.put(tx, promoted))

    def rotate(tx: Transaction) -> None:
        generations.put(tx, msgspec.structs.replace(first, state=GenerationState.TRUSTED))
        generations.put(tx, promoted)

    store.transact(rotate)
    assert store.read(lambda r: generations.active(r, CertificateKind.USER)).id == "user-2"


def test_a_ca_key_is_one_generation(store: Store) -> None:
    key = an_ssh_key()
    store.transact(lambda tx: generations.add(tx, kind=CertificateKind.USER, key=key))
    with pytest.raises(Conflict, match="is a generation already"):
        store.transact(lambda tx: generations.add(tx, kind=CertificateKind.HOST, key=key))


def test_the_newest_policy_holds_and_all_are_kept(store: Store) -> None:
    with pytest.raises(NotFound, match="no policy yet"):
        store.read(policies.current)
    for text in ("{}", '{"acls": []}', "// nothing\n{}"):
        store.transact(lambda tx, t=text: policies.add(tx, t, "local:0"))  # type: ignore[misc]
    assert store.read(policies.current).text == "// nothing\n{}"
    assert [version.number for version in store.read(lambda r: policies.history(r, 2))] == [3, 2]
    assert store.read(lambda r: policies.by_number(r, 1)).text == "{}"


def test_a_policy_waits_until_it_is_confirmed(store: Store, clock: Clock) -> None:
    store.transact(lambda tx: policies.add(tx, "{}", "local:0"))
    store.transact(lambda tx: policies.add(tx, "{}", "local:0", "careful", clock.now + 60))
    waiting = store.read(policies.waiting)
    assert waiting is not None
    assert (waiting.number, waiting.confirm_by) == (2, clock.now + 60)
    with pytest.raises(Conflict, match="version 1 of the policy does not wait"):
        store.transact(lambda tx: policies.confirm(tx, 1))
    assert store.transact(lambda tx: policies.confirm(tx, 2)).confirm_by is None
    assert store.read(policies.waiting) is None


def test_a_name_keeps_its_values_apart_and_takes_a_new_lifetime(store: Store) -> None:
    name = DNSName("db.net.example.com")

    def work(tx: Transaction) -> None:
        names.put(tx, name, NameType.A, "192.0.2.1", 300, "local:0")
        names.put(tx, name, NameType.A, "192.0.2.2", 300, "local:0")
        names.put(tx, name, NameType.A, "192.0.2.1", 60, "local:0")

    store.transact(work)
    assert [(n.value, n.ttl) for n in store.read(lambda r: names.of(r, name))] == [
        ("192.0.2.1", 60),
        ("192.0.2.2", 300),
    ]


def test_removing_a_name_takes_what_is_meant_and_tells_what_went(store: Store) -> None:
    name = DNSName("db.net.example.com")
    for type_, value in ((NameType.A, "192.0.2.1"), (NameType.A, "192.0.2.2"), (NameType.TXT, "hello")):
        store.transact(lambda tx, t=type_, v=value: names.put(tx, name, t, v, 300, "local:0"))  # type: ignore[misc]
    assert len(store.transact(lambda tx: names.remove(tx, name, NameType.A, "192.0.2.1"))) == 1
    assert len(store.transact(lambda tx: names.remove(tx, name, NameType.A))) == 1
    assert len(store.transact(lambda tx: names.remove(tx, name))) == 1
    with pytest.raises(NotFound, match="no record was set for"):
        store.transact(lambda tx: names.remove(tx, name))


def test_the_certificates_of_a_device_are_found_beside_other_conditions_too(store: Store) -> None:
    """However the conditions come, one finds the rows and the others judge them: a number is a number in both."""

    def found(r: Reader) -> list[object]:
        asked = {"device_id": DeviceID("7"), "kind": "user", "state": "valid"}
        wheres = [dict(some) for size in (1, 2, 3) for some in itertools.permutations(asked.items(), size)]
        return [certificates.page(r, Query(where=one)).total for one in wheres]

    store.transact(three)
    assert set(store.read(found)) == {3}
