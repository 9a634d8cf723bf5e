"""Whose a host key is. Its public half is known to all who reach the host, so a claim to it is no proof."""

from __future__ import annotations

from gate.operation import Call
from gate.services import emergencies, revocations
from model import change as c
from model.keys import SSHKey
from model.records import Certificate, CertificateKind, CertificateState, Device, UserKey
from store import Transaction, certificates, user_keys


def free_for_holder(tx: Transaction, call: Call, device: Device, key: SSHKey) -> None:
    """Takes `key` from all that claim it without having shown that they hold it; `device` did show that.

    Persons' registrations of it go, and certificates that name it for a person or for another host are revoked, each
    with an entry in the audit trail. Whoever proved it keeps it, and the certificate is refused as ever.
    """
    claims = user_keys.claims(tx, key)
    for claim in claims:
        if claim.proved_at is None:
            _forget(tx, call, device, claim)
    persons = {claim.user for claim in claims if claim.proved_at is not None}
    mere = [
        one
        for one in certificates.with_key(tx, key.fingerprint)
        if one.state(tx.now) is CertificateState.VALID and _is_claim(one, device) and one.user not in persons
    ]
    if mere:
        revocations.revoke_found(tx, call, mere, f"its key is the host key of {device.name}")


def _is_claim(certificate: Certificate, device: Device) -> bool:
    """The gate's own host key is named by no device, and is nobody's to claim."""
    if certificate.kind is CertificateKind.USER:
        return True
    return certificate.device_id not in {None, device.id} and not certificate.key_proved


def _forget(tx: Transaction, call: Call, device: Device, claim: UserKey) -> None:
    user_keys.remove(tx, claim.user, claim.key.fingerprint)
    tx.record(c.UserKeyRemoved(user=claim.user, fingerprint=claim.key.fingerprint))
    call.audit(
        tx, f"key of {claim.user} removed",
        before={"key": claim.key.fingerprint}, after={"why": f"{device.name} showed that it is its host key"},
    )  # fmt: skip
    if claim.break_glass:
        emergencies.removed(tx, call, claim)
