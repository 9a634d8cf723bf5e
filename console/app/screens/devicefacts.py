"""What the pane tells of a device: facts, peers, rules, certificates, changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.app.backend import DeviceFacts, PeerFacts, RuleFacts, Ways
from console.app.columns import Context
from console.app.inert import inert
from console.app.pane import Line, Pane, Span, Tab, fact, gap, listed
from console.app.row import aligned
from console.app.times import age, ago, day, moment, plural, span
from model.records import AuditEntry, Certificate, CertificateKind, CertificateState, Device, DeviceState, RouteState

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

NAMES = 18
"""Cells that names take at most, for what follows them to stand in one column."""
RENEWED = 2 / 3
"""The part of a host certificate's life after which its agent asks for the next."""


def fill(pane: Pane, facts: DeviceFacts, ways: Ways, context: Context, app: ConsoleApp) -> None:
    """`ways` may be empty: they come a moment later."""
    from console.app.screens.devices import state_of

    device = facts.device
    pane.head(state_of(device, context), device.name, _aside(facts, context))
    tab = pane.tab("Facts")
    for part in (
        _identity(facts, app),
        _state(facts, context),
        _endpoints(facts, context, app),
        _routes(device, context),
        _reach(facts, ways),
        _certificate(facts, context, app),
        _last(facts, context, app),
    ):
        if part:
            tab.lines += [*([gap()] if tab.lines else []), *part]
    _peers(pane.tab("Peers", facts.peers), facts, ways, context, app)
    _rules(pane.tab("Rules"), ways, context, app)
    _certificates(pane.tab("Certs", len(facts.certificates)), facts, context, app)
    changes(pane.tab("Changes"), facts.changes, context, app, none="nothing since it joined")


def _aside(facts: DeviceFacts, context: Context) -> str:
    device = facts.device
    if device.state is not DeviceState.APPROVED:
        return device.state.value
    if facts.behind:
        return "behind: not told yet what changed"
    if context.online(device.id):
        return f"online {span(context.now - facts.since)}" if facts.since else "online"
    return f"seen {ago(device.last_seen, context.now)}" if device.last_seen else "never seen"


# Facts


def _identity(facts: DeviceFacts, app: ConsoleApp) -> list[Line]:
    device = facts.device
    if device.tags:
        who = [
            fact("Tags" if at == 0 else "", (tag, "accent"), link=app.way("Access", tag))
            for at, tag in enumerate(device.tags)
        ]
    else:
        user = device.user or "–"
        who = [fact("Owner", (user, "accent"), link=app.way("Users", user) if device.user else None)]
    name = facts.fqdn or device.name
    return [
        *who,
        fact("IPv4", device.ipv4),
        fact("IPv6", device.ipv6),
        fact("Name", name, link=app.way("Names", name)),
    ]


def _state(facts: DeviceFacts, context: Context) -> list[Line]:
    device, now = facts.device, context.now
    role = {"pending": "warn", "expired": "bad", "disabled": "muted"}.get(device.state.value, "text")
    since: list[Span] = []
    if device.state is DeviceState.APPROVED and device.approved_at:
        since = [(f"{_by(facts.changes, 'devices approve')}{day(device.approved_at, now)}", "muted")]
    lines = [fact("State", (device.state.value, role), *since)]
    if device.expires_at is None:
        lines.append(fact("Expires", ("never", "muted")))
    else:
        left = device.expires_at - now
        when = f"in {span(left)}" if left > 0 else ago(device.expires_at, now)
        lines.append(fact("Expires", f"{day(device.expires_at, now)}, {when}"))
    agent = f"agent {inert(device.agent_version)}" if device.agent_version else "no agent"
    lines.append(fact("System", inert(device.os) or "–", (agent, "muted")))
    if facts.no_certificate and device.state is DeviceState.APPROVED:
        lines.append(fact("sshd", ("no certificate", "warn"), (inert(facts.no_certificate), "muted")))
    if device.ephemeral:
        lines.append(fact("Ephemeral", "removed when it stays away"))
    return lines


def _by(changes: Sequence[AuditEntry], action: str) -> str:
    found = next((entry for entry in changes if entry.action == action), None)
    return f"by {found.actor.partition('@')[0]}, " if found else "since "


