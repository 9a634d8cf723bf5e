"""Selectors: the words that name sources and destinations (`*`, `alice@example.com`, `tag:db`, `10.0.0.0/8` …).

Which kind a word is depends on its text alone; whether what it names exists is asked of the document's definitions.
"""

from __future__ import annotations

from enum import IntEnum, auto

import msgspec

from policy import nets
from policy.document import Document
from policy.fault import Fault, go_quoted
from policy.hujson import Text


class Kind(IntEnum):
    # Numbers, since kinds are looked up by the thousand and a number hashes sooner than a name.

    ANY = auto()
    NET = auto()
    USER = auto()
    DOMAIN = auto()
    GROUP = auto()
    TAG = auto()
    HOST = auto()
    IPSET = auto()
    MEMBER = auto()
    TAGGED = auto()
    ROLE = auto()
    SELF = auto()
    INTERNET = auto()
    DANGER_ALL = auto()
    NONROOT = auto()


IDENTITIES = frozenset({
    Kind.USER, Kind.DOMAIN, Kind.GROUP, Kind.TAG, Kind.MEMBER, Kind.TAGGED, Kind.ROLE,
})  # fmt: skip
"""Kinds that name devices by who they are; they always give both addresses of a device."""
ADDRESSES = frozenset({Kind.NET, Kind.HOST, Kind.IPSET})
"""Kinds that name addresses, whoever has them."""

AUTOGROUPS = {
    "autogroup:member": Kind.MEMBER,
    "autogroup:tagged": Kind.TAGGED,
    "autogroup:self": Kind.SELF,
    "autogroup:internet": Kind.INTERNET,
    "autogroup:danger-all": Kind.DANGER_ALL,
    "autogroup:nonroot": Kind.NONROOT,
    "autogroup:owner": Kind.ROLE,
    "autogroup:admin": Kind.ROLE,
    "autogroup:operator": Kind.ROLE,
    "autogroup:auditor": Kind.ROLE,
    "autogroup:it-admin": Kind.ROLE,
    "autogroup:network-admin": Kind.ROLE,
    "autogroup:billing-admin": Kind.ROLE,
    "autogroup:shared": Kind.ROLE,
}
FOREIGN_ROLES = frozenset({
    "autogroup:it-admin", "autogroup:network-admin", "autogroup:billing-admin", "autogroup:shared",
})  # fmt: skip
"""Roles of the field that nobody has here: legal, and they name no device."""
_LISTED = "[autogroup:internet autogroup:member autogroup:nonroot autogroup:tagged autogroup:self autogroup:danger-all]"


class Selector(msgspec.Struct, frozen=True):
    """`text` is the word; `spans` are the addresses of a kind that names addresses (else empty)."""

    kind: Kind
    text: str
    at: int
    spans: tuple[nets.Span, ...] = ()

    @property
    def key(self) -> tuple[Kind, str]:
        return self.kind, self.text


def classify(word: Text) -> Selector:
    """The selector that `word` is; spans are filled for a literal address only. Raises `Fault` for no selector."""
    span = nets.prefix(word)
    if span is not None:
        return Selector(Kind.NET, str(word), word.at, (span,))
    return Selector(_kind(word), str(word), word.at)


def _kind(word: Text) -> Kind:
    if word == "*":
        return Kind.ANY
    if "@" in word:
        return Kind.DOMAIN if word.startswith("user:*@") else Kind.USER
    for prefix, kind in (("group:", Kind.GROUP), ("tag:", Kind.TAG), ("ipset:", Kind.IPSET)):
        if word.startswith(prefix):
            return kind
    if word.startswith("autogroup:"):
        if word not in AUTOGROUPS:
            raise Fault(f"invalid autogroup: got {go_quoted(word)}, must be one of {_LISTED}", word.at)
        return AUTOGROUPS[word]
    if ":" not in word and word:
        return Kind.HOST
    raise Fault(
        f"invalid alias format: {go_quoted(word)}", word.at,
        "name a user (with @), group:, tag:, autogroup:, ipset:, a host, an address or a prefix",
    )  # fmt: skip


def tag_not_found(text: str, at: int) -> Fault:
    return Fault(f"tag not found: {go_quoted(text)}", at, "define it in tagOwners")


def not_associated(domain: str) -> str:
    return f"{domain} is not associated with this Tailnet and cannot be used in user:*@<domain> expressions"


MAX_IPSET_DEPTH = 32
"""Of ipsets within ipsets."""
MAX_IPSET_STEPS = 2_000_000
"""Of addresses, prefixes and ranges looked at while ipsets are put together."""


