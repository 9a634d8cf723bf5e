"""Certificates: who gets one, and what it says."""

from __future__ import annotations

import msgspec

import sshca
from gate import present, reached
from gate.operation import Call, reads, writes
from gate.services import own
from gate.services.queries import whole
from gate.snapshot import claims_of
from model import change as c
from model.errors import Conflict, Denied, Invalid, NotFound
from model.ids import DeviceID, Serial, UserName
from model.keys import SSHKey
from model.records import (
    Certificate,
    CertificateKind,
    CertificateState,
    Consent,
    Device,
    DeviceState,
    Page,
    UserState,
)
from store import Query, Reader, Transaction, certificates, consents, devices, user_keys, users


@reads("certs list")
def list_certificates(r: Reader, call: Call, *, query: Query) -> Page:
    if call.own:
        assert call.actor.user is not None
        query = msgspec.structs.replace(query, where={**query.where, "user": call.actor.user})
    return whole(r, certificates.page, query)


@reads("certs show")
def show(r: Reader, call: Call, *, serial: Serial) -> Certificate:
    return own.certificate(call, certificates.by_serial(r, serial))


def newest_host(r: Reader, device: DeviceID) -> Certificate | None:
    """The newest host certificate of a device that is valid now."""
    query = Query(where={"device_id": device, "kind": "host", "state": "valid"}, limit=1)
    rows = certificates.page(r, query).rows
    return rows[0] if rows and isinstance(rows[0], Certificate) else None


@reads("certs krl")
def krl(r: Reader, call: Call) -> str:
    """The KRL in base64."""
    return call.snapshot.krl


@writes("cert", repeatable=True)
def for_myself(
    tx: Transaction, call: Call, *, key: SSHKey, device: str | None = None, lives: int | None = None
) -> Certificate | Consent:
    """A user certificate for the person who asks, bound to one device of theirs.

    Where the claims ask for a second operator who has not consented yet, the request that waits for one.
    """
    user, role = call.actor.user, call.actor.role
    assert user is not None
    machine = _device_of(tx, call, user, device)
    life = int(str(present.settings(tx, call.snapshot)["login.life"]))
    login_end = call.actor.login_at and call.actor.login_at + life
    grant = sshca.grant(claims(tx, call), CertificateKind.USER, role=role)
    subject = _Subject(key, machine, user, (str(user),))
    consent = _consent(tx, call, grant, subject)
    if consent is not None and consent.until is None:
        return consent
    limits = (machine.expires_at, login_end, consent.until if consent else None)
    validity = sshca.validity(grant.lives, now=tx.now, asked=lives, limits=limits)
    principals = sshca.user_principals(
        user, valid_before=validity[1], fresh_at=call.actor.fresh_at, windows=call.snapshot.compiled.check_periods
    )
    subject = msgspec.structs.replace(subject, principals=principals)
    return _issue(tx, call, grant, subject, validity, consent=consent)


def _device_of(tx: Transaction, call: Call, user: UserName, wanted: str | None) -> Device:
    mine = present.approved_of(tx, call.snapshot, user)
    if wanted is not None:
        named = [device for device in mine if wanted.strip().lower() in {device.name, device.id, *device.addresses}]
        if not named:
            raise NotFound(f"you have no approved device called {wanted!r}", hint="`devices list` shows yours")
        return named[0]
    if not mine:
        raise Conflict(
            "a certificate belongs to a device, and you have none that is approved",
            hint=f"join with this machine first: wardgate up {user}@{reached.target(call.snapshot.settings)}",
        )
    if len(mine) > 1:
        raise Invalid(
            "you have several devices; the certificate belongs to one",
            hint=f"add --device, like --device {mine[0].name}",
        )
    return mine[0]


@writes("certs sign", repeatable=True)
def sign(
    tx: Transaction, call: Call, *, key: SSHKey, device: str, host: bool, lives: int | None = None
) -> Certificate | Consent:
    """For a device: its host certificate, or with `host` false the certificate of a tagged device as automation."""
    machine = devices.find(tx, device)
    if host:
        return issue_host(tx, call, machine, key, lives)
    if not machine.tags:
        raise Invalid(
            f'device "{machine.name}" is a person\'s: they get their own', hint="they run: ssh GATE cert < KEY.pub"
        )
    _approved(machine)
    grant = sshca.grant(claims(tx, call), CertificateKind.USER, tags=machine.tags)
    subject = _Subject(key, machine, None, sshca.tag_principals(machine.tags))
    consent = _consent(tx, call, grant, subject)
    if consent is not None and consent.until is None:
        return consent
    limits = (machine.expires_at, consent.until if consent else None)
    validity = sshca.validity(grant.lives, now=tx.now, asked=lives, limits=limits)
    return _issue(tx, call, grant, subject, validity, consent=consent)


