"""What `wardgate up` is asked for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from model.ids import Prefix
from model.keys import Secret

DEFAULT_STATE = Path("/var/lib/wardgate-agent")
DEFAULT_INTERFACE = "wg-ward0"
DEFAULT_PORT = 2222


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One device's way into one network. What is None or empty is taken from an earlier `up` of the same state."""

    host: str | None = None
    """The gate's name or address, as its host certificate has it."""
    port: int = DEFAULT_PORT
    user: str | None = None
    """Whose login fetches an enrollment key, where none is given."""
    enrollment_key: Secret | None = None
    state: Path = DEFAULT_STATE
    interface: str = DEFAULT_INTERFACE
    hostname: str | None = None
    """The name to ask for at enrollment; this machine's own where it is None."""
    accept_routes: bool = True
    """Whether traffic for prefixes behind other devices goes through them."""
    exit_node: str | None = None
    """The peer through which everything else goes; while it cannot, nothing else goes anywhere."""
    advertise_routes: tuple[Prefix, ...] = ()
    masquerade: bool = True
    """Whether hosts behind an advertised route see this machine's address; otherwise they must know the way back."""
    listen_port: int | None = None
    """UDP; chosen once and kept where it is None."""
    rotate_key: bool = False
    """Whether to change the WireGuard key once connected."""
    hosts_file: Path | None = Path("/etc/hosts")
    """Where the network's names are written; None writes none."""
    sshd: bool = True
    """Whether this host's sshd is told which certificates let whom in."""
    sshd_folder: Path = Path("/etc/ssh")
    ssh_program: tuple[str, ...] = ("ssh",)
    """The system's `ssh`, with any options, for a person's login."""