def _endpoints(facts: DeviceFacts, context: Context, app: ConsoleApp) -> list[Line]:
    """Its own, then those at which others see it besides: behind a NAT these are the ones that work."""
    device, seen = facts.device, dict(facts.observed)
    lines = [fact("WireGuard", device.wireguard_key, middle=True)]
    spots: list[tuple[str, str]] = [(one, "in use" if one in seen else "") for one in device.endpoints]
    spots += [(one, f"seen by {number:,}") for one, number in facts.observed if one not in device.endpoints]
    for at, (endpoint, note) in enumerate(spots or [("–", "")]):
        lines.append(fact("Endpoints" if at == 0 else "", endpoint, (note, "muted")))
    newest = max(
        (peer for peer in facts.talks if peer.handshake_at is not None), key=lambda p: p.handshake_at or 0, default=None
    )
    if newest is not None and newest.handshake_at is not None:
        when = ago(newest.handshake_at, context.now)
        lines.append(fact("Handshake", when, (f"with {newest.name}", "muted"), link=app.way("Devices", newest.name)))
    return lines


def _routes(device: Device, context: Context) -> list[Line]:
    glyphs, lines = context.glyphs, []
    for at, route in enumerate(device.routes):
        glyph, role, word = {
            RouteState.ADVERTISED: (glyphs.waiting, "warn", "to approve"),
            RouteState.APPROVED: (glyphs.on, "ok", "approved"),
        }.get(route.state, (glyphs.off, "muted", route.state.said))
        prefix = f"{route.prefix} exit" if route.exit else str(route.prefix)
        spans = ((glyph, role), prefix, (word, "warn" if role == "warn" else "muted"))
        lines.append(fact("Routes" if at == 0 else "", *spans))
    return lines


def _reach(facts: DeviceFacts, ways: Ways) -> list[Line]:
    lines: list[Line] = []
    for label, outgoing, known in (("Reached by", False, facts.reached_by), ("Reaches", True, facts.reaches)):
        counts = _counts(rule for rule in ways.rules if rule.outgoing is outgoing) if ways.rules else known
        for at, (number, ports) in enumerate(counts):
            what = f"{number:>3,} {'device' if number == 1 else 'devices'}"
            lines.append(fact(label if at == 0 else "", what, (f"on {ports}", "muted")))
    if facts.logins:
        lines += [*([gap()] if lines else []), fact("SSH logins", ", ".join(facts.logins))]
    return lines


def _counts(rules: object) -> tuple[tuple[int, str], ...]:
    found: dict[str, int] = {}
    for rule in rules:  # type: ignore[attr-defined]
        if rule.devices:
            found[rule.ports] = max(found.get(rule.ports, 0), rule.devices)
    return tuple((number, _all(ports)) for ports, number in list(found.items())[:4])


def _all(ports: str) -> str:
    return "all ports" if ports == "*" else ports


def _certificate(facts: DeviceFacts, context: Context, app: ConsoleApp) -> list[Line]:
    now = context.now
    hosts = [c for c in facts.certificates
             if c.kind is CertificateKind.HOST and c.state(now) is CertificateState.VALID]  # fmt: skip
    if not hosts:
        return []
    newest: Certificate = max(hosts, key=lambda certificate: certificate.valid_before)
    renewal = newest.valid_after + round((newest.valid_before - newest.valid_after) * RENEWED)
    note = f"renews in {span(renewal - now)}" if renewal > now else "to be renewed"
    return [
        fact(
            "Certificate",
            str(newest.serial),
            (f"host, {newest.generation}", "muted"),
            link=app.way("Certificates", str(newest.serial)),
        ),
        fact("", (context.glyphs.on, "ok"), f"{span(newest.valid_before - now)} left", (note, "muted")),
    ]


def _last(facts: DeviceFacts, context: Context, app: ConsoleApp) -> list[Line]:
    if not facts.changes:
        return []
    newest = facts.changes[0]
    who = inert(newest.actor.partition("@")[0])
    way = app.way("Activity", str(newest.number))
    when = (f"by {who}, {moment(newest.at, context.now)}", "muted")
    return [fact("Last change", newest.action, link=way), fact("", when)]


# Peers and rules


