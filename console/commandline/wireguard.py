"""A device's NetMap as a file for `wg-quick` and the phone apps."""

from __future__ import annotations

import io

from model.netmap import NetMap


def configuration(netmap: NetMap, private_key: str = "PRIVATE_KEY") -> str:
    """The device and the peers of this moment: such a device follows nothing, so a change wants a new file."""
    device = netmap.device
    lines = [
        "[Interface]",
        f"# {device.name}.{netmap.network.domain}",
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
    """Half blocks, for a terminal."""
    import segno

    out = io.StringIO()
    segno.make(text, error="l").terminal(out, compact=True)
    return out.getvalue()