def issue_host(
    tx: Transaction, call: Call, device: Device, key: SSHKey, lives: int | None = None, *, proved: bool = False
) -> Certificate:
    """A host certificate for `device`: its names and addresses. While its owner is disabled there is none.

    `proved` says that the host showed that it holds `key`.
    """
    may_have_host(tx, device)
    _no_persons(tx, key)
    grant = sshca.grant(claims(tx, call), CertificateKind.HOST, tags=device.tags)
    validity = sshca.validity(grant.lives, now=tx.now, asked=lives, limits=(device.expires_at,))
    principals = sshca.host_principals(device.name, call.snapshot.domain, device.addresses)
    subject = _Subject(key, device, None, principals)
    return _issue(tx, call, grant, subject, validity, kind=CertificateKind.HOST, proved=proved)


def may_have_host(r: Reader, device: Device) -> None:
    """Refuses a device that gets no host certificate as things are, whatever its key."""
    _approved(device)
    owner = users.by_name(r, device.user) if device.user is not None else None
    if owner is not None and owner.state is not UserState.ACTIVE:
        raise Denied(f'the owner of device "{device.name}" is disabled', hint="ask an operator of this network")


def _consent(tx: Transaction, call: Call, grant: sshca.Grant, subject: _Subject) -> Consent | None:
    """The second operator's consent, which also bounds the certificate's life: nothing outlives what allowed it.

    The request for one where nobody consented, without `until`; None where the claims ask for none. The principals
    are those without `fresh:`, which come and go with a login.
    """
    if not grant.asks_consent(subject.principals):
        return None
    given = consents.given(
        tx, device=subject.device.name, fingerprint=subject.key.fingerprint, principals=subject.principals
    )
    if given is not None and given.given_by != call.actor.name:
        consent = _bounded(given, grant)
        if _counts(tx, grant, consent):
            return consent
    asked = consents.ask(
        tx, device=subject.device.name, user=subject.user, fingerprint=subject.key.fingerprint,
        principals=subject.principals, by=call.actor.name,
    )  # fmt: skip
    call.audit(tx, f"consent {asked.id} asked", after={"device": asked.device, "key": asked.fingerprint})
    return asked


def _bounded(consent: Consent, grant: sshca.Grant) -> Consent:
    """As the claims are now: where they were tightened since the word was given, it counts for less."""
    assert consent.given_at is not None
    assert consent.until is not None
    return msgspec.structs.replace(consent, until=min(consent.until, consent.given_at + (grant.approval or 0)))


def _counts(tx: Transaction, grant: sshca.Grant, consent: Consent) -> bool:
    """A word counts for as long as whoever gave it could give it anew, and enough of its time is left for a life."""
    if (consent.until or 0) - tx.now < min(grant.lives.minimum, grant.approval or 0):
        return False
    name = consent.given_by or ""
    if "@" not in name:
        return True
    giver = users.by_name(tx, UserName(name))
    return giver is not None and giver.state is UserState.ACTIVE and giver.role in consent_to.permission.network


@writes("certs approve")
def consent_to(tx: Transaction, call: Call, *, id: str) -> Consent:
    """Another operator's word that what was asked may be signed, for as long as the claims say."""
    asked = consents.by_id(tx, id)
    if asked.asked_by == call.actor.name or asked.user == call.actor.user is not None:
        raise Denied("the consent is a second operator's to give, not of who asked")
    if asked.given_at is not None:
        raise Conflict(f"{asked.given_by} gave consent {id} already")
    if not consents.waits(tx, asked):
        raise Conflict(f"request {id} waited for longer than a day, and is over", hint="let them ask for it anew")
    machine = devices.find(tx, asked.device)
    person = users.by_name(tx, asked.user) if asked.user else None
    grant = sshca.grant(claims(tx, call), CertificateKind.USER, role=person.role if person else None, tags=machine.tags)
    if grant.approval is None or not grant.asks_consent(asked.principals):
        raise Conflict(f"the claims ask for no consent to request {id} any more", hint="let them ask for it anew")
    given = consents.give(tx, id, call.actor.name, tx.now + grant.approval)
    call.audit(tx, f"consent {id}", after={"for": asked.user or asked.device, "until": given.until})
    return given


