"""Plain builders of what the store's tests speak of."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from model.ids import DeviceName, Serial, UserName
from model.keys import SSHKey, WireGuardKey
from model.records import Certificate, CertificateKind, Device, Generation, GenerationState, User
from store import Store, Transaction, certificates, devices, generations, users

T = TypeVar("T")
_numbers = itertools.count(1)
NOON = 1_800_000_000
"""When the clocks of these tests begin."""


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return float(self.now)


def a_store(folder: Path, clock: Callable[[], float] | None = None) -> Store:
    return Store.create(folder / "wardgate.db", clock=clock or Clock())


def a_wireguard_key() -> WireGuardKey:
    return WireGuardKey(base64.b64encode(next(_numbers).to_bytes(32, "big")).decode())


def an_ssh_key(number: int | None = None) -> SSHKey:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + (number or next(_numbers)).to_bytes(32, "big")
    return SSHKey(blob)


def a_user(tx: Transaction, name: str = "alice@example.com", **fields: Any) -> User:
    return users.add(tx, name=UserName(name), **fields)


def a_device(tx: Transaction, name: str = "", **fields: Any) -> Device:
    """Tagged, unless a user is given."""
    fields = {
        "user": None,
        "tags": () if fields.get("user") else ("tag:db",),
        "wireguard_key": a_wireguard_key(),
        "ssh_key": an_ssh_key(),
        **fields,
    }
    return devices.add(tx, name=DeviceName(name or f"device-{next(_numbers)}"), **fields)


def a_generation(tx: Transaction, kind: CertificateKind = CertificateKind.USER) -> Generation:
    return generations.add(tx, kind=kind, key=an_ssh_key(), state=GenerationState.ACTIVE)


def a_certificate(tx: Transaction, generation: Generation, **fields: Any) -> Certificate:
    """Recorded under the next serial, valid for an hour."""
    serial: Serial = certificates.next_serial(tx)
    certificate = Certificate(
        **{
            "serial": serial,
            "kind": generation.kind,
            "key_id": f"alice@example.com/laptop/{serial}",
            "user": UserName("alice@example.com"),
            "principals": ("alice@example.com",),
            "valid_after": tx.now - 60,
            "valid_before": tx.now + 3600,
            "fingerprint": an_ssh_key().fingerprint,
            "generation": generation.id,
            "issued_at": tx.now,
            "line": "ssh-ed25519-cert-v01@openssh.com AAAA",
            **fields,
        }
    )
    certificates.add(tx, certificate)
    return certificate
