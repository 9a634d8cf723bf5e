"""A host's public key is known to all who reach it: nobody's claim to it keeps the host from its certificates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import gate_builders as build
import msgspec
import pytest

from gate.services import agents, logins, users
from model.errors import Conflict
from model.records import Role

WAYS = {"for-good": (users.add_key, {"name": "me"}), "for-a-login": (logins.add_login_key, {})}


@pytest.mark.parametrize(("way", "more"), WAYS.values(), ids=WAYS)
async def test_nobody_has_a_hosts_key_let_in_as_their_own(
    tmp_path: Path, way: object, more: Mapping[str, object]
) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob", Role.MEMBER)
        host, key = await build.a_device(gate, "db-1", tags=("tag:db",)), build.an_ssh_key()
        await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key)
        by_password = msgspec.structs.replace(bob, method="password", login_at=int(time.time()))
        with pytest.raises(Conflict, match="this key is a host's"):
            await gate.perform(way, by_password, key=key, **more)  # type: ignore[arg-type]
        await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key)
