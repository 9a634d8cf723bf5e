"""Whether a device's sshd has a certificate to show, and why it has none."""

from __future__ import annotations

import msgspec

from gate.operation import Call, reads
from gate.services import certificates, own
from gate.signers import how_to_mend
from model.errors import WardgateError
from model.records import Certificate, CertificateKind, Device, DeviceState
from model.sshd import TRUST_ATTRIBUTE
from store import Reader
from store import certificates as rows

NAMED = 5
"""Hosts that are named in one finding."""


class HostView(msgspec.Struct, frozen=True, kw_only=True):
    certificate: Certificate | None = None
    """The newest that is valid now."""
    problem: str | None = None
    """Why there is none, or no newer one though it was asked for; None where all is well, or nothing is known of an
    sshd."""
    hint: str | None = None


@reads("devices show")
def host(r: Reader, call: Call, *, name: str) -> HostView:
    device = own.device(r, call, name)
    newest = certificates.newest_host(r, device.id)
    why = call.presence.host_refusal(device.id) if newest else _why_none(r, call, device)
    if why is None:
        return HostView(certificate=newest)
    return HostView(certificate=newest, problem=why.message, hint=why.hint)


def without(r: Reader, call: Call) -> tuple[str | None, str | None]:
    """Hosts that are in the network and have no certificate, with the reason of each, and what to do about the first.

    Those that an operator keeps out have none either, and are not named.
    """
    certified, once = rows.certified_hosts(r), rows.once_certified(r)
    found = [
        (device, why)
        for device in call.snapshot.devices.values()
        if device.state is DeviceState.APPROVED
        and device.id not in certified
        and (device.id in once or _is_host(call, device))
        if (why := _why_none(r, call, device)) is not None
    ]
    if not found:
        return None, None
    told = [f"{device.name}: {why.message}" for device, why in found[:NAMED]]
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return "; ".join(told) + more, found[0][1].hint


def _by_hand(device: Device) -> WardgateError:
    """No agent asks for this host: an operator has to."""
    return WardgateError(
        "its last certificate is over or was revoked, and no agent asks for it",
        hint=f"wardgate certs sign --host {device.name} < ssh_host_ed25519_key.pub; then its script:"
        f" wardgate ca trust sshd --script {device.name}",
    )


def _is_host(call: Call, device: Device) -> bool:
    """Its agent told of an sshd, or asked for a certificate."""
    return TRUST_ATTRIBUTE in device.attributes or call.presence.host_refusal(device.id) is not None


def _why_none(r: Reader, call: Call, device: Device) -> WardgateError | None:
    """What stands between `device` and a host certificate; None where nothing is known of an sshd there."""
    try:
        certificates.may_have_host(r, device)
    except WardgateError as refusal:
        return refusal
    if not _is_host(call, device):
        return _by_hand(device) if rows.once_certified(r, device.id) else None
    try:
        generation, _ = call.signers.active(CertificateKind.HOST, call.snapshot.generations)
    except WardgateError as fault:
        return fault
    if (held := call.signers.faults.get(generation.id)) is not None:
        return WardgateError(f"the host CA cannot sign: {held}", hint=how_to_mend(generation.backend))
    if not call.presence.online(device.id):
        return WardgateError("its agent is away", hint="look at it there: wardgate status")
    return call.presence.host_refusal(device.id) or WardgateError(
        "its agent has not asked for one yet", hint="look at it there: wardgate status"
    )
