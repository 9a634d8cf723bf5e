"""Who may do what: one table of operation against role. Services ask it inside their transactions, faces never."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from model.records import Role

_OWNER = frozenset({Role.OWNER})
_ADMIN = _OWNER | {Role.ADMIN}
_OPERATE = _ADMIN | {Role.OPERATOR}
_READ = _OPERATE | {Role.AUDITOR}
_ALL = frozenset(Role)
_NONE: frozenset[Role] = frozenset()


class Permission(msgspec.Struct, frozen=True):
    """`network`: roles that may do it to anything. `own`: roles that may do it to what is theirs alone."""

    network: frozenset[Role]
    own: frozenset[Role] = _NONE

    def least(self) -> str:
        """How help and documents name it: the least role, and `self` where one's own things are open to all."""
        order = list(Role)
        least = max(self.network, key=order.index).value if self.network else ""
        return f"{least}, or one's own" if self.own and least else (least or "one's own")


_OWN_READ = Permission(_READ, _ALL)
_OWN_OPERATE = Permission(_OPERATE, _ALL)
_SELF = Permission(_NONE, _ALL)

PERMISSIONS: Mapping[str, Permission] = MappingProxyType(
    {
        "users list": Permission(_READ),
        "users show": Permission(_READ, _ALL),
        "users add": Permission(_ADMIN),
        "users set-role": Permission(_ADMIN),
        "users disable": Permission(_ADMIN),
        "users enable": Permission(_ADMIN),
        "users remove": Permission(_ADMIN),
        "users set-password": Permission(_ADMIN, _ALL),
        "users totp": Permission(_ADMIN, _ALL),
        "users invite": Permission(_ADMIN),
        "users unlock": Permission(_OPERATE),
        "users keys list": _OWN_READ,
        "users keys add": Permission(_ADMIN, _ALL),
        "users keys remove": Permission(_ADMIN, _ALL),
        "devices list": _OWN_READ,
        "devices show": _OWN_READ,
        "devices netmap": _OWN_READ,
        "devices add": _OWN_OPERATE,
        "devices approve": Permission(_OPERATE),
        "devices rename": _OWN_OPERATE,
        "devices tag": Permission(_OPERATE),
        "devices set": Permission(_OPERATE),
        "devices expire": _OWN_OPERATE,
        "devices disable": _OWN_OPERATE,
        "devices enable": Permission(_OPERATE),
        "devices remove": _OWN_OPERATE,
        "devices routes": Permission(_OPERATE),
        "enrollment-keys list": _OWN_READ,
        "enrollment-keys create": _OWN_OPERATE,
        "enrollment-keys revoke": _OWN_OPERATE,
        "policy show": Permission(_READ),
        "policy check": Permission(_READ),
        "policy diff": Permission(_READ),
        "policy explain": Permission(_READ),
        "policy reach": Permission(_READ),
        "policy history": Permission(_READ),
        "policy set": Permission(_ADMIN),
        "policy rollback": Permission(_ADMIN),
        "policy confirm": Permission(_ADMIN),
        "names list": Permission(_READ),
        "names lookup": Permission(_ALL),
        "names set": Permission(_OPERATE),
        "names remove": Permission(_OPERATE),
        "certs list": _OWN_READ,
        "certs show": _OWN_READ,
        "certs krl": Permission(_ALL),
        "certs sign": Permission(_ADMIN),
        "certs waiting": Permission(_READ),
        "certs approve": Permission(_OPERATE),
        "certs revoke": _OWN_OPERATE,
        "cert": _SELF,
        "ca show": Permission(_ALL),
        "ca trust": Permission(_ALL),
        "ca rotate": Permission(_ADMIN),
        "ca promote": Permission(_ADMIN),
        "ca retire": Permission(_ADMIN),
        "settings list": Permission(_READ),
        "settings show": Permission(_READ),
        "settings set": Permission(_ADMIN),
        "audit list": Permission(_READ),
        "audit show": Permission(_READ),
        "audit verify": Permission(_READ),
        "audit follow": Permission(_READ),
        "gate status": Permission(_READ),
        "gate doctor": Permission(_READ),
        "gate metrics": Permission(_READ),
        "gate backup": Permission(_OWNER),
        "gate sample-data": Permission(_OWNER),
        "me": _SELF,
        "logout": _SELF,
        "preferences": Permission(_OWNER, _ALL),
        "agent": Permission(_OWNER),
    }
)
"""Operations not in it do not exist. `agent` stands for what a device does as itself: its door acts as the gate."""
