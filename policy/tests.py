"""`tests` and `sshTests`: what a policy claims about itself, held against the network as it is."""

from __future__ import annotations

from collections.abc import Iterator

from policy import nets, ports
from policy.admissions import SSHRule
from policy.bits import bits_of, members
from policy.compiled import Compiled
from policy.document import SSHTest, Test
from policy.edges import Edge
from policy.fault import Fault, go_quoted
from policy.hujson import Text, Value, text_at
from policy.postures import satisfied_by
from policy.selectors import IDENTITIES, Kind, Selector, classify

FAILED = "test(s) failed"
_SHOWN = 5
_NOT_ONE_PLACE = frozenset({Kind.INTERNET, Kind.SELF, Kind.DANGER_ALL, Kind.NONROOT})


def run_tests(compiled: Compiled) -> None:
    """Raises `Fault` where a test of the policy fails; its hint says which and why."""
    failed = failures(compiled)
    if failed:
        said = [why for _, why in failed[:_SHOWN]]
        if len(failed) > _SHOWN:
            said.append(f"and {len(failed) - _SHOWN} more")
        raise Fault(FAILED, failed[0][0], "; ".join(said))


Failure = tuple[int, str]
"""Where, and why: `tests[3]: …`, the test's place first."""


def failures(compiled: Compiled) -> list[Failure]:
    """Of every test that fails, what it claims in vain. Raises `Fault` for an SSH test that is none."""
    _check_ssh_shapes(compiled)
    return [*_failures(compiled), *_ssh_failures(compiled)]


class _Malformed(Exception):
    """A part of a test that makes it fail, whatever the policy says."""


# --- tests


def _failures(compiled: Compiled) -> Iterator[Failure]:
    for test in compiled.document.tests:
        name = f"tests[{test.index}]"
        try:
            source, protos = _source(compiled, test), _protocols(test.proto)
        except _Malformed as why:
            yield test.at, f"{name}: {why}"
            continue
        if not test.accept and not test.deny:
            yield test.at, f"{name}: it has neither accept nor deny"
        for wanted, words in ((True, test.accept), (False, test.deny)):
            for word in words:
                try:
                    held = _allowed(compiled, test, source, protos, word)
                except _Malformed as why:
                    yield word.at, f"{name}: {why}"
                    continue
                if held is not wanted:
                    verb = "may not reach" if wanted else "may reach"
                    yield (
                        word.at,
                        f"{name}: {test.src[0]} {verb} {word}, and the test says that it "
                        + ("may" if wanted else "may not"),
                    )


def _selector(compiled: Compiled, word: Text) -> Selector:
    try:
        return compiled.program.definitions.selector(word)
    except Fault as fault:
        raise _Malformed(fault.message) from None


def _spans(compiled: Compiled, word: Text) -> tuple[nets.Span, ...]:
    """The addresses that a word of a test names; `_Malformed` where it names none."""
    selector = _selector(compiled, word)
    if selector.kind in _NOT_ONE_PLACE:
        raise _Malformed(f"{word} cannot be tested")
    spans = compiled.spans(selector)
    if not spans:
        raise _Malformed(f"{word} names no device here")
    return spans


def _source(compiled: Compiled, test: Test) -> tuple[nets.Span, ...]:
    if not test.src:
        raise _Malformed("it has no src")
    return _spans(compiled, test.src[0])


def _protocols(proto: Text | None) -> frozenset[int] | None:
    if not proto:
        return None
    try:
        number = ports.protocol(proto, proto.at)
    except Fault as fault:
        raise _Malformed(fault.message) from None
    if number not in ports.WITH_PORTS:
        raise _Malformed(f"proto {proto} has no ports to test")
    return frozenset((number,))


def _destination(compiled: Compiled, word: Text) -> tuple[tuple[nets.Span, ...], int]:
    try:
        alias, port_text = ports.split_destination(word)
        open_ports = ports.port_range(port_text, word.at)
    except Fault as fault:
        raise _Malformed(fault.message) from None
    if port_text == "*" or "-" in port_text or open_ports[0] != open_ports[1]:
        raise _Malformed(f"{word} must name one port")
    if "/" in alias:
        raise _Malformed(f"{word} is a prefix; test one address")
    spans = _spans(compiled, text_at(alias, word.at))
    selector = classify(text_at(alias, word.at))
    if selector.kind in (Kind.HOST, Kind.IPSET) and (len(spans) > 1 or spans[0][0] != spans[0][1]):
        raise _Malformed(f"{word} names more than one address")
    return spans, open_ports[0]


def _allowed(
    compiled: Compiled, test: Test, source: tuple[nets.Span, ...], protos: frozenset[int] | None, word: Text
) -> bool:
    """Whether every address of `source` may reach some address of `word` by a rule of the whole network."""
    place, port = _destination(compiled, word)
    left = nets.merge(source)
    for edge in compiled.edges:
        if edge.rule.via or not edge.rule.packets:
            continue
        if any(
            _covers(compiled, destination.selector, place)
            and any(_passes(way.proto, protos) and any(low <= port <= high for low, high in way.ports)
                    for way in destination.ways)
            for destination in edge.rule.dst
        ):  # fmt: skip
            left = nets.subtract(left, _sources(compiled, edge, test))
            if not left:
                return True
    return False


def _sources(compiled: Compiled, edge: Edge, test: Test) -> tuple[nets.Span, ...]:
    """The sources of a rule; what a test says of its device's posture stands for what its device has."""
    if compiled.allows_all:
        return nets.EVERYTHING
    if not edge.rule.postures or test.src_posture_attrs is None:
        return edge.sources.merged(compiled.world)
    attributes = {str(name): _attribute(value) for name, value in test.src_posture_attrs.items()}
    if not satisfied_by(edge.rule.postures, compiled.program.postures, attributes):
        return ()
    return nets.merge(span for selector in edge.rule.src for span in compiled.spans(selector))