class Definitions:
    """What a document defines, for looking up. Addresses of hosts and ipsets come as merged spans."""

    def __init__(self, document: Document, internet: tuple[nets.Span, ...], domain: str | None) -> None:
        self.document = document
        self.internet = internet
        self.domain = domain
        """The one domain that `user:*@` and `localpart:*@` may name."""
        self.hosts = {str(name): span for name, value in document.hosts.items() if (span := nets.prefix(value))}
        self._ipsets: dict[str, tuple[nets.Span, ...]] = {}
        self._steps = MAX_IPSET_STEPS

    def selector(self, word: Text) -> Selector:
        """`word` as a selector of something that is defined."""
        return self.defined(classify(word))

    def defined(self, selector: Selector) -> Selector:
        """`selector` with its spans filled in, or `Fault` where what it names is not defined."""
        kind, text, at = selector.kind, selector.text, selector.at
        if kind is Kind.TAG and text not in self.document.tag_owners:
            raise tag_not_found(text, at)
        if kind is Kind.GROUP and text not in self.document.groups:
            raise Fault(f"group not defined in policy: {go_quoted(text)}", at, "define it in groups")
        if kind is Kind.DOMAIN and text[len("user:*@") :] != self.domain:
            raise Fault(not_associated(text[len("user:*@") :]), at)
        if kind is Kind.HOST:
            if text not in self.hosts:
                raise Fault(f"host not defined in policy: {go_quoted(text)}", at, "define it in hosts")
            return msgspec.structs.replace(selector, spans=(self.hosts[text],))
        if kind is Kind.IPSET:
            return msgspec.structs.replace(selector, spans=self.ipset(text, at))
        return selector

    def check_ipsets(self) -> None:
        """Raises `Fault` for the first ipset that does not name addresses."""
        for name in self.document.ipsets:
            if not name.startswith("ipset:"):
                raise Fault(f"ipset must start with 'ipset:', got: {go_quoted(name)}", name.at)
            self.ipset(name, name.at)

    def ipset(self, name: str, at: int, within: tuple[str, ...] = ()) -> tuple[nets.Span, ...]:
        """The addresses of an ipset: its entries in order, each adding or removing."""
        if name in within:
            raise Fault(f"ipset {go_quoted(name)} refers to itself: {' -> '.join((*within, name))}", at)
        if len(within) == MAX_IPSET_DEPTH:
            raise Fault(f"ipset {go_quoted(name)} is nested deeper than {MAX_IPSET_DEPTH} levels", at)
        if name not in self._ipsets:
            entries = self.document.ipsets.get(name)  # type: ignore[call-overload]
            if entries is None:
                raise Fault(f"ipset not defined in policy: {go_quoted(name)}", at, "define it in ipsets")
            self._ipsets[name] = self._evaluated(entries, (*within, name))
        return self._ipsets[name]

    def _evaluated(self, entries: tuple[Text, ...], within: tuple[str, ...]) -> tuple[nets.Span, ...]:
        # Runs of additions are merged once, so that a long list costs one sort and not one an entry.
        result: tuple[nets.Span, ...] = ()
        pending: list[nets.Span] = []
        removing = False
        for entry in entries:
            verb, _, target = entry.partition(" ") if entry.startswith(("add ", "remove ")) else ("add", "", str(entry))
            if (verb == "remove") != removing:
                result = self._applied(result, pending, removing, entry.at)
                pending, removing = [], verb == "remove"
            pending += self._target(target.strip(), entry, within)
            self._spend(1 + len(self._ipsets.get(target.strip(), ())), entry.at)
        return self._applied(result, pending, removing, entries[-1].at if entries else 0)

    def _applied(
        self, spans: tuple[nets.Span, ...], pending: list[nets.Span], removing: bool, at: int
    ) -> tuple[nets.Span, ...]:
        self._spend(len(spans) + len(pending), at)
        return nets.subtract(spans, pending) if removing else nets.merge((*spans, *pending))

    def _spend(self, steps: int, at: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise Fault(f"the ipsets take more than {MAX_IPSET_STEPS} steps to put together", at,
                        "list additions before removals, and each address once")  # fmt: skip

    def _target(self, text: str, entry: Text, within: tuple[str, ...]) -> tuple[nets.Span, ...]:
        span = nets.prefix(text) or nets.range_(text)
        if span is not None:
            return (span,)
        if text.startswith("host:") and text[5:] in self.hosts:
            return (self.hosts[text[5:]],)
        if text.startswith("ipset:"):
            return self.ipset(text, entry.at, within)
        if text == "autogroup:internet":
            return self.internet
        raise Fault(
            f"ipset {go_quoted(within[-1])} has an entry that names no addresses: {go_quoted(entry)}", entry.at,
            "an entry adds or removes an address, a prefix, a range a-b, host:NAME, ipset:NAME or autogroup:internet",
        )  # fmt: skip
