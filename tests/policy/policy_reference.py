"""A slow reading of the policy language: every clause as it is said, one device and one address at a time.

It shares nothing with the compiler but the records of the network. What a policy means is worked out from its JSON:
first each device's filter, rule by rule; then, from those filters alone, who is whose peer and who carries which route.
Addresses are `(family, number)`, sets of them are lists of `(family, first, last)`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, NamedTuple

from model.network import Network
from model.records import Device, RouteState, UserState

Piece = tuple[int, int, int]
DEFAULT_PROTOCOLS = (6, 17, 1, 58)
EXITS = ("0.0.0.0/0", "::/0")
EVERYTHING = [(4, 0, 2**32 - 1), (6, 0, 2**128 - 1)]
COMPANIONS = ("tailscale.com/cap/drive", "tailscale.com/cap/relay")


def piece(text: str) -> Piece:
    if "-" in text:
        first, last = (ipaddress.ip_address(each) for each in text.split("-"))
        return first.version, int(first), int(last)
    net = ipaddress.ip_network(text, strict=False)
    return net.version, int(net[0]), int(net[-1])


INTERNET = [piece(text) for text in (
    "0.0.0.0-9.255.255.255", "11.0.0.0-100.63.255.255", "100.128.0.0-169.253.255.255", "169.255.0.0-172.15.255.255",
    "172.32.0.0-192.167.255.255", "192.169.0.0-255.255.255.255", "2000::/3",
)]  # fmt: skip
ANYONE = [piece(text) for text in (
    "100.64.0.0-100.115.91.255", "100.115.94.0-100.127.255.255", "fd7a:115c:a1e0::/48",
)]  # fmt: skip


def meet(one: Piece, other: Piece) -> bool:
    return one[0] == other[0] and one[1] <= other[2] and other[1] <= one[2]


def any_meet(ones: Iterable[Piece], others: Iterable[Piece]) -> bool:
    others = list(others)
    return any(meet(one, other) for one in ones for other in others)


def inside(one: Piece, other: Piece) -> bool:
    return one[0] == other[0] and other[1] <= one[1] and one[2] <= other[2]


def without(pieces: list[Piece], hole: Piece) -> list[Piece]:
    out = []
    for each in pieces:
        if not meet(each, hole):
            out.append(each)
            continue
        if each[1] < hole[1]:
            out.append((each[0], each[1], hole[1] - 1))
        if each[2] > hole[2]:
            out.append((each[0], hole[2] + 1, each[2]))
    return out


class Told(NamedTuple):
    """One rule of a device's reduced filter."""

    src: list[Piece]
    dst: list[tuple[Piece, tuple[int, int]]]
    protos: tuple[int, ...]
    packets: bool
    own: bool = False
    """Of `autogroup:self`: from one's own devices to one's own, whoever may route a part of the network's own range."""


