"""A certificate for people: what `ssh-keygen -L` prints, and what the gate knows beside."""

from __future__ import annotations

import time

from console.commandline.render import facts
from console.commandline.shapes import timestamp
from gate.services.inspection import described
from model.records import Certificate


def description(certificate: Certificate) -> str:
    state = certificate.state(int(time.time()))
    revoked = f" at {timestamp(certificate.revoked_at)}" if certificate.revoked_at else ""
    consent = f"{certificate.consent} of {certificate.consented_by}" if certificate.consent else ""
    known = [
        ("state", state.value + revoked),
        ("person", certificate.user or "–"),
        ("device", certificate.device or "–"),
        ("generation", certificate.generation),
        ("issued", timestamp(certificate.issued_at)),
        ("asked by", certificate.how or "–"),
        ("by rule", certificate.rule or "–"),
        *([("consent", consent)] if consent else ()),
    ]
    return described(certificate.line) + facts(known)
