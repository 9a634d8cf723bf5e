"""What the console asks of the gate: the one seam between screens and data.

Screens read records and pages; every deed goes as words through `perform`, the same words that `ssh gate ...` takes, so
that a question can show exactly what will run. All raise `WardgateError`. `console.app.gatebackend` is the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from model.change import Committed
from model.ids import DeviceID, Domain, UserName
from model.records import (
    AuditEntry,
    Certificate,
    Device,
    Generation,
    PolicyDraft,
    PolicyVersion,
    Record,
    Role,
    User,
    UserKey,
)


class Listing(StrEnum):
    DEVICES = "devices"
    USERS = "users"
    CERTIFICATES = "certificates"
    NAMES = "names"
    KEYS = "enrollment-keys"
    ACTIVITY = "audit"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list: `filter` holds words and `key:value` pairs, `sort` a column's key.

    Without `exact`, the total may be as far as it is known at once. A limit of 0 asks for the total alone.
    """

    filter: str = ""
    sort: str = ""
    descending: bool = False
    offset: int = 0
    limit: int = 128
    exact: bool = True


class Rows(msgspec.Struct, frozen=True):
    """`more` says that there are more than `total`."""

    rows: tuple[Record, ...]
    offset: int
    total: int
    more: bool = False


class UserRow(Record, frozen=True, kw_only=True):
    user: User
    devices: int = 0
    certificates: int = 0
    """Valid ones."""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits for a person."""

    state: str
    """`waiting`, `bad` or `ending`."""
    what: str
    detail: str = ""
    since: int | None = None
    go: tuple[str, ...] = ()
    """Screen and thing to open."""
    deed: tuple[str, ...] = ()
    """The command that settles it, where there is one."""
    undo: tuple[str, ...] = ()
    """The one that takes that back."""


class GateLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about the gate, and the screen that has more of it."""

    label: str
    value: str
    role: str = "text"
    """`text`, or `warn` and `bad` where a person should look."""
    go: tuple[str, ...] = ()


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    devices: int = 0
    online: int = 0
    people: int = 0
    certificates: int = 0
    policy: int = 0
    needs: tuple[Need, ...] = ()
    changes: tuple[AuditEntry, ...] = ()
    history: tuple[int, ...] = ()
    """Devices online, oldest first, the last one now."""
    history_step: int = 600
    states: dict[str, int] = {}
    gate: tuple[GateLine, ...] = ()


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Who waits for the gate, and how late it is."""

    online: int = 0
    waiting: int = 0
    """Connections that nobody has spoken to yet: agents that come back."""
    per_second: int = 0
    """Logins that are got through meanwhile."""
    untold: int = 0
    """Agents that are still to be told what changed."""
    late_ms: int = 0
    """By which the gate was late in the last minute, where that was much."""
    cause: str = ""


class PeerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A peer as a device has it. The handshake is the latest that either told of."""

    id: DeviceID
    name: str
    endpoint: str = ""
    seen: bool = False
    """Either of the two said lately that they talk, straight to each other."""
    handshake_at: int | None = None


class RuleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule of the policy opens, from a device or to it."""

    outgoing: bool
    rule: str
    """`acls[3]`, and the `line` of the policy that it stands in."""
    line: int
    ports: str
    devices: int = 0
    names: tuple[str, ...] = ()
    """The first few."""
    nets: tuple[str, ...] = ()


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    rules: tuple[RuleFacts, ...] = ()
    by_peer: dict[str, tuple[tuple[bool, str, str], ...]] = {}
    """Of each peer: whether it is reached or reaches, on which ports, and by which rule."""


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    device: Device
    fqdn: str = ""
    since: int | None = None
    """When it connected."""
    behind: bool = False
    observed: tuple[tuple[str, int], ...] = ()
    """Endpoints at which others see it, and how many do."""
    talks: tuple[PeerFacts, ...] = ()
    """The first of its peers, those that it talks to before the others."""
    peers: int = 0
    logins: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    no_certificate: str = ""
    """Why its sshd has no certificate, or no newer one; empty where it has, or nothing is known of an sshd."""
    changes: tuple[AuditEntry, ...] = ()
    reached_by: tuple[tuple[int, str], ...] = ()
    """How many devices, on which ports."""
    reaches: tuple[tuple[int, str], ...] = ()


class UserFacts(msgspec.Struct, frozen=True, kw_only=True):
    user: User
    devices: tuple[Device, ...] = ()
    keys: tuple[UserKey, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    changes: tuple[AuditEntry, ...] = ()


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    generation: Generation
    signed: int = 0
    """Certificates of it that are valid."""
    trusted_by: int = 0
    of: int = 0


class Authorities(msgspec.Struct, frozen=True, kw_only=True):
    generations: tuple[Authority, ...] = ()
    valid: int = 0
    revoked: int = 0
    behind: tuple[tuple[str, str, int | None], ...] = ()
    """Devices that do not trust a pending generation yet: name, why, since."""


class PolicyState(msgspec.Struct, frozen=True, kw_only=True):
    current: PolicyVersion | None = None
    history: tuple[PolicyVersion, ...] = ()


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    line: int | None = None
    column: int | None = None
    hint: str | None = None


class TestCase(msgspec.Struct, frozen=True, kw_only=True):
    """One of the policy's own tests. `misses` are lines (from 1) with why they fail; empty where it passes."""

    name: str
    line: int
    claims: str
    misses: tuple[tuple[int, str], ...] = ()


