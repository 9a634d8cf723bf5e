"""Whether those whose certificates wait for a second operator have one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sshca
from gate.roles import PERMISSIONS
from model.records import CertificateKind, User, UserState


def without_a_second(claims: Sequence[sshca.Claim], users: Iterable[User]) -> str | None:
    """What to know where the claims ask for a consent to somebody that nobody else has the role to give."""
    may = PERMISSIONS["certs approve"].network
    givers = [user for user in users if user.state is UserState.ACTIVE and user.role in may]
    if len(givers) != 1:
        return None
    (only,) = givers
    if sshca.grant(claims, CertificateKind.USER, role=only.role).approval is None:
        return None
    return (
        f"certificates of {only.name} ask for a second operator's consent, and there is no second operator: "
        "it can be given on the gate's own host alone, until another person has the role operator or above"
    )
