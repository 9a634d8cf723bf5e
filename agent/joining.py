"""How this machine comes to be a device: what `up` was asked, what an earlier `up` left, and who lets it in."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable

import msgspec

from agent.door import Gate
from agent.join import enroll, fetch_enrollment_key
from agent.options import UpOptions
from agent.reports import agent_version, machine_report
from agent.state import AgentState, Membership, public_key
from model.enrollment import parse_enrollment_key
from model.errors import Invalid
from model.ids import DeviceName, device_name
from model.keys import Secret, ssh_key
from model.records import DeviceState
from model.wire import Enroll

FIRST_PORT = 51820


async def join(options: UpOptions, state: AgentState, report: Callable[[str], None]) -> bool:
    """Makes this machine a member where it is none, or its key is another network's. Whether it had to be enrolled."""
    known = state.membership()
    if known is None or known.device is None or _key_of_another_network(options, state, known):
        await join_anew(options, state, report)
        return True
    if options.host is not None and (known.host, known.port) != (options.host, options.port):
        known = msgspec.structs.replace(known, host=options.host, port=options.port)
    if options.listen_port is not None:
        known = msgspec.structs.replace(known, listen_port=options.listen_port)
    state.put_membership(known)
    return False


async def join_anew(options: UpOptions, state: AgentState, report: Callable[[str], None]) -> None:
    """Enrolls with the key given, or one that a person's login gives. `Invalid` where there is neither."""
    known = state.membership()
    host, port = options.host, options.port
    if host is None and known is not None:
        host, port = known.host, known.port
    if host is None:
        raise Invalid(
            "this machine is in no network yet",
            hint="join one: wardgate up GATE --key-file FILE, or wardgate up NAME@GATE",
        )
    secret = await _secret(options, host, port)
    fingerprint = parse_enrollment_key(secret).host_ca_fingerprint
    listen_port = options.listen_port or (known.listen_port if known else 0) or _free_port()
    membership = Membership(host=host, port=port, host_ca_fingerprint=fingerprint, listen_port=listen_port)
    key = state.wireguard_key()
    request = Enroll(
        enrollment_key=str(secret),
        name=_wanted_name(options),
        wireguard_key=public_key(key),
        os=machine_report().os,
        agent_version=agent_version(),
        routes=options.advertise_routes,
    )
    gate = Gate(host=host, port=port, host_cas=frozenset({fingerprint}))
    device = await enroll(gate, request, key, state.device_key())
    state.forget_netmap()
    state.put_membership(msgspec.structs.replace(membership, device=device.id))
    waiting = "" if device.state is DeviceState.APPROVED else f", {device.state}: an operator has to approve it"
    report(f"enrolled as {device.name} ({device.ipv4}, {device.ipv6}){waiting}")


def _key_of_another_network(options: UpOptions, state: AgentState, known: Membership) -> bool:
    if options.enrollment_key is None:
        return False
    netmap = state.netmap()
    cas = {ssh_key(line).fingerprint for line in netmap.trust.host_ca} if netmap else set()
    return parse_enrollment_key(options.enrollment_key).host_ca_fingerprint not in {*cas, known.host_ca_fingerprint}


async def _secret(options: UpOptions, host: str, port: int) -> Secret:
    if options.enrollment_key is not None:
        return options.enrollment_key
    if options.user is None:
        raise Invalid(
            "this machine is in no network yet, and nothing says who lets it in",
            hint=f"`wardgate up {host} --key-file FILE` with an enrollment key, or `wardgate up NAME@{host}`",
        )
    return await asyncio.to_thread(fetch_enrollment_key, host, port, options.user, options.ssh_program)


def _wanted_name(options: UpOptions) -> DeviceName:
    """The name asked for, or one made of the machine's own."""
    if options.hostname is not None:
        return device_name(options.hostname)
    label = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")[:63]
    return device_name(label.strip("-") or "device")


def _free_port() -> int:
    """WireGuard's own port where it is free, else one that is."""
    for port in (FIRST_PORT, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return int(probe.getsockname()[1])
    raise Invalid("no UDP port is free", hint="give one with --listen-port")
