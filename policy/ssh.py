"""The `ssh` section: what each rule says, and the refusals that the language has for it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from policy import durations
from policy.document import Document, SSHEntry
from policy.fault import Fault, go_quoted
from policy.hujson import Text
from policy.rules import posture_names
from policy.selectors import Definitions, Kind, Selector, classify, not_associated

DEFAULT_CHECK_PERIOD = 12 * 3600
MAX_CHECK_PERIOD = 168 * 3600
_SECOND = 10**9
_LOCALPART = re.compile(r"localpart:\*@(.+)", re.DOTALL)
_SOURCES = frozenset({Kind.USER, Kind.DOMAIN, Kind.GROUP, Kind.TAG, Kind.MEMBER, Kind.TAGGED, Kind.ROLE})
_DESTINATIONS = frozenset({Kind.USER, Kind.TAG, Kind.MEMBER, Kind.TAGGED, Kind.SELF})
_AUTOGROUPS = frozenset({Kind.SELF, Kind.DANGER_ALL, Kind.NONROOT, Kind.ROLE})
_TAGS = frozenset({Kind.TAG, Kind.TAGGED})


class SSHPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the section. `dst` is without `autogroup:self`, which `own` stands for."""

    index: int
    at: int
    action: str
    check_period: int | None
    """Seconds; 0 asks at every login. None for an accept."""
    src: tuple[Selector, ...]
    dst: tuple[Selector, ...]
    own: bool
    users: Mapping[str, str]
    """Login asked for -> login given; `=` keeps it, empty refuses it, `*` is any but root."""
    localparts: tuple[str, ...]
    """Domains whose people may log in as the local part of their own name."""
    accept_env: tuple[str, ...]
    postures: tuple[str, ...]


def ssh_policies(document: Document, definitions: Definitions) -> tuple[SSHPolicy, ...]:
    """The section's rules in order. Raises `Fault` for the first that breaks the language."""
    return tuple(_policy(entry, definitions) for entry in document.ssh)


def _policy(entry: SSHEntry, definitions: Definitions) -> SSHPolicy:
    action = _action(entry)
    _check_users(entry, definitions)
    period = _check_period(entry, action)
    for pattern in entry.accept_env:
        if not pattern:
            raise Fault("acceptEnv values cannot be empty", pattern.at)
    src = tuple(_source(word, definitions) for word in entry.src)
    dst = tuple(_destination(word, definitions) for word in entry.dst)
    _refuse_pairs(entry, src, dst)
    return SSHPolicy(
        index=entry.index, at=entry.at, action=action, check_period=period, src=src,
        dst=tuple(selector for selector in dst if selector.kind is not Kind.SELF),
        own=any(selector.kind is Kind.SELF for selector in dst),
        users=_user_map(entry.users),
        localparts=tuple(match.group(1) for word in entry.users if (match := _LOCALPART.fullmatch(word))),
        accept_env=tuple(map(str, entry.accept_env)),
        postures=posture_names(entry.src_posture, definitions.document),
    )  # fmt: skip


def _action(entry: SSHEntry) -> str:
    action = str(entry.action or "").strip()
    if not action:
        raise Fault("action must be specified", entry.at, 'use "accept" or "check"')
    if action not in ("accept", "check"):
        raise Fault(f"{go_quoted(action)} is not a valid action", getattr(entry.action, "at", entry.at),
                    'use "accept" or "check"')  # fmt: skip
    return action


def _check_users(entry: SSHEntry, definitions: Definitions) -> None:
    if not entry.users:
        raise Fault("users must be specified", entry.at, 'name logins, like "root" or "autogroup:nonroot"')
    for word in entry.users:
        if word in ("", "*"):
            raise Fault(
                f"user {go_quoted(word)} is not valid", word.at, 'for any login but root use "autogroup:nonroot"'
            )
        match = _LOCALPART.fullmatch(word)
        if match and match.group(1) != definitions.domain:
            raise Fault(not_associated(match.group(1)), word.at)


