"""When a host asks for its certificate: once, and at once where what it has will not do."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import asyncssh
import msgspec
import pytest
from agent_values import a_netmap

from agent.certification import HostCertification
from agent.keeper import Keeper
from agent.sshd import Sshd
from agent.state import AgentState
from model.keys import ssh_key
from model.netmap import NetMap, Trust
from model.wire import HostCertificate, HostCertificateRequest

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

NAMES = ("laptop", "laptop.net.example.com", "100.64.0.1", "fd7a:115c:a1e0::1")


class Host:
    """A host with an sshd of its own configuration, and the lines that it sends to a gate."""

    def __init__(self, folder: Path) -> None:
        (folder / "sshd_config").write_text("")
        self._key = folder / "ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)], check=True)
        sshd = Sshd(folder, lambda _: None)
        keeper = SimpleNamespace(sshd=sshd, put_host_certificate=sshd.put_host_certificate)
        state = AgentState(folder / "state")
        state.prepare()
        self.sent: list[msgspec.Struct] = []
        self.certification = HostCertification(
            cast(Keeper, keeper), state, ssh_key(a_ca().export_public_key().decode()), self._send
        )

    async def _send(self, line: msgspec.Struct) -> bool:
        self.sent.append(line)
        return True

    async def asks(self, netmap: NetMap) -> bool:
        before = len(self.sent)
        await self.certification.renew(netmap, connected=True)
        asked = self.sent[before:]
        assert all(isinstance(line, HostCertificateRequest) for line in asked)
        return bool(asked)

    def certificate(self, ca: asyncssh.SSHKey, *, ends: int = 3600) -> HostCertificate:
        key, now = asyncssh.read_public_key(f"{self._key}.pub"), int(time.time())
        made = ca.generate_host_certificate(
            key, "laptop", principals=NAMES, valid_after=now - 60, valid_before=now + ends
        )
        return HostCertificate(certificate=made.export_certificate().decode().strip())


def a_ca() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def trusting(*cas: asyncssh.SSHKey) -> NetMap:
    lines = tuple(ca.export_public_key().decode().strip() for ca in cas)
    return msgspec.structs.replace(a_netmap(), trust=Trust(host_ca=lines))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def test_what_was_asked_for_is_waited_for(host: Host) -> None:
    netmap = trusting(a_ca())
    assert await host.asks(netmap)
    assert not await host.asks(netmap)


async def test_a_fresh_certificate_is_not_asked_for_again(host: Host) -> None:
    ca = a_ca()
    assert await host.asks(trusting(ca))
    await host.certification.take(host.certificate(ca), trusting(ca))
    assert not await host.asks(trusting(ca))


async def test_one_that_is_due_as_it_comes_is_not_asked_for_in_a_loop(host: Host) -> None:
    ca = a_ca()
    assert await host.asks(trusting(ca))
    await host.certification.take(host.certificate(ca, ends=20), trusting(ca))
    assert not await host.asks(trusting(ca))


async def test_one_of_a_ca_that_was_replaced_just_after_is_asked_for_at_once(host: Host) -> None:
    stolen, new = a_ca(), a_ca()
    assert await host.asks(trusting(stolen))
    await host.certification.take(host.certificate(stolen), trusting(stolen))
    assert await host.asks(trusting(new))


async def test_a_ca_that_is_replaced_while_a_host_waits_is_asked_anew(host: Host) -> None:
    assert await host.asks(trusting(a_ca()))
    assert await host.asks(trusting(a_ca()))