@reads("certs waiting")
def waiting(r: Reader, call: Call) -> tuple[Consent, ...]:
    return consents.waiting(r)


def claims(r: Reader, call: Call) -> tuple[sshca.Claim, ...]:
    """The network's table of lives and permissions."""
    known = call.snapshot
    now = present.settings(r, known)
    return known.claims if now is known.settings else claims_of(now)


def _approved(device: Device) -> None:
    if device.state is not DeviceState.APPROVED:
        raise Conflict(
            f'device "{device.name}" is {device.state.value}', hint=f"wardgate devices approve {device.name}"
        )


class _Subject(msgspec.Struct, frozen=True):
    """Who a certificate is for."""

    key: SSHKey
    device: Device
    user: UserName | None
    principals: tuple[str, ...]


def _issue(
    tx: Transaction,
    call: Call,
    grant: sshca.Grant,
    subject: _Subject,
    validity: tuple[int, int],
    *,
    consent: Consent | None = None,
    kind: CertificateKind = CertificateKind.USER,
    proved: bool = False,
) -> Certificate:
    """Validates, signs and records, in this order and in one transaction: what is not recorded was never given out."""
    generation, signer = call.signers.active(kind, present.generations(tx, call.snapshot))
    serial, fingerprint = certificates.next_serial(tx), subject.key.fingerprint
    refused = present.refused(tx, call.snapshot)
    _not_anothers(tx, subject.device, fingerprint, kind)
    device, person = subject.device, kind is CertificateKind.USER
    specification = sshca.Specification(
        kind=kind, serial=serial, key=subject.key,
        key_id=sshca.user_key_id(subject.user, device.name, serial) if person
        else sshca.host_key_id(device.name, call.snapshot.domain, serial),
        principals=subject.principals, valid_after=validity[0], valid_before=validity[1],
        source_addresses=device.addresses if person else (), force_command=grant.force_command if person else None,
        verify_required=person and grant.verify_required, extensions=grant.extensions if person else None,
    )  # fmt: skip
    line = sshca.sign(
        signer,
        specification,
        ca_keys=refused.ca_keys,
        revoked_keys=refused.keys,
        revoked_fingerprints=refused.fingerprints,
        now=tx.now,
    )
    record = Certificate(
        serial=serial, kind=kind, key_id=specification.key_id, user=subject.user, device=device.name,
        device_id=device.id, principals=subject.principals, valid_after=validity[0], valid_before=validity[1],
        source_addresses=device.addresses if person else (), fingerprint=fingerprint,
        generation=generation.id, issued_at=tx.now, line=line,
        rule=grant.rule, how=f"{call.actor.name} by {call.actor.method or 'itself'} from {call.actor.source}",
        consent=consent.id if consent else None, consented_by=consent.given_by if consent else None,
        key_proved=proved,
    )  # fmt: skip
    certificates.add_issued(tx, record)
    tx.record(c.CertificateIssued(serial=serial))
    call.audit(
        tx, record.key_id,
        after={"serial": serial, "kind": kind.value, "principals": list(subject.principals),
               "valid_before": record.valid_before, "key": record.fingerprint, "generation": generation.id},
    )  # fmt: skip
    return record


def _not_anothers(tx: Transaction, device: Device, fingerprint: str, kind: CertificateKind) -> None:
    """One host does not pass for another, nor a host's key for a person's."""
    host = certificates.host_of_key(tx, fingerprint)
    if host is not None and (kind is CertificateKind.USER or host[0] != device.id):
        whose = f'device "{host[1]}"' if host[1] else "the gate"
        raise Invalid(
            f"the key is the host key of {whose}",
            hint="a copied machine makes new ones once the old are gone: rm /etc/ssh/ssh_host_*; ssh-keygen -A",
        )


def _no_persons(tx: Transaction, key: SSHKey) -> None:
    """A public key is no secret: whoever had it certified as their host's would take it from the person it lets in."""
    named = user_keys.users_with(tx, key) or any(
        one.kind is CertificateKind.USER and one.state(tx.now) is CertificateState.VALID
        for one in certificates.with_key(tx, key.fingerprint)
    )
    if named:
        raise Invalid(
            "the key is a person's, not a host's", hint="give the host's own: /etc/ssh/ssh_host_ed25519_key.pub"
        )
