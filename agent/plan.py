"""From what is to what should be, as a list of operations. Pure; `agent/linux.py` carries them out in order."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from agent.tunnel import LiveTunnel, Tunnel, TunnelPeer
from model.ids import Prefix
from model.keys import WireGuardKey


class Operation(msgspec.Struct, frozen=True):
    """One step. Each may be done again without harm."""


class LoadRuleset(Operation, frozen=True):
    """Replaces the packet filter in one transaction."""

    text: str


class Forward(Operation, frozen=True):
    """Lets this host pass packets on, of that IP version."""

    version: int


class CreateInterface(Operation, frozen=True): ...


class SetInterface(Operation, frozen=True):
    """Gives it the device's key and port."""

    listen_port: int


class BringUp(Operation, frozen=True):
    mtu: int


class AddAddress(Operation, frozen=True):
    address: Prefix


class RemoveAddress(Operation, frozen=True):
    address: Prefix


class RemovePeers(Operation, frozen=True):
    keys: tuple[WireGuardKey, ...]


class SetPeers(Operation, frozen=True):
    """Those alone: the traffic of others does not notice."""

    peers: tuple[TunnelPeer, ...]


class AddRoutes(Operation, frozen=True):
    prefixes: tuple[Prefix, ...]


class RemoveRoutes(Operation, frozen=True):
    prefixes: tuple[Prefix, ...]


class SetExit(Operation, frozen=True):
    """All that has no way of its own goes through the tunnel for these IP versions, and nowhere for the others."""

    versions: frozenset[int]


class ClearExit(Operation, frozen=True): ...


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    tunnel: Tunnel
    ruleset: str
    forward: frozenset[int] = frozenset()
    """IP versions that must be forwarded for others."""
    exit: frozenset[int] | None = None
    """IP versions for which an exit node was found; None where none was asked for."""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    tunnel: LiveTunnel | None = None
    """None where there is no interface."""
    ruleset: str | None = None
    """What is loaded; None where it is not known to be as it was loaded."""
    forwarded: frozenset[int] = frozenset()
    exit: frozenset[int] | None = None


def plan(desired: Desired, live: Live) -> tuple[Operation, ...]:
    """What leads from `live` to `desired`; empty where nothing does. The filter stands before anything may pass."""
    return tuple(_steps(desired, live))


def _steps(desired: Desired, live: Live) -> Iterator[Operation]:
    want = desired.tunnel
    if live.ruleset != desired.ruleset:
        yield LoadRuleset(desired.ruleset)
    have = live.tunnel
    if have is None:
        yield CreateInterface()
    if have is None or (have.listen_port, have.key) != (want.listen_port, want.key):
        yield SetInterface(want.listen_port)
    yield from _peer_steps(want, have)
    addresses = have.addresses if have else frozenset[Prefix]()
    yield from (AddAddress(address) for address in sorted(want.addresses - addresses))
    if have is None or not have.up or have.mtu != want.mtu:
        yield BringUp(want.mtu)
    yield from (RemoveAddress(address) for address in sorted(addresses - want.addresses))
    # A device that is down has no routes, and one brought up again has lost them.
    routes = have.routes if have and have.up else frozenset[Prefix]()
    if gone := routes - want.routes:
        yield RemoveRoutes(tuple(sorted(gone)))
    if new := want.routes - routes:
        yield AddRoutes(tuple(sorted(new)))
    if desired.exit is None and live.exit is not None:
        yield ClearExit()
    elif desired.exit is not None and desired.exit != live.exit:
        yield SetExit(desired.exit)
    yield from (Forward(version) for version in sorted(desired.forward - live.forwarded))


def _peer_steps(want: Tunnel, have: LiveTunnel | None) -> Iterator[Operation]:
    """Gone ones first: an address belongs to one peer at a time, and the last one told keeps it."""
    before = have.peers if have else {}
    if gone := tuple(sorted(key for key in before if key not in want.peers)):
        yield RemovePeers(gone)
    changed = [peer for peer in want.peers.values() if not _same(peer, before.get(peer.key))]
    if changed:
        yield SetPeers(tuple(sorted(changed, key=lambda peer: peer.key)))


def _same(peer: TunnelPeer, live: TunnelPeer | None) -> bool:
    return (
        live is not None
        and peer.allowed_ips == live.allowed_ips
        and peer.keepalive == live.keepalive
        and peer.endpoint in {None, live.endpoint}
    )
