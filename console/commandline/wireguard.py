"""A device's NetMap as a file for `wg-quick` and the phone apps."""

from __future__ import annotations

import io

from model.errors import Limited
from model.netmap import NetMap
from model.records import DeviceState


def configuration(netmap: NetMap, private_key: str = "PRIVATE_KEY") -> str:
    """The device and the peers of this moment: such a device follows nothing, so a change wants a new file."""
    device = netmap.device
    waits = [f"# {device.state.value}: it has no peers until it is approved; fetch this again then"]
    lines = [
        "[Interface]",
        f"# {device.name}.{netmap.network.domain}",
        *(waits if device.state is not DeviceState.APPROVED else []),
        f"PrivateKey = {private_key}",
        f"Address = {device.ipv4}/32, {device.ipv6}/128",
    ]
    for peer in netmap.peers:
        lines += ["", "[Peer]", f"# {peer.name}", f"PublicKey = {peer.wireguard_key}"]
        lines.append(f"AllowedIPs = {', '.join(peer.allowed_ips)}")
        if peer.endpoints:
            lines += [f"Endpoint = {peer.endpoints[0]}", "PersistentKeepalive = 25"]
    return "\n".join(lines) + "\n"


def qr_code(text: str) -> str:
    """Half blocks, for a terminal. Raises `Limited` for more than a QR code holds (2,953 bytes: some 18 peers)."""
    import segno

    try:
        code = segno.make(text, error="l")
    except segno.DataOverflowError:
        raise Limited(
            f"{text.count('[Peer]')} peers are more than a QR code holds",
            hint="take it as a file: the same command without --qr",
        ) from None
    out = io.StringIO()
    code.terminal(out, compact=True)
    return out.getvalue()
