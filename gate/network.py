"""Making a new network: its keys, its first owner, its policy."""

from __future__ import annotations

import ipaddress
import os
import shutil
from pathlib import Path

import msgspec

import policy
import sshca
from gate import settings as table
from gate.signers import Signers
from model import change as c
from model.errors import Conflict, Invalid
from model.ids import Domain, GenerationID, Prefix, domain, prefix, user_name
from model.keys import Secret, SSHKey
from model.network import DEFAULT_IPV4, DEFAULT_IPV6
from model.records import CertificateKind, Generation, GenerationState, Role, User
from store import Store, Transaction, generations, policies, settings, user_keys, users
from store import certificates as certificate_rows
from store.layout import DATABASE, HOST_KEY
from store.lock import StateLock

HOST_CERTIFICATE_LIFE = 90 * 86400
"""Of the gate's own; it is renewed at every start."""


class NewNetwork(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    owner: str
    owner_key: SSHKey | None = None
    user_domain: str | None = None
    addresses: tuple[str, ...] = ()
    ipv4: str = DEFAULT_IPV4
    ipv6: str = DEFAULT_IPV6


class Made(msgspec.Struct, frozen=True, kw_only=True):
    owner: User
    generations: tuple[Generation, ...]


def init(state: Path, new: NewNetwork, passphrase: Secret | None = None) -> Made:
    """Makes the state in `state`. Raises `Conflict` where one exists; what fails leaves nothing behind."""
    if (state / DATABASE).exists():
        raise Conflict(f"there is a network in {state} already", hint="name another folder with --state")
    checked = _check(new)
    existed = state.exists()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = StateLock(state)
    try:
        return _make(state, new, checked, passphrase)
    except BaseException:
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


def _make(state: Path, new: NewNetwork, checked: _Checked, passphrase: Secret | None) -> Made:
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
            owner = users.add(tx, name=user_name(checked.owner, checked.user_domain), role=Role.OWNER)
            tx.record(c.UserAdded(user=owner))
            if new.owner_key is not None:
                user_keys.add(tx, owner, new.owner_key, "")
                tx.record(c.UserKeyAdded(user=owner.name, fingerprint=new.owner_key.fingerprint))
            version = policies.add(tx, policy.DEFAULT_POLICY, "gate", "a new network's")
            tx.record(c.PolicySet(policy=version))
            tx.audit(
                f"local:{os.getuid()}", "init", checked.domain,
                after={"owner": owner.name, "ipv4": checked.ipv4, "ipv6": checked.ipv6}, source="local",
            )  # fmt: skip
            return Made(owner=owner, generations=made)

        return store.transact(work)
    finally:
        store.close()


def _generation(tx: Transaction, kind: CertificateKind, id: GenerationID, key: SSHKey) -> Generation:
    made = generations.add(tx, kind=kind, key=key, state=GenerationState.ACTIVE)
    assert made.id == id
    tx.record(c.GenerationChanged(generation=made))
    return made


def host_certificate(store: Store, signers: Signers, key: SSHKey, addresses: tuple[str, ...]) -> str | None:
    """A certificate for the gate's own host key, of the names and addresses that people reach it by.

    Recorded like any other. None where there are no addresses or the host CA cannot sign now: the gate then shows
    its bare key.
    """
    hosts = tuple(dict.fromkeys(table.host_of(address) for address in addresses))
    if not hosts:
        return None

    def work(tx: Transaction) -> str:
        _, signer = signers.active(CertificateKind.HOST, generations.all(tx))
        serial = certificate_rows.next_serial(tx)
        specification = sshca.Specification(
            kind=CertificateKind.HOST, serial=serial, key=key, key_id=f"host/gate/{serial}", principals=hosts,
            valid_after=tx.now - 120, valid_before=tx.now + HOST_CERTIFICATE_LIFE,
        )  # fmt: skip
        return sshca.sign(
            signer, specification, ca_keys={one.key for one in generations.all(tx)}, revoked_keys=(), now=tx.now
        )

    return store.transact(work)
