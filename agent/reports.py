"""What a device tells the gate of itself and of what it sees. Pure but for `machine_report`."""

from __future__ import annotations

import platform
from importlib import metadata

import msgspec

from agent.tunnel import LiveTunnel, Surroundings, candidates, endpoint_of
from model.ids import DeviceID, Endpoint, Prefix
from model.netmap import NetMap
from model.sshd import TRUST_ATTRIBUTE, trust_marks
from model.wire import Endpoints, Observed, Report, Routes

OBSERVED_AGE = 150
"""Seconds since a handshake, after which where it came from is no news any more."""
OBSERVED_AGAIN = 100
"""Seconds after which an unchanged observation is told again: the gate lets it lapse after 180."""
MOST_ENDPOINTS = 16
MOST_HANDSHAKES = 256
"""Peers of which the latest handshake is told, the newest first: it is for people to look at."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate was told last on this connection."""

    endpoints: Endpoints | None = None
    routes: Routes | None = None
    report: Report | None = None
    observed: Observed | None = None
    observed_at: float = 0.0


def endpoints(around: Surroundings, port: int, network: tuple[Prefix, ...]) -> Endpoints:
    """Where this device may be reached directly; never by an address inside the VPN."""
    listed = (endpoint_of(address, port) for address in around.addresses)
    return Endpoints(endpoints=candidates(listed, network, Surroundings())[:MOST_ENDPOINTS])


def observed(netmap: NetMap, live: LiveTunnel | None, now: float) -> Observed:
    """The endpoints at which peers of `netmap` proved to be, by a handshake of late."""
    peers = live.peers if live else {}
    seen: dict[DeviceID, Endpoint] = {}
    ages: dict[DeviceID, int] = {}
    for peer in netmap.peers:
        found = peers.get(peer.wireguard_key)
        if found and found.endpoint and "%" not in found.endpoint and now - found.handshake_at < OBSERVED_AGE:
            seen[peer.id] = found.endpoint
            ages[peer.id] = max(0, int(now - found.handshake_at))
    newest = sorted(ages, key=lambda id: ages[id])[:MOST_HANDSHAKES]
    return Observed(peers=seen, handshakes={id: ages[id] for id in newest})


def news(told: Told, now: Told) -> tuple[tuple[Endpoints | Routes | Report | Observed, ...], Told]:
    """The lines that bring the gate from `told` to `now`, and what it has been told after them.

    Handshakes go along with what is observed; that they grow older is no news.
    """
    lines: list[Endpoints | Routes | Report | Observed] = [
        line
        for line, before in (
            (now.report, told.report),
            (now.routes, told.routes),
            (now.endpoints, told.endpoints),
        )
        if line is not None and line != before
    ]
    stale = now.observed_at - told.observed_at > OBSERVED_AGAIN and bool(now.observed and now.observed.peers)
    said = told.observed.peers if told.observed else {}
    if now.observed is not None and (now.observed.peers != said or stale):
        lines.append(now.observed)
        return tuple(lines), now
    return tuple(lines), msgspec.structs.replace(now, observed=told.observed, observed_at=told.observed_at)


def machine_report(trusted: str | None = None) -> Report:
    """This machine, as far as a policy may ask; `trusted` is the CA keys that its sshd goes by."""
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        system = platform.system()
    attributes = {"node:os": platform.system().lower(), "node:osVersion": platform.release()}
    if trusted is not None:
        attributes[TRUST_ATTRIBUTE] = trust_marks(trusted)
    return Report(os=system[:80], agent_version=agent_version(), attributes=attributes)


def agent_version() -> str:
    try:
        return metadata.version("wardgate")
    except metadata.PackageNotFoundError:
        return "0"
