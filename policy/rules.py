"""`acls` and `grants` made rules of one kind, with the refusals that the language has for each.

A rule says: from these sources to these destinations, each destination in these ways (protocol and ports). An ACL
gives each destination ports of its own; a grant gives all of them the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from policy import nets, ports
from policy.document import Acl, Document, Grant
from policy.fault import Fault, go_quoted
from policy.hujson import Text
from policy.selectors import ADDRESSES, Definitions, Kind, Selector, classify


class Way(msgspec.Struct, frozen=True):
    """How packets may come: `proto` is None for the default protocols."""

    proto: int | None
    ports: tuple[ports.Ports, ...]


class Destination(msgspec.Struct, frozen=True):
    selector: Selector
    ways: tuple[Way, ...]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    section: str
    """`acls` or `grants`; `default` for the rule that stands in where a policy has neither."""
    index: int
    at: int
    src: tuple[Selector, ...]
    dst: tuple[Destination, ...]
    packets: bool = True
    """False for a grant of application capabilities alone: it lets nothing pass, but who it names know one another."""
    application: bool = False
    companions: bool = False
    """Whether its capabilities are answered from destination to source (Taildrive's sharer, a relay's target)."""
    via: tuple[str, ...] = ()
    postures: tuple[str, ...] = ()


_SELF_REFUSED = "autogroup:self can only be used with users, groups, or supported autogroups"
_COMPANIONS = frozenset({"tailscale.com/cap/drive", "tailscale.com/cap/relay"})
_TAILSCALE_CAPABILITIES = _COMPANIONS | {
    f"tailscale.com/cap/{name}" for name in ("webui", "kubernetes", "tsidp", "secrets")
}
_ALL_WAYS = (Way(None, (ports.ALL_PORTS,)),)


def rules(document: Document, definitions: Definitions) -> tuple[Rule, ...]:
    """The document's rules in order, ACLs first. Raises `Fault` for the first that breaks the language."""
    if document.acls is None and document.grants is None:
        everything = Selector(Kind.ANY, "*", 0)
        return (Rule(section="default", index=0, at=0, src=(everything,), dst=(Destination(everything, _ALL_WAYS),)),)
    acls = tuple(_acl(entry, definitions) for entry in document.acls or ())
    return acls + tuple(_grant(entry, definitions) for entry in document.grants or ())


def posture_names(words: tuple[Text, ...] | None, document: Document) -> tuple[str, ...]:
    """The postures that limit a rule: its own, or else the policy's default. Raises `Fault` for an undefined one."""
    used = document.default_src_posture if words is None else words
    for word in used:
        if word not in document.postures:
            raise Fault(f"posture not defined in policy: {go_quoted(word)}", word.at, "define it in postures")
    return tuple(str(word) for word in used)


# --- acls


def _acl(entry: Acl, definitions: Definitions) -> Rule:
    action = entry.action if entry.action is not None else ""
    if action != "accept":
        raise Fault(f"action={go_quoted(action)} is not supported", getattr(action, "at", entry.at), 'use "accept"')
    proto = _acl_protocol(entry)
    src = tuple(_source(word, definitions) for word in entry.src)
    dst = tuple(_acl_destination(word, proto, definitions) for word in entry.dst)
    if any(each.selector.kind is Kind.SELF for each in dst):
        _refuse_self(src, ADDRESSES | {Kind.TAG, Kind.TAGGED, Kind.DANGER_ALL})
    postures = posture_names(entry.src_posture, definitions.document)
    return Rule(section="acls", index=entry.index, at=entry.at, src=src, dst=dst, postures=postures)


def _acl_protocol(entry: Acl) -> int | None:
    return ports.protocol(entry.proto, entry.proto.at) if entry.proto else None


def _acl_destination(word: Text, proto: int | None, definitions: Definitions) -> Destination:
    alias, port_text = ports.split_destination(word)
    try:
        open_ports = ports.port_list(port_text, word.at)
    except Fault as fault:
        raise Fault(f"dst={go_quoted(word)}: {fault.message}", word.at, fault.hint) from None
    selector = classify(alias)
    if selector.kind is Kind.TAG and alias not in definitions.document.tag_owners:
        raise Fault(f"dst={go_quoted(alias)}: tag not found: {go_quoted(alias)}", word.at, "define it in tagOwners")
    _refuse_as_destination(selector)
    if proto is not None and proto not in ports.WITH_PORTS and open_ports != (ports.ALL_PORTS,):
        name = next((name for name, number in ports.NAMES.items() if number == proto), str(proto))
        raise Fault(
            f'protocol does not support specific ports: {go_quoted(name)}, only "*" is allowed', word.at,
        )  # fmt: skip
    return Destination(definitions.defined(selector), (Way(proto, open_ports),))


