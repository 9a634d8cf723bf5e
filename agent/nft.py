"""A NetMap's filter as an nftables ruleset. Pure; the text is loaded in one transaction by `nft -f -`.

What comes in by the tunnel, to this machine or through it, is dropped unless the filter lets it in. Replies to
what this side began pass by connection tracking, and so do the ICMP errors of such connections (path MTU). A packet
in the direction in which a connection was begun is held against the rules every time: one that the policy no longer
allows stops at once, established or not.

No set here holds ranges. A set of ranges that comes with a transaction is empty to the packets of its first moment
(seen on Linux 6.18: two in a hundred replacements lost one), a set of single values is not: so narrow ranges are
listed value by value, and wide ones are compared with in rules of their own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator

import msgspec

from model.ids import Address, Prefix
from model.netmap import FilterRule

DEFAULT_PROTOCOLS = (6, 17, 1, 58)
PORTED = frozenset({6, 17, 33, 132, 136})
"""Protocols whose header begins with a source and a destination port: TCP, UDP, DCCP, SCTP, UDP-Lite."""
ICMP = frozenset({1, 58})
"""A rule lets ICMP in whatever its ports: whoever may reach one port may ping."""
ALL_PORTS = (0, 65535)

Span = tuple[int, int]
"""First and last, both inclusive."""
NARROW = 64
"""A range of up to so many values is listed."""
_BITS = {4: 32, 6: 128}
_WORD = {4: "ip", 6: "ip6"}
_SHOWN: dict[int, Callable[[int], object]] = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}


class Shield(msgspec.Struct, frozen=True, kw_only=True):
    """What the ruleset needs to know beside the rules."""

    table: str
    interface: str
    addresses: tuple[Address, ...]
    """This device's own: taken from the tunnel and from nowhere else."""
    network: tuple[Prefix, ...]
    """Where all devices are: no packet from there comes by another way."""
    routes: tuple[Prefix, ...] = ()
    """What this device routes for others."""
    masquerade: bool = True
    forward_only_tunnel: frozenset[int] = frozenset()
    """IP versions that this host forwarded not at all before: still nothing but what goes to or from the tunnel."""
    keep_mark: int | None = None
    """Given to the answers of packets that have it, so that the reverse path check takes both for one connection."""


def ruleset(rules: Iterable[FilterRule], shield: Shield) -> str:
    """The whole table, replacing the one before without a moment between them."""
    sources = _Sets()
    allowed = [line for rule in rules for line in _allow(rule, sources)]
    name = f"inet {shield.table}"
    lines = [f"table {name}", f"delete table {name}", f"table {name} {{", *sources.lines()]
    lines += _chain("inbound", ["ct state related accept", "ct direction reply ct state established accept", *allowed])
    lines += _chain("input", ["type filter hook input priority filter; policy accept;", *_input(shield)])
    lines += _chain("forward", ["type filter hook forward priority filter; policy accept;", *_forward(shield)])
    if shield.masquerade and shield.routes:
        lines += _chain("postrouting", ["type nat hook postrouting priority srcnat; policy accept;", *_leave(shield)])
    if shield.keep_mark is not None:
        mark = shield.keep_mark
        first, last = f"ct mark {mark} meta mark set {mark}", f"meta mark {mark} ct mark set {mark}"
        lines += _chain("answers", ["type filter hook prerouting priority mangle; policy accept;", first])
        lines += _chain("marked", ["type filter hook postrouting priority mangle; policy accept;", last])
    return "\n".join([*lines, "}", ""])


def _chain(name: str, body: Iterable[str]) -> list[str]:
    end = ["\t\tdrop"] if name == "inbound" else []
    return [f"\tchain {name} {{", *(f"\t\t{line}" for line in body), *end, "\t}"]


def _input(shield: Shield) -> Iterator[str]:
    """Linux answers for an address on every interface, so a neighbour could reach the VPN's around the tunnel."""
    yield f'iifname "{shield.interface}" goto inbound'
    for address in shield.addresses:
        yield f'iifname != "lo" {_word(address)} daddr {address} drop'
    for network in shield.network:
        yield f'iifname != "lo" {_word(network)} saddr {network} drop'


def _forward(shield: Shield) -> Iterator[str]:
    yield f'iifname "{shield.interface}" goto inbound'
    for network in shield.network:
        yield f"{_word(network)} saddr {network} drop"
    for version in sorted(shield.forward_only_tunnel):
        yield f'oifname != "{shield.interface}" meta nfproto ipv{version} drop'


def _leave(shield: Shield) -> Iterator[str]:
    for network in shield.network:
        yield f'oifname != "{shield.interface}" {_word(network)} saddr {network} masquerade'