def _user_map(words: tuple[Text, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    if "autogroup:nonroot" in words:
        found["*"] = "="
    found["root"] = "root" if "root" in words else ""
    for word in words:
        if word not in ("root", "autogroup:nonroot") and not _LOCALPART.fullmatch(word):
            found[str(word)] = str(word)
    return found


def _check_period(entry: SSHEntry, action: str) -> int | None:
    text = entry.check_period
    if not text:
        return DEFAULT_CHECK_PERIOD if action == "check" else None
    if action != "check":
        raise Fault('checkPeriod is only valid with action "check"', text.at)
    if text == "always":
        return 0
    try:
        period = durations.nanoseconds(text)
    except ValueError as fault:
        raise Fault(str(fault), text.at, 'write it like "12h", "30m" or "always"') from None
    if period < 0:
        raise Fault(f"checkPeriod {durations.show(period)} must be a positive duration", text.at)
    if period > MAX_CHECK_PERIOD * _SECOND:
        raise Fault(f"checkPeriod {durations.show(period)} is above the max (168h)", text.at)
    return period // _SECOND


def _source(word: Text, definitions: Definitions) -> Selector:
    selector = classify(word)
    if selector.kind is Kind.INTERNET:
        raise Fault("autogroup:internet can only be used in ACL destinations", word.at)
    if selector.kind in _AUTOGROUPS - {Kind.ROLE}:
        raise Fault(
            f"autogroup not supported for SSH sources: {go_quoted(word)}, can be "
            "[autogroup:member autogroup:tagged]", word.at,
        )  # fmt: skip
    if selector.kind not in _SOURCES:
        raise Fault(f"alias not supported for SSH source: {go_quoted(word)}", word.at,
                    "name people, groups, tags, autogroup:member or autogroup:tagged")  # fmt: skip
    try:
        return definitions.defined(selector)
    except Fault as fault:
        prefix = "[ssh] " if selector.kind is Kind.DOMAIN else ""
        raise Fault(prefix + fault.message, fault.at, fault.hint) from None


def _destination(word: Text, definitions: Definitions) -> Selector:
    if ":" not in word and "@" not in word and word not in ("", "*"):
        selector = classify(word)
        if selector.kind is Kind.HOST:
            raise Fault(f"invalid dst {go_quoted(word)}", word.at, "name a tag, autogroup:self or autogroup:member")
    selector = classify(word)
    if selector.kind is Kind.ANY:
        raise Fault(
            "wildcard (*) is not supported as SSH destination; use 'autogroup:member' for user-owned devices, "
            "'autogroup:tagged' for tagged devices, or specific tags/users", word.at,
        )  # fmt: skip
    if selector.kind is Kind.INTERNET:
        raise Fault("autogroup:internet can only be used in ACL destinations", word.at)
    if selector.kind in _AUTOGROUPS - {Kind.SELF}:
        raise Fault(
            f"autogroup not supported for SSH destinations: {go_quoted(word)}, can be "
            "[autogroup:member autogroup:tagged autogroup:self]", word.at,
        )  # fmt: skip
    if selector.kind not in _DESTINATIONS:
        raise Fault(f"alias not supported for SSH destination: {go_quoted(word)}", word.at,
                    "name a tag, a user, autogroup:self, autogroup:member or autogroup:tagged")  # fmt: skip
    return definitions.defined(selector)


def _refuse_pairs(entry: SSHEntry, src: tuple[Selector, ...], dst: tuple[Selector, ...]) -> None:
    """A tagged device may not reach into people's, and a person's devices are for that person alone."""
    tagged = any(selector.kind in _TAGS for selector in src)
    for selector in dst:
        if selector.kind is Kind.USER:
            if tagged:
                raise Fault(
                    f"tags in SSH source cannot access user-owned devices ({selector.text}); use autogroup:tagged or "
                    "specific tags as destinations instead", selector.at,
                )  # fmt: skip
            if [(source.kind, source.text) for source in src] != [(Kind.USER, selector.text)]:
                raise Fault(
                    "user destination requires source to contain only that same user "
                    f"{go_quoted(selector.text)}; use autogroup:self instead for same-user SSH access", selector.at,
                )  # fmt: skip
        elif tagged and selector.kind is Kind.SELF:
            raise Fault(
                "autogroup:self destination requires source to contain only users or groups, not tags or "
                "autogroup:tagged", selector.at,
            )  # fmt: skip
        elif tagged and selector.kind is Kind.MEMBER:
            raise Fault("tags in SSH source cannot access autogroup:member (user-owned devices)", selector.at)