def _attribute(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _covers(compiled: Compiled, selector: Selector, place: tuple[nets.Span, ...]) -> bool:
    if selector.kind is Kind.ANY:
        return True
    if selector.kind is Kind.SELF:
        return False
    merged = nets.merge(compiled.spans(selector))
    return any(nets.overlaps(merged, span) for span in place)


def _passes(rule: int | None, wanted: frozenset[int] | None) -> bool:
    listed = frozenset(ports.DEFAULT_PROTOCOLS) if rule is None else frozenset((rule,))
    return bool(listed & (wanted if wanted is not None else frozenset(ports.DEFAULT_PROTOCOLS)))


# --- sshTests


def _check_ssh_shapes(compiled: Compiled) -> None:
    for test in compiled.document.ssh_tests:
        if not test.src:
            raise Fault("SSH tests entry must have a non-empty src", test.at)
        if not test.dst:
            raise Fault("SSH tests entry must have at least one dst", test.at)
        for word in test.dst:
            _check_ssh_destination(compiled, word)


def _check_ssh_destination(compiled: Compiled, word: Text) -> None:
    if word.startswith("tag:") and word not in compiled.document.tag_owners:
        raise Fault(f"SSH tests dst contains unknown tag {go_quoted(word)}", word.at, "define it in tagOwners")
    try:
        selector = compiled.program.definitions.selector(word)
    except Fault:
        return
    wide = selector.kind in (Kind.NET, Kind.HOST, Kind.IPSET) and (
        len(selector.spans) != 1 or selector.spans[0][0] != selector.spans[0][1]
    )
    if wide or selector.kind in (Kind.ANY, Kind.INTERNET, Kind.DANGER_ALL, Kind.NONROOT):
        raise Fault(f"SSH tests dst contains disallowed element {go_quoted(word)}", word.at,
                    "name devices by user, tag or one address")  # fmt: skip


def _ssh_failures(compiled: Compiled) -> Iterator[Failure]:
    for test in compiled.document.ssh_tests:
        name = f"sshTests[{test.index}]"
        if not test.accept and not test.deny and not test.check:
            yield test.at, f"{name}: it has none of accept, deny and check"
            continue
        try:
            yield from ((at, f"{name}: {why}") for at, why in _ssh_case(compiled, test))
        except _Malformed as why:
            yield test.at, f"{name}: {why}"


def _ssh_devices(compiled: Compiled, word: Text, source: int) -> int:
    selector = _selector(compiled, word)
    if selector.kind is Kind.SELF:
        owners = {compiled.world.at(slot).user for slot in members(source & compiled.world.member)}
        found = 0
        for owner in owners:
            found |= compiled.world.owner_devices(owner)
    elif selector.kind in _NOT_ONE_PLACE:
        raise _Malformed(f"{word} cannot be tested")
    else:
        found = compiled.source(selector).held
    if not found:
        raise _Malformed(f"{word} names no device here")
    return found


def _ssh_case(compiled: Compiled, test: SSHTest) -> Iterator[Failure]:
    word = test.src[0]
    selector = _selector(compiled, word)
    if selector.kind not in IDENTITIES and selector.kind not in (Kind.NET, Kind.HOST):
        raise _Malformed(f"{word} cannot be the src of a test")
    source = _ssh_devices(compiled, word, 0)
    owned = source if selector.kind in IDENTITIES else 0  # an address is nobody's self
    hosts = bits_of(
        (slot for item in test.dst for slot in members(_ssh_devices(compiled, item, owned))),
        len(compiled.world.seen),
    )
    addresses = {text for slot in members(source) for text in _source_addresses(compiled, slot, selector)}
    for wanted, users in (("accept", test.accept), ("check", test.check), ("deny", test.deny)):
        for user in users:
            if not user:
                raise _Malformed("a user name is empty")
            for slot in members(hosts):
                outcomes = ssh_outcomes(compiled.ssh_rules(compiled.world.at(slot).id), addresses, user)
                if not _as_wanted(wanted, outcomes):
                    host = compiled.world.at(slot)
                    yield user.at, f"{word} to {user}@{host.ipv4}: wanted {wanted}, got {_outcome(outcomes)}"
                    break


def _source_addresses(compiled: Compiled, slot: int, selector: Selector) -> list[str]:
    seen = compiled.world.at(slot)
    texts = zip(seen.addresses, (seen.ipv4, seen.ipv6), strict=True)
    return [text for number, text in texts
            if not selector.spans or nets.overlaps(selector.spans, (number, number))]  # fmt: skip


def ssh_outcomes(rules: tuple[SSHRule, ...], addresses: set[str], login: str) -> set[str]:
    """What happens to those who come from `addresses` and ask for `login`: `accept`, `check` or `deny`."""
    return {_ssh_outcome(rules, address, login) for address in addresses}


def _ssh_outcome(rules: tuple[SSHRule, ...], address: str, login: str) -> str:
    for rule in rules:
        if address in rule.src and (rule.users.get(login) or (login != "root" and rule.users.get("*"))):
            return rule.action
    return "deny"


def _as_wanted(wanted: str, outcomes: set[str]) -> bool:
    if wanted == "accept":
        return "deny" not in outcomes
    return outcomes == {wanted}


def _outcome(outcomes: set[str]) -> str:
    return " and ".join(sorted(outcomes))