def _peers(tab: Tab, facts: DeviceFacts, ways: Ways, context: Context, app: ConsoleApp) -> None:
    named = [inert(peer.name) for peer in facts.talks]
    most = max((len(peer.name) for peer in facts.talks if peer.endpoint), default=0)
    for peer, name in zip(facts.talks, aligned(named, min(NAMES, most)), strict=True):
        tab.lines += _peer(peer, name, ways, context, app)
    if facts.peers > len(facts.talks):
        tab.lines.append(listed([(f"and {facts.peers - len(facts.talks):,} more", "muted")]))
    if not facts.talks:
        words = ("no rule of the policy gives it a peer",) if facts.device.state is DeviceState.APPROVED else (
            "no peers before it is approved",)  # fmt: skip
        tab.lines.append(listed([(words[0], "muted")]))


def _peer(peer: PeerFacts, name: str, ways: Ways, context: Context, app: ConsoleApp) -> list[Line]:
    """Its name and the latest handshake; below, where it talks to, and which rules let it."""
    online = context.online(peer.id)
    glyph = (context.glyphs.on, "ok") if online else (context.glyphs.off, "muted")
    past = age(peer.handshake_at, context.now) if peer.handshake_at is not None else ""
    where = peer.endpoint or ("direct" if peer.seen else "")
    first = listed([glyph, (name, "text"), (where, "muted")], past)
    first.link = app.way("Devices", peer.name)
    lines = [first]
    for outgoing, ports, rule in ways.by_peer.get(peer.name, ()):
        sign = context.glyphs.to if outgoing else context.glyphs.back
        lines.append(listed([(" ", "text"), (sign, "muted"), (_all(ports), "muted")], rule))
    return lines


def _rules(tab: Tab, ways: Ways, context: Context, app: ConsoleApp) -> None:
    for label, outgoing in (("Reaches", True), ("Reached by", False)):
        rules = [rule for rule in ways.rules if rule.outgoing is outgoing]
        tab.lines += [*([gap()] if tab.lines else []), Line(label, bold=True)]
        if not rules:
            tab.lines.append(listed([("nothing" if outgoing else "nobody", "muted")]))
        for rule in rules:
            tab.lines += _rule(rule, app)


def _rule(rule: RuleFacts, app: ConsoleApp) -> list[Line]:
    ports = _all(rule.ports)
    what = plural(rule.devices, "device") if rule.devices else ""
    head = listed([(what, "text"), (f"on {ports}", "muted")] if what else [(f"on {ports}", "text")],
                  f"{rule.rule}, line {rule.line}")  # fmt: skip
    head.link = app.way("Access", f"line:{rule.line}")
    lines = [head]
    if rule.names:
        more = [f"{rule.devices - len(rule.names):,} more"] if rule.devices > len(rule.names) else []
        lines.append(listed([(" ", "text"), (", ".join([*rule.names, *more]), "muted")]))
    if rule.nets:
        lines.append(listed([(" ", "text"), (", ".join(rule.nets), "muted")]))
    return lines


# Lists


def _certificates(tab: Tab, facts: DeviceFacts, context: Context, app: ConsoleApp) -> None:
    from console.app.screens.certificatecolumns import ends, state_of

    for certificate in facts.certificates:
        cell, serial = ends(certificate, context), str(certificate.serial)
        spans = [state_of(certificate, context), (serial, "text"), (certificate.kind.value, "muted")]
        principals = (" ".join(certificate.principals), "muted")
        tab.lines.append(listed([*spans, principals], cell.text, link=app.way("Certificates", serial)))
    if not facts.certificates:
        tab.lines.append(listed([("no certificates", "muted")]))


def changes(
    tab: Tab, entries: Sequence[AuditEntry], context: Context, app: ConsoleApp, *, none: str = "", whose: bool = True
) -> None:
    """What was done, newest first: by whom, or, where all is by one, to what."""
    firsts = [inert(entry.actor.partition("@")[0]) if whose else entry.action for entry in entries]
    for entry, first in zip(entries, aligned(firsts, NAMES), strict=True):
        spans = [(first, "text"), (entry.action if whose else entry.subject, "muted")]
        way = app.way("Activity", str(entry.number))
        tab.lines.append(listed(spans, moment(entry.at, context.now), link=way))
    if not entries and none:
        tab.lines.append(listed([(none, "muted")]))
