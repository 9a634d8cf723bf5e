"""What a person was signed under a role that is theirs no more, and that the new one would not give."""

from __future__ import annotations

import msgspec

import sshca
from model import change as c
from model.records import Certificate, CertificateKind, Revocation, User
from store import Transaction, certificates, settings


def revoke(tx: Transaction, user: User, *, by: str, source: str) -> tuple[Revocation, ...]:
    """Revokes the living certificates of `user` that promise more than their role gives as it is now.

    For whoever changes a role, in the same transaction. The claims are read from the store.
    """
    table = msgspec.convert(settings.get(tx, settings.CLAIMS), tuple[sshca.Claim, ...])
    grant = sshca.grant(table, CertificateKind.USER, role=user.role)
    reason = f"more than the role {user.role} gives"
    made = tuple(
        certificates.revoke(tx, serial=one.serial, generation=one.generation, by=by, reason=reason)
        for one in certificates.valid_of_user(tx, user.name, tx.now)
        if not _given(grant, one)
    )
    if made:
        tx.record(c.CertificatesRevoked(revocations=made))
        for revoked in made:
            tx.audit(by, "certs revoke", str(revoked.serial), after={"reason": reason}, source=source)
    return made


def _given(grant: sshca.Grant, certificate: Certificate) -> bool:
    missing = grant.asks_consent(certificate.principals) and certificate.consent is None
    return not missing and grant.covers(sshca.parse(certificate.line), certificate.issued_at)
