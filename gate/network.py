"""Making a new network: its keys, its first owner, its policy."""

from __future__ import annotations

import ipaddress
import logging
import os
import shutil
from pathlib import Path

import msgspec

import policy
import sshca
from gate import settings as table
from gate.login import breakglass
from gate.login.breakglass import Sealed
from gate.signers import Signers
from gate.snapshot import Snapshot
from model import change as c
from model.errors import Conflict, Invalid, Unavailable
from model.ids import Domain, GenerationID, Prefix, domain, new_user_name, prefix, user_name
from model.keys import Secret, SSHKey
from model.network import DEFAULT_IPV4, DEFAULT_IPV6
from model.records import Certificate, CertificateKind, CertificateState, Generation, GenerationState, Role, User
from store import Reader, Store, Transaction, generations, policies, settings, user_keys, users
from store import certificates as certificate_rows
from store.layout import DATABASE, HOST_KEY
from store.lock import StateLock

log = logging.getLogger("wardgate.gate")

HOST_CERTIFICATE_LIFE = 30 * 86400
"""Of the gate's own; it is renewed at two thirds."""


class NewNetwork(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    owner: str
    owner_key: SSHKey | None = None
    user_domain: str | None = None
    addresses: tuple[str, ...] = ()
    ipv4: str = DEFAULT_IPV4
    ipv6: str = DEFAULT_IPV6
    break_glass: Path | None = None
    """Where the owner's key for emergencies is put; None makes none."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    owner: User
    generations: tuple[Generation, ...]
    break_glass: Sealed | None = None


def init(state: Path, new: NewNetwork, passphrase: Secret | None = None) -> Made:
    """Makes the state in `state`. Raises `Conflict` where one exists; what fails leaves nothing behind."""
    if (state / DATABASE).exists():
        raise Conflict(f"there is a network in {state} already", hint="name another folder with --state")
    checked = _check(new)
    existed = state.exists()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = StateLock(state)
    sealed = None
    try:
        sealed = breakglass.seal(new.break_glass) if new.break_glass else None
        return _make(state, new, checked, passphrase, sealed)
    except BaseException:
        if sealed:
            sealed.path.unlink(missing_ok=True)
        for path in (state / DATABASE, state / f"{DATABASE}-wal", state / f"{DATABASE}-shm", state / HOST_KEY):
            path.unlink(missing_ok=True)
        shutil.rmtree(state / "ca", ignore_errors=True)
        raise
    finally:
        lock.close()
        if not (state / DATABASE).exists() and not existed:
            shutil.rmtree(state, ignore_errors=True)


class _Checked(msgspec.Struct, frozen=True):
    domain: Domain
    user_domain: Domain
    owner: str
    ipv4: Prefix
    ipv6: Prefix
    addresses: object


def _check(new: NewNetwork) -> _Checked:
    network = domain(new.domain)
    people = domain(new.user_domain) if new.user_domain else network
    ipv4, ipv6 = prefix(new.ipv4), prefix(new.ipv6)
    if ipaddress.ip_network(ipv4).version != 4 or not 8 <= ipaddress.ip_network(ipv4).prefixlen <= 28:
        raise Invalid(f"{ipv4} is not a range for devices", hint="an IPv4 prefix of 8 to 28 bits, like 100.64.0.0/10")
    if ipaddress.ip_network(ipv6).version != 6 or not 16 <= ipaddress.ip_network(ipv6).prefixlen <= 96:
        raise Invalid(f"{ipv6} is not a range for devices", hint="an IPv6 prefix of 16 to 96 bits")
    addresses = table.SETTINGS["gate.addresses"].parse(list(new.addresses))
    return _Checked(network, people, user_name(new.owner, people), ipv4, ipv6, addresses)


def _make(state: Path, new: NewNetwork, checked: _Checked, passphrase: Secret | None, sealed: Sealed | None) -> Made:
    signers = Signers(state, passphrase)
    made_keys = [
        (kind, id, signers.make(id).key)
        for kind, id in (
            (CertificateKind.USER, GenerationID("user-1")),
            (CertificateKind.HOST, GenerationID("host-1")),
        )
    ]
    sshca.save(state / HOST_KEY, sshca.generate("ed25519"), None)
    store = Store.create(state / DATABASE)
    try:

        def work(tx: Transaction) -> Made:
            values = {key: setting.default for key, setting in table.SETTINGS.items()} | {
                "domain": checked.domain, "user-domain": checked.user_domain,
                "ipv4": checked.ipv4, "ipv6": checked.ipv6, "gate.addresses": checked.addresses,
            }  # fmt: skip
            for key, value in values.items():
                settings.put(tx, key, value)
            made = tuple(_generation(tx, kind, id, key) for kind, id, key in made_keys)
            owner = users.add(tx, name=new_user_name(user_name(checked.owner, checked.user_domain)), role=Role.OWNER)
            tx.record(c.UserAdded(user=owner))
            for own_key, emergency in ((new.owner_key, False), (sealed.key if sealed else None, True)):
                if own_key is not None:
                    user_keys.add(tx, owner, own_key, "break-glass" if emergency else "", break_glass=emergency)
                    tx.record(c.UserKeyAdded(user=owner.name, fingerprint=own_key.fingerprint))
            version = policies.add(tx, policy.DEFAULT_POLICY, "gate", "a new network's")
            tx.record(c.PolicySet(policy=version))
            tx.audit(
                f"local:{os.getuid()}", "init", checked.domain,
                after={"owner": owner.name, "ipv4": checked.ipv4, "ipv6": checked.ipv6}, source="local",
            )  # fmt: skip
            if sealed:
                tx.audit(
                    f"local:{os.getuid()}", breakglass.SEALED, owner.name, after={"key": sealed.key.fingerprint},
                    source="local",
                )  # fmt: skip
            return Made(owner=owner, generations=made, break_glass=sealed)

        return store.transact(work)
    finally:
        store.close()


def _generation(tx: Transaction, kind: CertificateKind, id: GenerationID, key: SSHKey) -> Generation:
    made = generations.add(tx, kind=kind, key=key, state=GenerationState.ACTIVE)
    assert made.id == id
    tx.record(c.GenerationChanged(generation=made))
    return made


def host_certificate(store: Store, signers: Signers, key: SSHKey, addresses: tuple[str, ...]) -> Certificate | None:
    """A certificate for the gate's own host key, of the names and addresses that people reach it by.

    Recorded like any other. Where the host CA cannot sign now, the newest that still serves; None where there is none,
    or where there are no addresses: the gate then shows its bare key.
    """
    hosts = hosts_of(addresses)
    if not hosts:
        return None

    def work(tx: Transaction) -> Certificate:
        known = generations.all(tx)
        generation, signer = signers.active(CertificateKind.HOST, known)
        serial = certificate_rows.next_serial(tx)
        specification = sshca.Specification(
            kind=CertificateKind.HOST, serial=serial, key=key, key_id=f"host/gate/{serial}", principals=hosts,
            valid_after=tx.now - 120, valid_before=tx.now + HOST_CERTIFICATE_LIFE,
        )  # fmt: skip
        line = sshca.sign(signer, specification, ca_keys={one.key for one in known}, revoked_keys=(), now=tx.now)
        record = Certificate(
            serial=serial, kind=CertificateKind.HOST, key_id=specification.key_id, principals=hosts,
            valid_after=specification.valid_after, valid_before=specification.valid_before,
            fingerprint=key.fingerprint, generation=generation.id, issued_at=tx.now, line=line, how="gate by itself",
            rule="the gate's own",
        )  # fmt: skip
        certificate_rows.add(tx, record)
        tx.record(c.CertificateIssued(serial=serial))
        tx.audit(
            "gate", "host-certificate", record.key_id, source="gate",
            after={"serial": serial, "principals": list(hosts), "valid_before": record.valid_before,
                   "generation": generation.id},
        )  # fmt: skip
        return record

    try:
        return store.transact(work)
    except Unavailable as fault:
        log.warning("the gate's own host certificate is not renewed: %s", fault.message)
        return store.read(lambda r: newest_that_serves(r, key))


def newest_that_serves(r: Reader, key: SSHKey) -> Certificate | None:
    """The gate's own host certificate that is believed now, of its host key."""
    trusted = {one.id for one in generations.all(r) if one.state is not GenerationState.RETIRED}
    for one in reversed(certificate_rows.with_key(r, key.fingerprint)):
        if one.state(r.now) is CertificateState.VALID and one.generation in trusted and one.device_id is None:
            return one
    return None


def hosts_of(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(table.host_of(address) for address in addresses))


def stale(shown: Certificate | None, snapshot: Snapshot, addresses: tuple[str, ...], now: int) -> bool:
    """Whether the gate needs another host certificate than `shown`: the host CA or the addresses are others now, or
    two thirds of its life are over. Agents that come back believe the CA that signs, and no other in an emergency."""
    active = sshca.active(snapshot.generations, CertificateKind.HOST)
    if active is None or not addresses:
        return False
    if shown is None or shown.generation != active.id or shown.principals != hosts_of(addresses):
        return True
    return now >= shown.valid_after + (shown.valid_before - shown.valid_after) * 2 // 3
