"""A policy checked: its rules in the compiler's own terms, before any network gives them devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from policy import nets
from policy.definitions import check_approvers, check_definitions, node_attr_targets
from policy.document import Document
from policy.fault import Fault
from policy.postures import Postures, postures
from policy.rules import Rule, rules
from policy.selectors import FOREIGN_ROLES, Definitions, Kind, Selector
from policy.ssh import SSHPolicy, ssh_policies

MAX_RULES = 10_000
"""Of `acls` and `grants` together, and of `ssh`."""
MAX_CELLS = 1_000_000
"""Of destination prefixes times port ranges, and of source prefixes, over all rules."""

Key = tuple[Kind, str]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    document: Document
    definitions: Definitions
    rules: tuple[Rule, ...]
    ssh: tuple[SSHPolicy, ...]
    postures: Postures
    without_ipv4: tuple[Selector, ...]
    warnings: tuple[str, ...]
    rules_by_key: Mapping[Key, frozenset[int]]
    """The rules that a selector occurs in."""
    ssh_by_key: Mapping[Key, frozenset[int]]
    particular: tuple[int, ...]
    """The rules that depend on more than their selectors: those with `via`, a posture or `autogroup:self`."""
    peopled: frozenset[Key]
    """The selectors that name people neither one by one nor by group."""


def program(document: Document, internet: tuple[nets.Span, ...], domain: str | None) -> Program:
    """`document` held to the language. Raises `Fault` for the first thing that breaks it."""
    _check_count(document)
    check_definitions(document)
    definitions = Definitions(document, internet, domain)
    definitions.check_ipsets()
    known = postures(document)
    access = rules(document, definitions)
    ssh = ssh_policies(document, definitions)
    check_approvers(document)
    without_ipv4 = node_attr_targets(document, definitions)
    if document.disable_ipv4:
        without_ipv4 = (*without_ipv4, Selector(Kind.ANY, "*", 0))
    _check_size(access)
    rules_by_key = _by_key(
        (index, [*rule.src, *(each.selector for each in rule.dst)]) for index, rule in enumerate(access)
    )
    ssh_by_key = _by_key((index, [*policy.src, *policy.dst]) for index, policy in enumerate(ssh))
    used = {*rules_by_key, *ssh_by_key, *(selector.key for selector in without_ipv4)}
    return Program(
        document=document, definitions=definitions, rules=access, ssh=ssh, postures=known, without_ipv4=without_ipv4,
        warnings=_warnings(document, access, ssh),
        rules_by_key=rules_by_key, ssh_by_key=ssh_by_key,
        particular=tuple(
            index for index, rule in enumerate(access)
            if rule.via or rule.postures or any(each.selector.kind is Kind.SELF for each in rule.dst)
        ),
        peopled=frozenset(key for key in used if key[0] in (Kind.DOMAIN, Kind.ROLE)),
    )  # fmt: skip


def _by_key(uses: Iterable[tuple[int, list[Selector]]]) -> dict[Key, frozenset[int]]:
    found: dict[Key, set[int]] = {}
    for index, selectors in uses:
        for selector in selectors:
            found.setdefault(selector.key, set()).add(index)
    return {key: frozenset(indexes) for key, indexes in found.items()}


def _check_count(document: Document) -> None:
    for section, entries in (("acls and grants", (*(document.acls or ()), *(document.grants or ()))),
                             ("ssh", document.ssh)):  # fmt: skip
        if len(entries) > MAX_RULES:
            raise Fault(f"the policy has more than {MAX_RULES} entries in {section}", entries[MAX_RULES].at,
                        "name several sources and destinations in one entry")  # fmt: skip


def _check_size(access: tuple[Rule, ...]) -> None:
    left = MAX_CELLS
    for rule in access:
        left -= sum(len(selector.spans) for selector in rule.src)
        for destination in rule.dst:
            width = max(1, len(destination.selector.spans))
            left -= width * sum(len(way.ports) for way in destination.ways)
        if left < 0:
            raise Fault(f"the rules spell out more than {MAX_CELLS} prefixes and ports", rule.at,
                        "use wider prefixes and port ranges, or fewer rules")  # fmt: skip


_MEANINGLESS = {
    "drive": "Taildrive", "relay": "peer relays", "webui": "Tailscale's web interface",
    "kubernetes": "Tailscale's Kubernetes operator", "tsidp": "Tailscale's identity provider",
    "secrets": "Tailscale's secrets",
}  # fmt: skip


def _warnings(document: Document, access: tuple[Rule, ...], ssh: tuple[SSHPolicy, ...]) -> tuple[str, ...]:
    """What is accepted and kept, and does nothing here."""
    found = [f"{name} has no meaning here" for name in document.kept]
    for entry in document.grants or ():
        for name in entry.app:
            known = _MEANINGLESS.get(name.rpartition("/")[2]) if name.startswith("tailscale.com/") else None
            what = f" ({known})" if known else ""
            found.append(f"grants[{entry.index}]: the capability {name}{what} reaches no program here; "
                         "who it names see one another")  # fmt: skip
    for attr in document.node_attrs:
        idle = [name for name in attr.attr if name != "disable-ipv4"]
        if idle:
            found.append(f"nodeAttrs[{attr.index}]: {', '.join(idle)} has no meaning here")
        if attr.ip_pool:
            found.append(f"nodeAttrs[{attr.index}]: ipPool has no meaning here; addresses are dealt by the gate")
    for selector in _selectors(access, ssh):
        if selector.text in FOREIGN_ROLES:
            found.append(f"{selector.text} names nobody here")
    return tuple(dict.fromkeys(found))


def _selectors(access: tuple[Rule, ...], ssh: tuple[SSHPolicy, ...]) -> Iterable[Selector]:
    for rule in access:
        yield from rule.src
        yield from (each.selector for each in rule.dst)
    for policy in ssh:
        yield from policy.src
