"""Protocols and ports, as rules write them: `22,80-90`, `tcp:443`, `proto: "udp"`."""

from __future__ import annotations

from policy.fault import Fault, go_quoted
from policy.hujson import Text, text_at
from policy.nets import SIX, address

Ports = tuple[int, int]
"""First and last."""

ALL_PORTS: Ports = (0, 65535)
TCP, UDP, SCTP, ICMP, ICMP6 = 6, 17, 132, 1, 58
DEFAULT_PROTOCOLS = (TCP, UDP, ICMP, ICMP6)
"""What a rule without a protocol lets pass."""
WITH_PORTS = frozenset({TCP, UDP, SCTP})
NAMES = {
    "icmp": 1, "igmp": 2, "ipv4": 4, "ip-in-ip": 4, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "gre": 47, "esp": 50,
    "ah": 51, "ipv6-icmp": 58, "sctp": 132, "fc": 133,
}  # fmt: skip
_RESERVED = 99


def protocol(text: str, at: int) -> int:
    """The number of a protocol given by name (in any case) or number."""
    name = text.lower()
    if name in NAMES:
        return NAMES[name]
    if not (name.isascii() and name.isdigit()):
        raise _unknown(text, at)
    if name[0] == "0":
        raise Fault(f"leading 0 not permitted in protocol number {go_quoted(text)}", at)
    if len(name) > 3 or int(name) > 255:
        raise _unknown(text, at)
    if int(name) == _RESERVED:
        raise Fault(f"IP protocol {_RESERVED} is reserved for use by Tailscale", at)
    return int(name)


def _unknown(text: str, at: int) -> Fault:
    return Fault(
        f"proto name {go_quoted(text)} not known; use protocol number 0-255", at,
        "or one of " + ", ".join(sorted(NAMES)),
    )  # fmt: skip


def _number(digits: str) -> int | None:
    """A port's number as Go's ParseUint takes it for 16 bits."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 and int(digits) < 65536 else None


def port_range(text: str, at: int) -> Ports:
    """`*`, `N` or `A-B`."""
    if text == "*":
        return ALL_PORTS
    said = f"port range {go_quoted(text)}: "
    first_text, dash, last_text = text.partition("-")
    if "-" in last_text:
        raise Fault(said + "too many dashes(-)", at)
    first = _number(first_text)
    if first is None:
        raise Fault(said + "invalid first integer", at)
    last = _number(last_text) if dash else first
    if last is None:
        raise Fault(said + "invalid last integer", at)
    if first == 0:
        raise Fault(said + "first port must be >0, or use '*' for wildcard", at)
    if last < first:
        raise Fault(said + "first port must be >= last port", at)
    return first, last


def show(ports: Ports) -> str:
    low, high = ports
    return "*" if ports == ALL_PORTS else str(low) if low == high else f"{low}-{high}"


def port_list(text: str, at: int) -> tuple[Ports, ...]:
    """A comma list of ranges."""
    return tuple(port_range(item, at) for item in text.split(","))


def split_destination(word: Text) -> tuple[Text, str]:
    """An ACL's `ALIAS:PORTS` at its last colon, the brackets of IPv6 taken off. Raises `Fault`."""
    alias, colon, ports = word.rpartition(":")
    if not colon:
        raise Fault(f'dst={go_quoted(word)}: hostport must contain a colon (":")', word.at, "write it like tag:db:5432")
    if not ports:
        raise Fault(f"dst={go_quoted(word)}: invalid port list: {go_quoted(ports)}", word.at)
    if alias.startswith("["):
        inside, close, length = alias[1:].partition("]")
        number = address(inside)
        if not close or number is None or number < SIX or (length and not length.startswith("/")):
            raise Fault(f"square brackets are only valid around IPv6 addresses: {go_quoted(alias)}", word.at)
        alias = inside + length
    return text_at(alias, word.at), ports


def grant_ip(text: Text) -> tuple[int | None, tuple[Ports, ...]]:
    """One `ip` entry of a grant: `*`, PORTS, PROTO:PORTS or `*:PORTS`. None stands for the default protocols."""
    if not text:
        raise Fault("empty string", text.at)
    parts = text.split(":")
    if len(parts) > 2:
        raise Fault(
            "expected only one colon in Internet protocol and port type, got: "
            f"[{' '.join(parts)}]({len(parts)})", text.at,
        )  # fmt: skip
    if len(parts) == 1:
        return None, port_list(text, text.at)
    name, ports = parts
    if not name:
        raise Fault("empty protocol", text.at)
    return None if name == "*" else protocol(name, text.at), port_list(ports, text.at)
