"""A network as the policy sees it: who is in it, at one moment."""

from __future__ import annotations

import ipaddress

import msgspec

from model.ids import DeviceID, Domain, Prefix
from model.records import Device, User

DEFAULT_IPV4 = Prefix("100.64.0.0/10")
DEFAULT_IPV6 = Prefix("fd7a:115c:a1e0::/48")
RESERVED = tuple(ipaddress.ip_network(text) for text in ("100.115.92.0/23", "100.100.0.0/24", "100.100.100.0/24"))
"""Never dealt: the first is another system's virtual machines, the others are the field's service addresses."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Users in order of id, devices in order of registration. Only approved devices are in it."""

    users: tuple[User, ...] = ()
    devices: tuple[Device, ...] = ()
    domain: Domain
    """Of the names that devices have."""
    ipv4: Prefix = DEFAULT_IPV4
    ipv6: Prefix = DEFAULT_IPV6
    standby: frozenset[DeviceID] = frozenset()
    """Routers that serve a prefix only where no other can: they are offline, or came back after another took over."""