def _allow(rule: FilterRule, sources: _Sets) -> Iterator[str]:
    protocols = frozenset(rule.proto or DEFAULT_PROTOCOLS)
    for version in (4, 6):
        src = merged(piece for text in rule.src for piece in spans(text, version))
        if not src:
            continue
        by_ports: dict[tuple[int, int], list[Span]] = {}
        for target in rule.dst:
            by_ports.setdefault(target.ports, []).extend(spans(target.net, version))
        by_target: dict[tuple[Span, ...], list[Span]] = {}
        for ports, pieces in by_ports.items():
            if target_spans := merged(pieces):
                by_target.setdefault(target_spans, []).append(ports)
        for target_spans, ports_of_it in by_target.items():
            begins = [
                " ".join(part for part in (f"meta nfproto ipv{version}", source, target) if part)
                for source in _sources(version, src, sources)
                for target in _targets(version, target_spans)
            ]
            yield from (
                f"{start} {end} accept" for start in begins for end in _protocols(protocols, merged(ports_of_it))
            )


def _sources(version: int, pieces: tuple[Span, ...], sets: _Sets) -> list[str]:
    if _everything(pieces, version):
        return [""]
    return _matches(f"{_WORD[version]} saddr", pieces, _SHOWN[version], lambda some: f"@{sets.of(version, some)}")


def _targets(version: int, pieces: tuple[Span, ...]) -> list[str]:
    if _everything(pieces, version):
        return [""]
    show = _SHOWN[version]
    return _matches(f"{_WORD[version]} daddr", pieces, show, lambda some: f"{{ {_listed(some, show)} }}")


def _protocols(protocols: frozenset[int], ports: tuple[Span, ...]) -> Iterator[str]:
    """Ports mean something to some protocols; ICMP has none, others pass only where all ports do."""
    everything = ALL_PORTS in ports
    portless = protocols if everything else protocols & ICMP
    if portless:
        yield f"meta l4proto {{ {_listed(sorted(portless))} }}"
    ported = (protocols & PORTED) - portless
    if ported:
        for match in _matches("th dport", ports, str, lambda some: f"{{ {_listed(some)} }}"):
            yield f"meta l4proto {{ {_listed(sorted(ported))} }} {match}"


def _matches(
    word: str, pieces: Iterable[Span], show: Callable[[int], object], listed: Callable[[tuple[int, ...]], str]
) -> list[str]:
    """One match for the narrow of `pieces` together, and one for each wide one: `word` is in them if any holds."""
    narrow: list[int] = []
    wide: list[str] = []
    for low, high in pieces:
        if high - low < NARROW:
            narrow += range(low, high + 1)
        else:
            wide.append(f"{word} {show(low)}-{show(high)}")
    return [*([f"{word} {listed(tuple(narrow))}"] if narrow else []), *wide]


def _listed(values: Iterable[int], show: Callable[[int], object] = str) -> str:
    return ", ".join(str(show(value)) for value in values)


class _Sets:
    """Sets of source addresses, one for each that differs, since many rules have the same sources."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, tuple[int, ...]], str] = {}

    def of(self, version: int, addresses: tuple[int, ...]) -> str:
        return self._names.setdefault((version, addresses), f"src{len(self._names)}")

    def lines(self) -> Iterator[str]:
        for (version, addresses), name in self._names.items():
            elements = _listed(addresses, _SHOWN[version])
            yield f"\tset {name} {{ type ipv{version}_addr; elements = {{ {elements} }}; }}"


def spans(text: str, version: int) -> list[Span]:
    """An address, a prefix, a range `first-last` or `*` as numbers of that IP version; empty where of the other.

    ValueError for anything else: a ruleset is made of what was read and written anew, never of text from outside.
    """
    if text == "*":
        return [(0, 2 ** _BITS[version] - 1)]
    low, dash, high = text.partition("-")
    if dash:
        first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
        if first.version != last.version or int(first) > int(last):
            raise ValueError(f"{text!r} is not a range of addresses")
    else:
        network = ipaddress.ip_network(text, strict=False)
        first, last = network[0], network[-1]
    return [(int(first), int(last))] if first.version == version else []


def merged(pieces: Iterable[Span]) -> tuple[Span, ...]:
    """In order, without overlaps and without neighbours that could be one."""
    out: list[Span] = []
    for low, high in sorted(set(pieces)):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)


def _everything(pieces: tuple[Span, ...], version: int) -> bool:
    return pieces == ((0, 2 ** _BITS[version] - 1),)


def _word(net: str) -> str:
    return "ip6" if ":" in net else "ip"
