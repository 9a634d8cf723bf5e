"""The console's seam over the gate in this process: reads through its services, deeds through the command line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from console.app import gatedevices, gatelists, gatepolicy
from console.app.backend import (
    Authorities,
    Authority,
    Crowd,
    DeviceFacts,
    Listing,
    Me,
    Outcome,
    Overview,
    PolicyCheck,
    PolicyDiff,
    PolicyState,
    Query,
    Reach,
    Rows,
    SettingRow,
    UserFacts,
    UserRow,
    Ways,
)
from console.app.gateoverview import LOOKED_AT, Ending, overview
from console.app.memory import MemoryStreams
from gate import reached
from gate.faces import Terminal
from gate.roles import PERMISSIONS
from gate.services import (
    audit,
    authority,
    certificates,
    devices,
    drafts,
    enrollment_keys,
    health,
    hosting,
    logins,
    policies,
    preferences,
    queries,
    samples,
    settings,
    users,
)
from model.change import Committed
from model.errors import Denied, NotFound, WardgateError
from model.ids import DeviceID, UserName
from model.records import (
    AuditEntry,
    Certificate,
    CertificateKind,
    CertificateState,
    DeviceState,
    Generation,
    GenerationState,
    PolicyDraft,
    Role,
    User,
)
from model.sshd import TRUST_ATTRIBUTE, trust_mark

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from gate.actor import Actor
    from gate.gate import Gate
    from gate.operation import Operation

    class Runner(Protocol):
        """Runs a command as the command line does, and says where it did more than read."""

        def __call__(
            self, gate: Gate, actor: Actor, words: Sequence[str], streams: MemoryStreams, terminal: Terminal | None,
            *, on_deed: Callable[[], object],
        ) -> Awaitable[int]: ...  # fmt: skip


T = TypeVar("T")
MARGINS = 4
"""Cells that a screen leaves blank beside what a command prints."""
LATE = 0.1
"""Seconds that the gate may be late before a person is told."""
SORTS = {"owner": "user"}
"""Columns that the store calls otherwise."""


class GateBackend:
    """`runner` runs a command as the command line does. `terminal` gives the width that output is laid out for, until
    it is resized.
    """

    def __init__(self, gate: Gate, actor: Actor, terminal: Terminal, runner: Runner) -> None:
        self._gate = gate
        self._actor = actor
        self._terminal = terminal
        self._runner = runner
        self._counted: tuple[int, Counter[UserName]] = (-1, Counter())

    # From memory

    def now(self) -> int:
        return int(time.time())

    def me(self) -> Me:
        return me(self._gate, self._actor)

    def online(self, device: DeviceID) -> bool:
        return self._gate.presence.online(device)

    def behind(self, device: DeviceID) -> bool:
        return self._gate.presence.behind(device)

    def crowd(self) -> Crowd:
        (late, cause), crowd = self._gate.watch.worst, self._gate.watch.crowd()
        return Crowd(
            online=self._gate.presence.online_count,
            waiting=crowd.waiting,
            per_second=round(crowd.per_second),
            untold=crowd.untold,
            late_ms=round(late * 1000) if late > LATE else 0,
            cause=cause,
        )

    def unconfirmed(self) -> tuple[int, int] | None:
        version = self._gate.snapshot.policy
        if version is None or version.confirm_by is None:
            return None
        return version.number, max(0, version.confirm_by - self.now())

    def has_samples(self) -> bool:
        return samples.present(self._gate.snapshot)

    def proves_a_way_in(self) -> bool:
        version = self._gate.snapshot.policy
        return version is not None and policies.proves_a_way_in(self._actor.connection, version)

    def follow(self, listener: Callable[[Sequence[Committed]], None]) -> Callable[[], None]:
        return self._gate.subscribe(lambda old, new, changes: listener(changes))

    # Reads

    async def _ask(self, operation: Operation[Any, ..., T], **arguments: object) -> T:
        return await self._gate.perform(operation, self._actor, **arguments)

    async def overview(self) -> Overview:
        status = await self._ask(health.status)
        page = await self._ask(audit.list_audit, query=queries.Query(limit=60))
        changes = tuple(row for row in page.rows if isinstance(row, AuditEntry))
        return overview(self._gate, status, changes, await self._ending(), self.crowd(), self.now())

    async def _ending(self) -> Ending:
        first = queries.Query(where={"state": "valid", "kind": "host"}, sort="valid_before", limit=LOOKED_AT)
        hosts = (await self._ask(certificates.list_certificates, query=first)).rows
        last = queries.Query(where={"action": "gate backup"}, sort="number", descending=True, limit=1, exact=False)
        backups = (await self._ask(audit.list_audit, query=last)).rows
        try:
            keys = await self._ask(enrollment_keys.list_keys)
        except Denied:
            keys = ()
        return Ending(
            hosts=tuple(row for row in hosts if isinstance(row, Certificate)),
            keys=tuple(keys),
            backed_up_at=next((row.at for row in backups if isinstance(row, AuditEntry)), None),
        )

    async def rows(self, listing: Listing, query: Query) -> Rows:
        match listing:
            case Listing.DEVICES:
                return await self._paged(devices.list_devices, query)
            case Listing.CERTIFICATES:
                return await self._paged(certificates.list_certificates, query)
            case Listing.ACTIVITY:
                return await self._paged(audit.list_audit, query)
            case Listing.USERS:
                return await self._users(query)
            case Listing.NAMES:
                return await gatelists.names(self._gate, self._ask, query)
            case Listing.KEYS:
                return await gatelists.enrollment_keys(self._ask, query)

    async def _paged(self, operation: Operation[Any, ..., Any], query: Query) -> Rows:
        wanted = queries.Query(
            filter=query.filter,
            sort=SORTS.get(query.sort, query.sort),
            descending=query.descending,
            offset=query.offset,
            limit=query.limit,
            exact=query.exact,
        )
        page = await self._ask(operation, query=wanted)
        return Rows(page.rows, page.offset, page.total, page.more)

    async def _users(self, query: Query) -> Rows:
        found = await self._paged(users.list_users, query)
        owned = self._devices_of_users()
        people = [row for row in found.rows if isinstance(row, User)]
        wanted = queries.Query(where={"user": tuple(user.name for user in people), "state": "valid"}, limit=1000)
        issued = (await self._ask(certificates.list_certificates, query=wanted)).rows if people else ()
        valid = Counter(row.user for row in issued if isinstance(row, Certificate))
        rows = tuple(UserRow(user=user, devices=owned[user.name], certificates=valid[user.name]) for user in people)
        return Rows(rows, found.offset, found.total, found.more)

    def _devices_of_users(self) -> Counter[UserName]:
        snapshot = self._gate.snapshot
        if self._counted[0] != snapshot.version:
            owners = (device.user for device in snapshot.devices.values())
            self._counted = (snapshot.version, Counter(owner for owner in owners if owner))
        return self._counted[1]

    async def device(self, name: str) -> DeviceFacts:
        found = await self._ask(devices.show, name=name)
        snapshot = self._gate.snapshot
        issued = await self._paged_rows(certificates.list_certificates, f"device:{found.name}", 20)
        filters = snapshot.compiled.filter(found.id) if found.state is DeviceState.APPROVED else ()
        return DeviceFacts(
            device=found,
            fqdn=f"{found.name}.{snapshot.domain}",
            since=self._gate.presence.since(found.id),
            behind=self.behind(found.id),
            observed=gatedevices.observed(self._gate, found.id),
            talks=gatedevices.peers(self._gate, found),
            peers=len(snapshot.compiled.peers(found.id)) if found.state is DeviceState.APPROVED else 0,
            logins=tuple(snapshot.compiled.logins(found.id)),
            certificates=tuple(row for row in issued if isinstance(row, Certificate)),
            no_certificate=(await self._ask(hosting.host, name=found.name)).problem or "",
            changes=await self._changes(f"subject:{found.name}"),
            reached_by=gatepolicy.reached_by(filters),
        )

    async def ways(self, device: DeviceFacts) -> Ways:
        if device.device.state is not DeviceState.APPROVED:
            return Ways()
        try:
            found = await self._ask(policies.reach, name=device.device.name)
        except (Denied, NotFound):
            return Ways()
        return gatedevices.ways(found, (peer.name for peer in device.talks))

    async def user(self, name: str) -> UserFacts:
        view = await self._ask(logins.about, name=name)
        issued = await self._paged_rows(certificates.list_certificates, f"user:{view.user.name}", 50)
        return UserFacts(
            user=view.user,
            devices=view.devices,
            keys=view.keys,
            certificates=tuple(row for row in issued if isinstance(row, Certificate)),
            changes=await self._changes(f"actor:{view.user.name}"),
        )

    async def _paged_rows(self, operation: Operation[Any, ..., Any], filter: str, limit: int) -> tuple[Any, ...]:
        return (await self._paged(operation, Query(filter=filter, limit=limit))).rows

    async def _changes(self, filter: str) -> tuple[AuditEntry, ...]:
        """Empty for those who may not read the trail."""
        try:
            rows = await self._paged_rows(audit.list_audit, filter, 40)
        except Denied:
            return ()
        return tuple(row for row in rows if isinstance(row, AuditEntry))

    async def authorities(self) -> Authorities:
        views = await self._ask(authority.show)
        shown = [
            Authority(generation=view.generation, signed=view.living, trusted_by=view.taken, of=view.hosts)
            for view in views
        ]
        return Authorities(
            generations=tuple(shown),
            valid=await self._count("state:valid"),
            revoked=await self._count(f"state:{CertificateState.REVOKED.value}"),
            behind=tuple(late for view in views if pending(view.generation) for late in self._behind(view.generation)),
        )

    def _behind(self, generation: Generation) -> list[tuple[str, str, int | None]]:
        """Hosts whose agents keep sshd's trust, and have not said yet that it includes `generation`."""
        mark = trust_mark(generation.key.line)
        presence = self._gate.presence
        return [
            (device.name, "not told yet" if presence.online(device.id) else "offline", presence.last_seen(device.id))
            for device in self._gate.snapshot.devices.values()
            if (marks := device.attributes.get(TRUST_ATTRIBUTE)) is not None and mark not in marks.split()
        ]

    async def _count(self, filter: str) -> int:
        return (await self._paged(certificates.list_certificates, Query(filter=filter, limit=1))).total

    async def policy(self) -> PolicyState:
        history = await self._ask(policies.history, limit=200)
        return PolicyState(current=history[0] if history else None, history=history)

    async def check_policy(self, text: str) -> PolicyCheck:
        return await gatepolicy.check(self._ask, text)

    async def reach(self, text: str | None) -> Reach:
        return await gatepolicy.reach(self._gate, self._ask, text)

    async def diff_policy(self, text: str) -> PolicyDiff:
        return await gatepolicy.diff(self._gate, self._ask, text)

    async def settings(self) -> tuple[SettingRow, ...]:
        return tuple(gatelists.setting(view) for view in await self._ask(settings.list_settings))

    async def preferences(self) -> dict[str, str]:
        kept = self._gate.perform_now(preferences.mine, self._actor)
        return {key: value for key, value in kept.items() if isinstance(value, str)}

    async def prefer(self, key: str, value: str) -> None:
        await self._ask(preferences.choose, key=key, value=value)

    async def draft(self) -> PolicyDraft | None:
        return await self._ask(drafts.mine)

    async def keep_draft(self, text: str, based_on: int) -> None:
        await self._ask(drafts.keep, text=text, based_on=based_on)

    async def drop_draft(self) -> None:
        await self._ask(drafts.drop)

    # Deeds

    def resized(self, columns: int, rows: int) -> None:
        self._terminal = msgspec.structs.replace(self._terminal, columns=columns, rows=rows)

    async def perform(self, words: Sequence[str], stdin: str = "") -> Outcome:
        streams = MemoryStreams(stdin.encode())
        paper = msgspec.structs.replace(self._terminal, columns=max(20, self._terminal.columns - MARGINS))
        deeds: list[bool] = []
        status = await self._runner(self._gate, self._actor, words, streams, paper, on_deed=lambda: deeds.append(True))
        message, hint = streams.fault()
        if status == 0:
            return Outcome(output=streams.output, wrote=bool(deeds))
        return Outcome(status=status, output=streams.output, error=message, hint=hint)

    async def complete(self, words: Sequence[str]) -> Sequence[str]:
        from console.app.completion import complete

        try:
            return complete(words, self._gate.snapshot, self.me())
        except (WardgateError, NotFound):
            return ()


def me(gate: Gate, actor: Actor) -> Me:
    """Who `actor` is at this moment."""
    snapshot = gate.snapshot
    user = snapshot.users.get(actor.user) if actor.user else None
    life = snapshot.settings.get("login.life")
    ends = actor.login_at + life if actor.login_at and isinstance(life, int) else None
    return Me(
        name=actor.name,
        user=actor.user,
        role=user.role if user else actor.role,
        domain=snapshot.domain,
        user_domain=snapshot.user_domain,
        login_ends=ends,
        adds_devices=may("devices add", user.role if user else actor.role),
        approves_itself=snapshot.settings.get("devices.approval") == "automatic",
        gate=reached.target(snapshot.settings),
        ssh=reached.ssh(snapshot.settings, (actor.user or "NAME").partition("@")[0]),
    )


def may(operation: str, role: Role) -> bool:
    """What is not worth offering; the service decides all the same."""
    permission = PERMISSIONS[operation]
    return role in permission.network or role in permission.own


def pending(generation: Generation) -> bool:
    """Whether it is a user CA's key that hosts have still to trust."""
    return generation.state is GenerationState.PENDING and generation.kind is CertificateKind.USER
