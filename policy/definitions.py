"""The sections that define names (`groups`, `hosts`, `tagOwners`), and those that give devices attributes or routes."""

from __future__ import annotations

from policy import nets
from policy.document import Document, NodeAttr
from policy.fault import Fault, go_quoted
from policy.hujson import Text
from policy.selectors import Definitions, Kind, Selector, classify, tag_not_found

DISABLE_IPV4 = "disable-ipv4"
_OWNERS = frozenset({Kind.USER, Kind.GROUP, Kind.TAG, Kind.ROLE, Kind.MEMBER})
_RESERVED_POOLS = tuple(span for span in map(nets.prefix, ("100.100.100.0/24", "100.115.92.0/23")) if span)
_CGNAT = nets.prefix("100.64.0.0/10")
_NEVER_TARGETS = frozenset({Kind.SELF, Kind.INTERNET, Kind.DANGER_ALL, Kind.NONROOT})


def check_definitions(document: Document) -> None:
    """Raises `Fault` for the first definition that breaks the language."""
    _check_groups(document)
    for name, value in document.hosts.items():
        if ":" in name or "@" in name or not name:
            raise Fault(f"invalid hostname: {go_quoted(name)}", name.at)
        if nets.prefix(value) is None:
            said = f"hostname contains invalid IP address: hostname {go_quoted(name)} address {go_quoted(value)}"
            raise Fault(said, value.at, "give an address or a prefix")
    for tag, owners in document.tag_owners.items():
        _check_tag(tag)
        for owner in owners:
            _check_owner(owner, document)


def _check_groups(document: Document) -> None:
    for group in sorted(document.groups, reverse=True):
        for person in document.groups[group]:
            if person.startswith("group:"):
                said = f"groups[{go_quoted(group)}]: {go_quoted(person)}: group members cannot be recursive"
                raise Fault(said, person.at, "list people, not groups")
    for group, people in document.groups.items():
        if not group.startswith("group:"):
            raise Fault(f"group must start with 'group:', got: {go_quoted(group)}", group.at)
        for person in people:
            if "@" not in person:
                raise Fault(f"username must contain @, got: {go_quoted(person)}", person.at)


def _check_tag(tag: Text) -> None:
    if not tag.startswith("tag:"):
        raise Fault(f"tag must start with 'tag:', got: {go_quoted(tag)}", tag.at)
    if not (tag[4:5].isascii() and tag[4:5].isalpha()):
        said = f"tagOwners[{go_quoted(tag)}]: tag names must start with a letter, after 'tag:'"
        raise Fault(said, tag.at)


def _check_owner(owner: Text, document: Document) -> None:
    try:
        kind = classify(owner).kind
    except Fault:
        kind = Kind.ANY
    if kind not in _OWNERS:
        raise Fault(f"invalid owner format: {go_quoted(owner)}", owner.at, "name a user (with @), a group or a tag")
    _check_defined(owner, kind, document)


def _check_defined(word: Text, kind: Kind, document: Document) -> None:
    if kind is Kind.GROUP and word not in document.groups:
        raise Fault(f"group not defined in policy: {go_quoted(word)}", word.at, "define it in groups")
    if kind is Kind.TAG and word not in document.tag_owners:
        raise tag_not_found(word, word.at)


def check_approvers(document: Document) -> None:
    """`autoApprovers`: prefixes, and who may have them approved. Raises `Fault`."""
    for prefix, approvers in document.auto_routes.items():
        if nets.prefix(prefix) is None:
            raise Fault(f"autoApprovers route {go_quoted(prefix)} is not a prefix", prefix.at)
        for approver in approvers:
            _check_approver(approver, document)
    for approver in document.auto_exit:
        _check_approver(approver, document)


def _check_approver(approver: Text, document: Document) -> None:
    try:
        kind = classify(approver).kind
    except Fault:
        kind = Kind.ANY
    if kind not in _OWNERS:
        raise Fault(f"invalid auto approver format: {go_quoted(approver)}", approver.at)
    _check_defined(approver, kind, document)


def node_attr_targets(document: Document, definitions: Definitions) -> tuple[Selector, ...]:
    """The targets that `disable-ipv4` is given to. Raises `Fault` for the first entry that breaks the language."""
    disabled: list[Selector] = []
    for entry in document.node_attrs:
        targets = [_attr_target(word, definitions) for word in entry.dst]
        _check_pools(entry)
        if DISABLE_IPV4 in entry.attr:
            disabled += targets
    return tuple(disabled)


def _attr_target(word: Text, definitions: Definitions) -> Selector:
    selector = classify(word)
    if selector.kind is Kind.HOST and word not in definitions.hosts:
        raise Fault(f"{go_quoted(word)}: invalid address", word.at)
    if selector.kind in _NEVER_TARGETS:
        raise Fault(
            f"nodeAttrs target does not support this autogroup: {go_quoted(word)}, can be "
            "[autogroup:member autogroup:tagged]", word.at,
        )  # fmt: skip
    return definitions.defined(selector)


def _check_pools(entry: NodeAttr) -> None:
    for pool in entry.ip_pool:
        span = nets.prefix(pool)
        if span is None:
            raise Fault(f"IPPool({pool}): not a prefix", pool.at)
        if any(nets.overlaps((reserved,), span) for reserved in _RESERVED_POOLS):
            raise Fault(f"IPPool({pool}): network within reserved range", pool.at)
        if _CGNAT is None or not nets.contains((_CGNAT,), span):
            raise Fault(f"IPPool({pool}): network is not within 100.64.0.0/10", pool.at)