# --- what both have


def _source(word: Text, definitions: Definitions) -> Selector:
    selector = classify(word)
    if selector.kind is Kind.SELF:
        raise Fault(f"{go_quoted(word)} not valid on the src side of a rule", word.at)
    if selector.kind is Kind.INTERNET:
        raise Fault("autogroup:internet can only be used in ACL destinations", word.at)
    if selector.kind is Kind.NONROOT:
        raise Fault(
            f"autogroup not supported for ACL sources: {go_quoted(word)}, can be "
            "[autogroup:member autogroup:tagged autogroup:danger-all]", word.at,
        )  # fmt: skip
    if selector.kind is Kind.TAG and word not in definitions.document.tag_owners:
        raise Fault(f"src=tag not found: {go_quoted(word)}", word.at, "define it in tagOwners")
    return definitions.defined(selector)


def _refuse_as_destination(selector: Selector) -> None:
    if selector.kind is Kind.DANGER_ALL:
        raise Fault("cannot use autogroup:danger-all as a dst", selector.at, 'use "*"')
    if selector.kind is Kind.NONROOT:
        raise Fault(
            f"autogroup not supported for ACL destinations: {go_quoted(selector.text)}, can be "
            "[autogroup:internet autogroup:member autogroup:tagged autogroup:self]", selector.at,
        )  # fmt: skip


def _refuse_self(sources: Iterable[Selector], refused: frozenset[Kind]) -> None:
    for source in sources:
        if source.kind in refused:
            raise Fault(_SELF_REFUSED, source.at)


# --- grants


def _grant(entry: Grant, definitions: Definitions) -> Rule:
    if not entry.ip and not entry.app:
        raise Fault("ip and app can not both be empty", entry.at, 'give what may pass, like "ip": ["tcp:443"]')
    src = tuple(_source(word, definitions) for word in entry.src)
    dst = tuple(_grant_destination(word, definitions) for word in entry.dst)
    _check_capabilities(entry, dst)
    if any(selector.kind is Kind.SELF for selector in dst):
        _refuse_self(src, ADDRESSES | {Kind.TAG, Kind.TAGGED, Kind.DANGER_ALL, Kind.ANY})
    via = tuple(_via(word, definitions) for word in entry.via)
    ways = _ways(entry)
    return Rule(
        section="grants", index=entry.index, at=entry.at, src=src, via=via,
        dst=tuple(Destination(selector, ways) for selector in dst),
        packets=bool(entry.ip), application=bool(entry.app),
        companions=any(name in _COMPANIONS for name in entry.app),
        postures=posture_names(entry.src_posture, definitions.document),
    )  # fmt: skip


def _grant_destination(word: Text, definitions: Definitions) -> Selector:
    selector = classify(word)
    _refuse_as_destination(selector)
    if selector.kind is Kind.NET and selector.spans[0] in (nets.V4, nets.V6):
        raise Fault(
            f'dst {go_quoted(word)}: to allow all IP addresses, use "*" or "autogroup:internet"', word.at,
        )  # fmt: skip
    return definitions.defined(selector)


def _via(word: Text, definitions: Definitions) -> str:
    if not word.startswith("tag:"):
        raise Fault("via can only be a tag", word.at)
    if word not in definitions.document.tag_owners:
        raise Fault(f"tag {go_quoted(word)} not found", word.at, "define it in tagOwners")
    return str(word)


def _check_capabilities(entry: Grant, dst: Iterable[Selector]) -> None:
    for name in entry.app:
        domain, slash, path = name.partition("/")
        if "://" in name or not (slash and domain and path):
            raise Fault("capability name must have the form {domain}/{path}", name.at)
        if domain == "tailscale.com" and name not in _TAILSCALE_CAPABILITIES:
            raise Fault("capability name must not be in the tailscale.com domain", name.at)
    if entry.app and any(selector.kind is Kind.INTERNET for selector in dst):
        raise Fault("cannot use app grants with autogroup:internet", entry.at)


def _ways(entry: Grant) -> tuple[Way, ...]:
    """The grant's `ip` entries, those of one protocol together, in the order of first mention."""
    found: dict[int | None, list[ports.Ports]] = {}
    for text in entry.ip:
        proto, ranges = ports.grant_ip(text)
        found.setdefault(proto, []).extend(item for item in ranges if item not in found[proto])
    return tuple(Way(proto, tuple(ranges)) for proto, ranges in found.items())
