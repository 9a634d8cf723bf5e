"""What stands where in a state folder."""

from __future__ import annotations

from pathlib import Path

DATABASE = "wardgate.db"
CA = "ca"
HOST_KEY = "host_key"
LOGIN_KEY = "login_key"
"""Seals what the database keeps of second factors and providers; made when it is first needed."""
SOCKET = "gate.sock"


def database(folder: Path) -> Path:
    return folder / DATABASE


def ca(folder: Path) -> Path:
    """The folder of the CA keys."""
    return folder / CA


def host_key(folder: Path) -> Path:
    """The private key that the gate's SSH server shows."""
    return folder / HOST_KEY


def socket(folder: Path) -> Path:
    """Where local commands reach the gate while it runs."""
    return folder / SOCKET
