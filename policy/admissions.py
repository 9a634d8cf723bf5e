"""Who may log in on a device: SSH rules as the field's own hosts get them, and logins as principals.

Both come from one place, `shares`: which parts of a rule's people a device is told of, each with its map of logins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from model.netmap import Logins
from model.records import UserState
from policy.bits import members
from policy.resolve import Groups, people
from policy.selectors import Kind
from policy.ssh import SSHPolicy
from policy.world import Seen, World

ALWAYS = 60
"""Seconds that a login counts as fresh where the policy says `always`."""


class SSHRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as a device gets it; the first that matches a connection decides."""

    action: str
    check_period_s: int | None
    src: tuple[str, ...]
    users: Mapping[str, str]
    accept_env: tuple[str, ...]
    policy: int
    """The place of the policy's rule in its section, from 0."""


Scope = str | None
"""Whose part of a rule: a person's by name, `*` for everybody, None for what has tags, `self` for a tagged device."""


class Admission:
    """A rule of the section in a network."""

    __slots__ = ("held", "localpart", "names", "policy", "targets")

    def __init__(
        self, policy: SSHPolicy, src: Iterable[int], dst: Iterable[int], satisfied: int | None, names: frozenset[str]
    ) -> None:
        """`src` and `dst` are the devices of each of its selectors, `satisfied` those that its postures let by."""
        self.policy = policy
        self.names = names
        """Principals of its sources."""
        self.held = 0
        """Source devices."""
        for held in src:
            self.held |= held
        if satisfied is not None:
            self.held &= satisfied
        self.targets = 0
        """Devices that it names other than by `autogroup:self`."""
        for held in dst:
            self.targets |= held

    def names_of(self, scope: Scope) -> frozenset[str]:
        """The principals in one part of the rule."""
        if scope == "*":
            return self.names
        if scope is None:
            return frozenset(name for name in self.names if name.startswith("tag:"))
        return self.names & {scope}

    def users_for(self, name: str | None) -> Mapping[str, str] | None:
        """The map of the extra rule for the person `name`: their local part; None where it is not given."""
        local, _, domain = (name or "").rpartition("@")
        if domain not in self.policy.localparts or not local:
            return None
        return {local: local}


def names_of(policy: SSHPolicy, world: World, groups: Groups, satisfied: int | None) -> frozenset[str]:
    """The principals of a rule's sources: people by name, tagged devices by tag. Nobody who is disabled."""
    found: set[str] = set()
    for selector in policy.src:
        found |= _principals(selector.kind, selector.text, world) or people(selector, world, groups)
    return frozenset(
        name for name in found
        if _may_log_in(name, world) and (satisfied is None or _all_fit(name, world, satisfied))
    )  # fmt: skip


def _principals(kind: Kind, text: str, world: World) -> set[str]:
    if kind is Kind.TAG:
        return {text}
    return set(world.by_tag) if kind is Kind.TAGGED else set()


def _all_fit(name: str, world: World, satisfied: int) -> bool:
    """A principal is a person's, whichever device they come from: so every one of their devices must be fit."""
    held = world.by_tag.get(name, 0) if name.startswith("tag:") else world.owner_devices(name)
    return bool(held) and not held & ~satisfied


def _may_log_in(name: str, world: World) -> bool:
    if name.startswith("tag:"):
        return True
    user = world.users.get(name)
    return user is not None and user.state is UserState.ACTIVE


def shares(admission: Admission, seen: Seen, world: World) -> Iterator[tuple[Scope, Mapping[str, str]]]:
    """The parts of a rule that `seen` is told of, in order."""
    policy = admission.policy
    owner = None if seen.tags else seen.user
    if policy.own and owner is not None:
        yield from _person(admission, owner)
    if admission.targets >> seen.slot & 1:
        if not policy.localparts:
            yield "*", policy.users
            return
        for name in _in_order(admission, world):
            yield from _person(admission, name)
        yield None, policy.users
    elif policy.dst and policy.localparts and admission.held >> seen.slot & 1:
        if owner is not None:
            yield from _person(admission, owner)
        else:
            yield "self", policy.users


def _person(admission: Admission, name: str) -> Iterator[tuple[Scope, Mapping[str, str]]]:
    yield name, admission.policy.users
    local = admission.users_for(name)
    if local is not None:
        yield name, local


def _in_order(admission: Admission, world: World) -> list[str]:
    """The people among a rule's sources: those known longest first."""
    owners = {world.at(slot).user for slot in members(admission.held & world.member)}
    wanted = {name for name in admission.names if "@" in name} | {name for name in owners if name is not None}
    known = [name for name in world.users if name in wanted]
    return known + sorted(wanted.difference(known))


def ssh_rules(admissions: tuple[Admission, ...], seen: Seen, world: World) -> tuple[SSHRule, ...]:
    """The rules that `seen` gets: checks before accepts, each in the policy's order."""
    out = []
    for admission in admissions:
        policy = admission.policy
        for scope, users in shares(admission, seen, world):
            held = admission.held & _scope_devices(scope, seen, world)
            if not held:
                continue
            src = tuple(text for slot in members(held) for text in (world.at(slot).ipv4, world.at(slot).ipv6))
            out.append(SSHRule(
                action=policy.action, check_period_s=policy.check_period, src=src, users=users,
                accept_env=policy.accept_env, policy=policy.index,
            ))  # fmt: skip
    return tuple(sorted(out, key=lambda rule: rule.action != "check"))


def _scope_devices(scope: Scope, seen: Seen, world: World) -> int:
    if scope == "*":
        return world.live
    if scope == "self":
        return 1 << seen.slot
    return world.tagged if scope is None else world.owner_devices(scope)


def logins(admissions: tuple[Admission, ...], seen: Seen, world: World) -> Logins:
    """`{login: principals}` of `seen`; `*` stands for any login but root without an entry of its own.

    The first rule that holds for a person decides each login. Under a check the host lists only
    `fresh:SECONDS:NAME`, which a certificate carries for that long after its owner proved to be there.
    """
    ordered = sorted(admissions, key=lambda admission: admission.policy.action != "check")
    anywhere: dict[str, tuple[int, str]] = {}
    named: dict[str, dict[str, tuple[int, str]]] = {}
    place = 0
    for admission in ordered:
        for scope, users in shares(admission, seen, world):
            place += 1
            for name in admission.names_of(scope):
                entry = (place, _principal(admission.policy, name))
                for login, given in users.items():
                    if login == "*":
                        anywhere.setdefault(name, entry)
                    elif given:
                        named.setdefault(login, {}).setdefault(name, entry)
    out = {"*": _listed(anywhere)} if anywhere else {}
    for login, entries in sorted(named.items()):
        if login == "root":
            out[login] = _listed(entries)
            continue
        differing = {name: entry for name, entry in entries.items() if entry < anywhere.get(name, (place + 1, ""))}
        if any(anywhere.get(name, (0, ""))[1] != entry[1] for name, entry in differing.items()):
            out[login] = _listed(anywhere | differing)
    return out


def _principal(policy: SSHPolicy, name: str) -> str:
    return name if policy.check_period is None else f"fresh:{policy.check_period or ALWAYS}:{name}"


def _listed(entries: Mapping[str, tuple[int, str]]) -> tuple[str, ...]:
    return tuple(sorted({principal for _, principal in entries.values()}))
