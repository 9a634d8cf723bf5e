"""What the pane tells of a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.app.backend import DeviceFacts
from console.app.columns import Context
from console.app.inert import inert
from console.app.pane import Pane, Tab, fact, gap, listed
from console.app.times import age, day, moment, span
from model.records import Device, DeviceState, RouteState

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


def fill(pane: Pane, facts: DeviceFacts, context: Context, app: ConsoleApp) -> None:
    from console.app.screens.devices import state_of

    device = facts.device
    pane.head(state_of(device, context), device.name, _aside(device, context))
    lines = pane.tab("Facts").lines
    _identity(lines_of := pane.tabs[0], facts, app)
    lines.append(gap())
    _state(lines_of, facts, context)
    lines.append(gap())
    lines.append(fact("WireGuard", device.wireguard_key, middle=True))
    for at, endpoint in enumerate(device.endpoints or ("–",)):
        lines.append(fact("Endpoints" if at == 0 else "", endpoint))
    if device.routes:
        lines.append(gap())
        _routes(lines_of, device, context)
    _reach(lines_of, facts)
    _certificate(lines_of, facts, context)
    _certificates(pane, facts, context)
    _changes(pane, facts, context)


def _aside(device: Device, context: Context) -> str:
    if device.state is not DeviceState.APPROVED:
        return device.state.value
    if context.online(device.id):
        return "online"
    return f"seen {age(device.last_seen, context.now)} ago" if device.last_seen else "never seen"


def _identity(tab: Tab, facts: DeviceFacts, app: ConsoleApp) -> None:
    device = facts.device
    if device.tags:
        tab.lines.append(fact("Tags", " ".join(device.tags)))
    else:
        user = device.user or "–"
        tab.lines.append(fact("Owner", (user, "accent"), link=lambda: app.go("Users", user)))
    tab.lines += [fact("IPv4", device.ipv4), fact("IPv6", device.ipv6), fact("Name", facts.fqdn or device.name)]


def _state(tab: Tab, facts: DeviceFacts, context: Context) -> None:
    device, now = facts.device, context.now
    state = device.state.value
    role = {"pending": "warn", "expired": "bad", "disabled": "muted"}.get(state, "text")
    since = (f"since {day(device.approved_at, now)}", "muted") if device.approved_at else ("", "muted")
    tab.lines.append(fact("State", (state, role), since if device.state is DeviceState.APPROVED else ("", "muted")))
    if device.expires_at is None:
        tab.lines.append(fact("Expires", ("never", "muted")))
    else:
        left = device.expires_at - now
        when = f"in {span(left)}" if left > 0 else f"{age(device.expires_at, now)} ago"
        tab.lines.append(fact("Expires", f"{day(device.expires_at, now)}, {when}"))
    system = inert(device.os) or "–"
    agent = f"agent {inert(device.agent_version)}" if device.agent_version else "no agent"
    tab.lines.append(fact("System", system, (agent, "muted")))
    if device.ephemeral:
        tab.lines.append(fact("Ephemeral", "removed when it stays away"))


def _routes(tab: Tab, device: Device, context: Context) -> None:
    for at, route in enumerate(device.routes):
        waiting = route.state is RouteState.ADVERTISED
        glyph = context.glyphs.waiting if waiting else context.glyphs.on
        word = "to approve" if waiting else route.state.value
        prefix = f"{route.prefix} exit" if route.exit else route.prefix
        tab.lines.append(
            fact(
                "Routes" if at == 0 else "",
                (glyph, "warn" if waiting else "ok"),
                prefix,
                (word, "warn" if waiting else "muted"),
            )
        )


def _reach(tab: Tab, facts: DeviceFacts) -> None:
    for label, counts in (("Reached by", facts.reached_by), ("Reaches", facts.reaches)):
        if counts:
            tab.lines.append(gap())
        for at, (number, ports) in enumerate(counts):
            word = "device" if number == 1 else "devices"
            tab.lines.append(fact(label if at == 0 else "", f"{number:>3,} {word}", (f"on {ports}", "muted")))
    if facts.peers:
        tab.lines += [gap(), fact("Peers", f"{facts.peers:,}")]
    if facts.logins:
        tab.lines.append(fact("SSH logins", ", ".join(facts.logins)))


def _certificate(tab: Tab, facts: DeviceFacts, context: Context) -> None:
    hosts = [c for c in facts.certificates if c.kind.value == "host" and c.state(context.now).value == "valid"]
    if hosts:
        newest = max(hosts, key=lambda certificate: certificate.valid_before)
        tab.lines += [
            gap(),
            fact("Certificate", str(newest.serial), (f"host, {newest.generation}", "muted")),
            fact("", (context.glyphs.on, "ok"), f"{span(newest.valid_before - context.now)} left"),
        ]


def _certificates(pane: Pane, facts: DeviceFacts, context: Context) -> None:
    from console.app.screens.certificates import ends, state_of

    tab = pane.tab("Certificates", len(facts.certificates))
    for certificate in facts.certificates:
        cell = ends(certificate, context)
        spans = [state_of(certificate, context), (str(certificate.serial), "text"), (certificate.kind.value, "muted")]
        tab.lines.append(listed([*spans, (" ".join(certificate.principals), "muted")], cell.text))
    if not facts.certificates:
        tab.lines.append(listed([("no certificates", "muted")]))


def _changes(pane: Pane, facts: DeviceFacts, context: Context) -> None:
    tab = pane.tab("Changes")
    for entry in facts.changes:
        spans = [(entry.actor.partition("@")[0], "text"), (entry.action, "muted")]
        tab.lines.append(listed(spans, moment(entry.at, context.now)))
    if not facts.changes:
        tab.lines.append(listed([("nothing since it joined", "muted")]))