class Reference:
    def __init__(self, policy: dict[str, Any], network: Network) -> None:
        self.policy = policy
        self.network = network
        gone = {user.name for user in network.users if user.state is UserState.DISABLED}
        self.devices = [device for device in network.devices if device.tags or device.user not in gone]
        self.rules = [*map(self.of_acl, policy["acls"]), *map(self.of_grant, policy["grants"])]

    # --- devices and routes

    def own(self, device: Device) -> list[Piece]:
        return [piece(device.ipv4), piece(device.ipv6)]

    def subnets(self, device: Device) -> list[str]:
        return [route.prefix for route in device.routes
                if route.state is RouteState.APPROVED and route.prefix not in EXITS]  # fmt: skip

    def is_exit(self, device: Device) -> bool:
        return any(route.prefix in EXITS and route.state is RouteState.APPROVED for route in device.routes)

    def routed(self, device: Device) -> list[Piece]:
        return [piece(prefix) for prefix in self.subnets(device)]

    def primary(self, prefix: str, among: list[Device] | None = None) -> Device | None:
        serving = [device for device in (self.devices if among is None else among) if prefix in self.subnets(device)]
        ready = [device for device in serving if device.id not in self.network.standby]
        return min(ready or serving, key=lambda device: device.rank, default=None)

    # --- selectors

    def people(self, word: str) -> set[str]:
        if word.startswith("group:"):
            claimed = {user.name for user in self.network.users if word in user.groups}
            return {*self.policy["groups"][word], *claimed}
        if word.startswith("user:*@"):
            return {name for device in self.devices if (name := device.user or "").endswith(word[len("user:*") :])}
        if word == "autogroup:admin":
            return {user.name for user in self.network.users if user.role.value == "admin"}
        return {word}

    def members(self, word: str) -> list[Device] | None:
        """The devices of a word that names devices by who they are."""
        if word.startswith("tag:"):
            return [device for device in self.devices if word in device.tags]
        if word == "autogroup:member":
            return [device for device in self.devices if not device.tags]
        if word == "autogroup:tagged":
            return [device for device in self.devices if device.tags]
        if "@" in word or word.startswith("group:") or word == "autogroup:admin":
            named = self.people(word)
            return [device for device in self.devices if not device.tags and device.user in named]
        return None

    def ipset(self, name: str) -> list[Piece]:
        found: list[Piece] = []
        for entry in self.policy["ipsets"][name]:
            verb, _, target = entry.rpartition(" ")
            if verb == "remove":
                found = without(found, piece(target))
            else:
                # What is there already is not there twice, so that nothing is delivered in overlapping pieces.
                found = [*without(found, piece(target)), piece(target)]
        return found

    def addresses(self, word: str) -> list[Piece]:
        if word in self.policy["hosts"]:
            return [piece(self.policy["hosts"][word])]
        return self.ipset(word) if word.startswith("ipset:") else [piece(word)]

    def sources(self, words: list[str], postures: list[str]) -> list[Piece]:
        found: list[Piece] = []
        for word in words:
            held = self.members(word)
            if word == "autogroup:danger-all":
                found += EVERYTHING
            elif word == "*":
                found += [*ANYONE, *(span for device in self.devices for span in self.routed(device))]
            elif held is not None:
                found += [span for device in held for span in self.own(device)]
            else:
                found += self.addresses(word)
        if not postures:
            return found
        fit = [device for device in self.devices if device.attributes.get("custom:fit") == "yes"]
        return [span for device in fit for span in self.own(device) if any_meet([span], found)]

    def destination(self, word: str) -> list[Piece]:
        held = self.members(word)
        if held is not None:
            return [span for device in held for span in self.own(device)]
        if word == "autogroup:internet":
            return INTERNET
        return EVERYTHING if word == "*" else self.addresses(word)

    # --- rules

    def of_acl(self, entry: dict[str, Any]) -> dict[str, Any]:
        proto = {"tcp": (6,), "udp": (17,), "": DEFAULT_PROTOCOLS}[entry.get("proto", "")]
        dst = [(*word.rsplit(":", 1), proto) for word in entry["dst"]]
        return {
            "src": self.sources(entry["src"], entry.get("srcPosture", [])), "via": [], "app": [], "packets": True,
            "dst": [(word, ports_of(text), protos) for word, text, protos in dst],
        }  # fmt: skip

    def of_grant(self, entry: dict[str, Any]) -> dict[str, Any]:
        ways = []
        for text in entry.get("ip", []):
            name, _, ports = text.rpartition(":")
            ways.append((ports_of(ports), {"tcp": (6,), "": DEFAULT_PROTOCOLS}[name]))
        return {
            "src": self.sources(entry["src"], []), "via": entry["via"], "app": list(entry.get("app", {})),
            "packets": bool(ways), "words": entry["dst"],
            "dst": [(word, ports, protos) for word in entry["dst"] for ports, protos in ways],
        }  # fmt: skip

    def filter(self, device: Device) -> list[Told]:
        """The reduced filter, capabilities and what answers them included."""
        out: list[Told] = []
        for rule in self.rules:
            if rule["via"]:
                out += self.by_via(rule, device)
                continue
            for word, ports, protos in rule["dst"]:
                if word == "autogroup:self":
                    out += self.own_part(rule, device, ports, protos)
                    continue
                kept = [(span, each) for span in self.reduced(word, device) for each in ports]
                if kept and rule["src"]:
                    out.append(Told(rule["src"], kept, protos, packets=True))
            if rule["app"]:
                out += self.capabilities(rule, device)
        return out

    def reduced(self, word: str, device: Device) -> list[Piece]:
        if word == "*":
            return EVERYTHING
        return [
            span for span in self.destination(word)
            if any_meet([span], self.own(device)) or any_meet([span], self.routed(device))
            or (self.is_exit(device) and any(inside(span, each) for each in INTERNET))
        ]  # fmt: skip

    def own_part(
        self, rule: dict[str, Any], device: Device, ports: list[tuple[int, int]], protos: tuple[int, ...]
    ) -> list[Told]:
        if device.tags:
            return []
        mine = [each for each in self.devices if not each.tags and each.user == device.user]
        sending = [each for each in mine if any_meet(self.own(each), rule["src"])]
        src = [span for each in sending for span in self.own(each)]
        there = [span for each in mine for span in self.own(each)]
        kept = [(span, each) for span in there for each in ports
                if span in self.own(device) or any_meet([span], self.routed(device))]  # fmt: skip
        return [Told(src, kept, protos, packets=True, own=True)] if src else []

    def capabilities(self, rule: dict[str, Any], device: Device) -> list[Told]:
        there = [span for word in rule["words"] for span in self.destination(word)]
        # A capability for everybody is narrowed to each device's own addresses; no router carries it further.
        places = [span for word in rule["words"] if word != "*" for span in self.destination(word)]
        narrowed = [span for span in self.own(device) if any_meet([span], there)]
        whole = [span for span in places if any_meet([span], self.routed(device))]
        out = []
        if rule["src"] and (narrowed or whole):
            out.append(Told(rule["src"], [(span, (0, 0)) for span in [*narrowed, *whole]], (), packets=False))
        answered = any(name in COMPANIONS for name in rule["app"])
        if answered and there and any_meet(rule["src"], [*self.own(device), *self.routed(device)]):
            out.append(Told(there, [(span, (0, 0)) for span in rule["src"]], (), packets=False))
        return out

    def by_via(self, rule: dict[str, Any], device: Device) -> list[Told]:
        if not rule["src"] or not set(rule["via"]) & set(device.tags):
            return []
        out = []
        for word, ports, protos in rule["dst"]:
            kept = [(span, each) for span in self.by_via_spans(word, device) for each in ports]
            if kept:
                out.append(Told(rule["src"], kept, protos, packets=True))
        return out

    def by_via_spans(self, word: str, device: Device) -> list[Piece]:
        if word == "autogroup:internet":
            return INTERNET if self.is_exit(device) else []
        if word == "*" or self.members(word) is not None:
            return []
        return [span for span in self.destination(word) if any_meet([span], self.routed(device))]

    def shown_by_via(self, device: Device) -> list[tuple[list[Piece], list[Piece]]]:
        """Sources and destinations of grants of capabilities alone that lead through `device`."""
        return [
            (rule["src"], [span for word in rule["words"] for span in self.by_via_spans(word, device)])
            for rule in self.rules
            if rule["via"] and not rule["packets"] and rule["src"] and set(rule["via"]) & set(device.tags)
            and any(self.by_via_spans(word, device) for word in rule["words"])
        ]  # fmt: skip

    # --- peers

    def sends_to(self, viewer: Device, device: Device) -> bool:
        said = [*self.own(viewer), *self.routed(viewer)]
        return any(any_meet(rule.src, self.own(viewer) if rule.own else said) for rule in self.filter(device)) or any(
            any_meet(src, said) for src, _ in self.shown_by_via(device)
        )

    def peers(self, viewer: Device) -> dict[str, set[str]]:
        out = {}
        off = {device.id for entry in self.policy["nodeAttrs"] for word in entry["target"]
               for device in self.members(word) or []}  # fmt: skip
        for peer in self.devices:
            if peer.id == viewer.id or not (self.sends_to(viewer, peer) or self.sends_to(peer, viewer)):
                continue
            hidden = bool({viewer.id, peer.id} & off)
            out[peer.id] = {f"{peer.ipv6}/128", *([] if hidden else [f"{peer.ipv4}/32"])}
            out[peer.id] |= {prefix for prefix in self.subnets(peer) if self.carries(viewer, peer, prefix)}
            if self.is_exit(peer) and self.leads_out(viewer, peer):
                out[peer.id] |= {route.prefix for route in peer.routes if route.prefix in EXITS}
        return out

    def carries(self, viewer: Device, peer: Device, prefix: str) -> bool:
        if prefix in self.subnets(viewer):
            return self.primary(prefix) is peer
        leading = [router for router in self.devices
                   if prefix in self.subnets(router) and self.leads(viewer, router, piece(prefix))]  # fmt: skip
        if leading:
            return self.primary(prefix, leading) is peer
        back = any(any_meet(rule.src, [piece(prefix)]) for rule in self.filter(viewer) if not rule.own)
        return back and self.primary(prefix) is peer

    def leads(self, viewer: Device, router: Device, route: Piece) -> bool:
        said = [*self.own(viewer), *self.routed(viewer)]
        return any(
            any_meet(rule.src, said) and any(meet(span, route) for span, _ in rule.dst)
            for rule in self.filter(router)
            if not rule.own
        ) or any(any_meet(src, said) and any_meet(dst, [route]) for src, dst in self.shown_by_via(router))

    def leads_out(self, viewer: Device, peer: Device) -> bool:
        said = [*self.own(viewer), *self.routed(viewer)]
        return any(
            rule.packets and any_meet(rule.src, said)
            and ({span for span, _ in rule.dst} & set(EVERYTHING) or set(INTERNET) <= {span for span, _ in rule.dst})
            for rule in self.filter(peer)
        )  # fmt: skip

    # --- logins

    def ssh(self, device: Device) -> list[tuple[str, int | None, frozenset[str], dict[str, str]]]:
        out: list[tuple[str, int | None, frozenset[str], dict[str, str]]] = []
        order = [user.name for user in self.network.users]
        for rule in self.policy["ssh"]:
            sources = [each for each in self.devices if self.is_source(rule, each)]
            period = {"1h": 3600, "always": 0}[rule["checkPeriod"]] if rule["action"] == "check" else None
            local = "localpart:*@example.com" in rule["users"]
            common = {"*": "="} if "autogroup:nonroot" in rule["users"] else {}
            common |= {"root": "root" if "root" in rule["users"] else ""}
            common |= {"deploy": "deploy"} if "deploy" in rule["users"] else {}

            def tell(held: list[Device], name: str | None, told: dict[str, Any]) -> None:
                if not held:
                    return
                src = frozenset(text for each in held for text in (each.ipv4, each.ipv6))
                out.append((told["action"], told["period"], src, told["common"]))
                if name is not None and told["local"] and name.endswith("@example.com"):
                    part = name.rpartition("@")[0]
                    out.append((told["action"], told["period"], src, {part: part}))

            said = {"action": rule["action"], "period": period, "common": common, "local": local}
            others = [word for word in rule["dst"] if word != "autogroup:self"]
            if "autogroup:self" in rule["dst"] and not device.tags:
                tell([each for each in sources if each.user == device.user], device.user, said)
            if any(each.id == device.id for word in others for each in self.members(word) or []):
                if not local:
                    tell(sources, None, said)
                    continue
                for name in order:
                    tell([each for each in sources if each.user == name], name, said)
                tell([each for each in sources if each.tags], None, said)
            elif others and local and device in sources:
                mine = [device] if device.tags else [each for each in sources if each.user == device.user]
                tell(mine, device.user, said)
        return sorted(out, key=lambda rule: rule[0] != "check")

    def is_source(self, rule: dict[str, Any], device: Device) -> bool:
        fit = not rule["srcPosture"] or device.attributes.get("custom:fit") == "yes"
        return fit and any(each.id == device.id for word in rule["src"] for each in self.members(word) or [])


def ports_of(text: str) -> list[tuple[int, int]]:
    if text == "*":
        return [(0, 65535)]
    ends = [item.split("-") for item in text.split(",")]
    return [(int(each[0]), int(each[-1])) for each in ends]