class PolicyCheck(msgspec.Struct, frozen=True, kw_only=True):
    faults: tuple[Fault, ...] = ()
    tests: int = 0
    failed: int = 0
    cases: tuple[TestCase, ...] = ()


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Who reaches what: rows and columns of names, cells of ports (`""` for nothing)."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()


class PairChange(msgspec.Struct, frozen=True, kw_only=True):
    gained: bool
    source: str
    destination: str
    ports: str
    pairs: int


class PolicyDiff(msgspec.Struct, frozen=True, kw_only=True):
    pairs: tuple[PairChange, ...] = ()
    losing: tuple[tuple[str, str], ...] = ()
    """People who lose something, and what."""


class SettingRow(Record, frozen=True, kw_only=True):
    key: str
    value: str
    default: str
    about: str
    changed: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a command said. `status` is its exit code."""

    status: int = 0
    output: str = ""
    error: str = ""
    hint: str = ""
    wrote: bool = False
    """It was a deed: more than a look."""


class Me(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    user: UserName | None
    role: Role
    domain: Domain
    user_domain: Domain
    login_ends: int | None = None
    adds_devices: bool = True
    """Whether they may add a device that does not enroll itself, such as a phone."""
    approves_itself: bool = False
    """Whether what they add for themselves needs nobody's approval."""
    gate: str = "GATE"
    """Where the gate is reached, as `wardgate up` takes it."""
    ssh: str = "ssh -p 2222 NAME@GATE"
    """What the person types to get here."""

    @property
    def reads_only(self) -> bool:
        return self.role is Role.AUDITOR

    @property
    def member(self) -> bool:
        return self.role is Role.MEMBER


class Backend(Protocol):
    """`now`, `me`, `online` and `version` answer from memory; what is awaited may go to a thread."""

    def now(self) -> int:
        """Seconds since 1970."""
        ...

    def me(self) -> Me: ...

    def online(self, device: DeviceID) -> bool: ...

    def behind(self, device: DeviceID) -> bool:
        """Connected, and not told yet what changed for it."""
        ...

    def crowd(self) -> Crowd: ...

    def unconfirmed(self) -> tuple[int, int] | None:
        """The policy version that waits for confirmation, and the seconds that are left."""
        ...

    def has_samples(self) -> bool:
        """Whether there is sample data to remove."""
        ...

    def proves_a_way_in(self) -> bool:
        """Whether this session came after the version that waits, so that it can be confirmed here."""
        ...

    async def overview(self) -> Overview: ...

    async def rows(self, listing: Listing, query: Query) -> Rows: ...

    async def device(self, name: str) -> DeviceFacts: ...

    async def ways(self, device: DeviceFacts) -> Ways:
        """By which rules it reaches others and is reached. Slow in a large network; empty for who may not look."""
        ...

    async def user(self, name: str) -> UserFacts: ...

    async def authorities(self) -> Authorities: ...

    async def policy(self) -> PolicyState: ...

    async def check_policy(self, text: str) -> PolicyCheck: ...

    async def reach(self, text: str | None) -> Reach:
        """By `text`, or by the policy in force."""
        ...

    async def diff_policy(self, text: str) -> PolicyDiff: ...

    async def settings(self) -> tuple[SettingRow, ...]: ...

    async def preferences(self) -> dict[str, str]: ...

    async def prefer(self, key: str, value: str) -> None:
        """Keeps a choice of the person's own; an empty `value` takes it back."""
        ...

    async def draft(self) -> PolicyDraft | None:
        """The policy that the person was writing."""
        ...

    async def keep_draft(self, text: str, based_on: int) -> None: ...

    async def drop_draft(self) -> None: ...

    def resized(self, columns: int, rows: int) -> None:
        """The terminal's size from now on, for which commands lay out what they print."""
        ...

    async def perform(self, words: Sequence[str], stdin: str = "") -> Outcome:
        """Never raises for a refusal: it is in the outcome."""
        ...

    async def complete(self, words: Sequence[str]) -> Sequence[str]:
        """What the last word may become; it may be empty."""
        ...

    def follow(self, listener: Callable[[Sequence[Committed]], None]) -> Callable[[], None]:
        """Calls `listener` on the loop after each batch of changes; returns what ends it."""
        ...
