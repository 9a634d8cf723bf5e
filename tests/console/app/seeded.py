"""The network in memory behind the console's seam: for tests, pictures and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from seededdeeds import Deeds
from seededoverview import overview
from seeds import DAY, DOMAIN, NOW, a_device, ssh_key

from console.app.backend import (
    Authorities,
    Authority,
    Crowd,
    DeviceFacts,
    Fault,
    Listing,
    Me,
    Overview,
    PairChange,
    PeerFacts,
    PolicyCheck,
    PolicyDiff,
    PolicyState,
    Query,
    Reach,
    Rows,
    RuleFacts,
    SettingRow,
    UserFacts,
    UserRow,
    Ways,
)
from model.ids import DeviceID, GenerationID
from model.records import (
    Certificate,
    CertificateKind,
    Device,
    DeviceState,
    Generation,
    GenerationState,
    PolicyDraft,
    Record,
    Role,
    UserKey,
)

__all__ = ["NOW", "Seeded", "a_device"]


class Seeded(Deeds):
    """`size` devices; the first few dozen are the ones that the pictures show."""

    def me(self) -> Me:
        return self._me

    def behind(self, device: DeviceID) -> bool:
        return device in self.late

    def crowd(self) -> Crowd:
        return self.waiting

    def unconfirmed(self) -> tuple[int, int] | None:
        version = self.policies[-1]
        return None if version.confirm_by is None else (version.number, max(0, version.confirm_by - self.clock))

    def has_samples(self) -> bool:
        return False

    def proves_a_way_in(self) -> bool:
        return True

    async def overview(self) -> Overview:
        return overview(self)

    async def rows(self, listing: Listing, query: Query) -> Rows:
        everything: Sequence[Record] = {
            Listing.DEVICES: lambda: list(self.devices.values()),
            Listing.USERS: self._user_rows,
            Listing.CERTIFICATES: lambda: self.certificates,
            Listing.NAMES: lambda: self.names,
            Listing.KEYS: lambda: self.enrollment_keys,
            Listing.ACTIVITY: lambda: self.entries,
        }[listing]()
        if self._me.role is Role.MEMBER:
            everything = [row for row in everything if getattr(row, "user", None) == self._me.user]
        found = [row for row in everything if self._matches(row, query.filter)]
        found.sort(key=lambda row: self._sort_key(row, query.sort), reverse=query.descending)
        return Rows(tuple(found[query.offset : query.offset + query.limit]), query.offset, len(found))

    def _user_rows(self) -> list[Record]:
        devices = [device.user for device in self.devices.values()]
        certificates = [
            certificate.user for certificate in self.certificates if certificate.state(self.clock) == "valid"
        ]
        return [
            UserRow(user=u, devices=devices.count(u.name), certificates=certificates.count(u.name)) for u in self.users
        ]

    def _matches(self, row: Record, text: str) -> bool:
        kept = ("name", "user", "tags", "ipv4", "os", "key_id", "actor", "action", "subject", "value", "role", "id")
        fields = msgspec.to_builtins(row.user if isinstance(row, UserRow) else row) if text else {}
        body = json.dumps([fields.get(key) for key in kept]).lower()
        for word in text.lower().split():
            key, colon, value = word.partition(":")
            if colon and key in {"state", "user", "device"}:
                found = (
                    row.state(self.clock) if isinstance(row, Certificate) and key == "state" else getattr(row, key, "")
                )
                if str(found) != value:
                    return False
            elif word not in body:
                return False
        return True

    def _sort_key(self, row: Record, sort: str) -> tuple[bool, object]:
        value = getattr(row, sort, None)
        if value is None and isinstance(row, UserRow):
            value = getattr(row.user, sort, None)
        if sort == "owner":
            value = getattr(row, "user", None) or " ".join(getattr(row, "tags", ()))
        if isinstance(value, str):
            parts = "".join(ch if ch.isdigit() else f" {ch} " for ch in value).split()
            return value is None, [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]
        return value is None, value if value is not None else 0

    async def device(self, name: str) -> DeviceFacts:
        device = self._named(name)
        return DeviceFacts(
            device=device,
            fqdn=f"{device.name}.{DOMAIN}",
            since=self.clock - 3 * DAY if self.online(device.id) else None,
            behind=device.id in self.late,
            observed=((device.endpoints[0], 11), ("198.51.100.7:4021", 1)),
            talks=tuple(self._talks(device)),
            peers=212,
            logins=("deploy", "ubuntu"),
            certificates=tuple(x for x in self.certificates if x.device == device.name),
            changes=tuple(e for e in reversed(self.entries) if e.subject == device.name),
        )

    def _talks(self, device: Device) -> list[PeerFacts]:
        others = [other for other in self.devices.values() if other.name[:2] in {"gw", "db", "mo"} and other != device]
        return [
            PeerFacts(
                id=other.id,
                name=other.name,
                endpoint=other.endpoints[0] if at < 4 else "",
                seen=at < 4,
                handshake_at=self.clock - 41 - 30 * at if at < 4 else None,
            )
            for at, other in enumerate(others[:20])
        ]

    async def ways(self, device: DeviceFacts) -> Ways:
        if device.device.state is not DeviceState.APPROVED:
            return Ways()
        web = tuple(f"web-{city}-2" for city in ("ber", "ams", "lis"))
        rules = (
            RuleFacts(outgoing=True, rule="acls[1]", line=16, ports="5432", devices=12, names=("db-fra-1", "db-fra-3")),
            RuleFacts(outgoing=False, rule="acls[0]", line=14, ports="443", devices=388, names=web),
            RuleFacts(outgoing=False, rule="acls[3]", line=22, ports="22", devices=6, names=("desk", "laptop")),
        )
        databases = [peer.name for peer in device.talks if peer.name.startswith("db")]
        return Ways(rules=rules, by_peer=dict.fromkeys(databases, ((True, "5432", "acls[1]"),)))

    async def user(self, name: str) -> UserFacts:
        user = next(u for u in self.users if name in {u.name, u.name.partition("@")[0]})
        local = user.name.partition("@")[0]
        keys = [
            UserKey(
                id="1",
                user=user.name,
                key=ssh_key(local, b"sk-ssh-ed25519@openssh.com"),
                comment="yubikey 5C",
                added_at=NOW - 9 * DAY,
            ),
            UserKey(
                id="2", user=user.name, key=ssh_key(local + "2"), comment=f"{local}@laptop", added_at=NOW - 90 * DAY
            ),
        ]
        return UserFacts(
            user=user,
            devices=tuple(d for d in self.devices.values() if d.user == user.name),
            keys=tuple(keys),
            certificates=tuple(x for x in self.certificates if x.user == user.name),
            changes=tuple(e for e in reversed(self.entries) if e.actor == user.name),
        )

    async def authorities(self) -> Authorities:
        def generation(id: str, state: GenerationState, ago: int, signed: int, trusted: int) -> Authority:
            kind = CertificateKind(id.partition("-")[0])
            return Authority(
                generation=Generation(
                    id=GenerationID(id), kind=kind, key=ssh_key(id), state=state, created_at=NOW - ago
                ),
                signed=signed,
                trusted_by=trusted,
                of=1189,
            )

        offline = [(d.name, "offline", d.last_seen) for d in self.devices.values() if d.id in self.offline][:17]
        return Authorities(
            generations=(
                generation("user-4", GenerationState.PENDING, 7200, 0, 1171),
                generation("user-3", GenerationState.ACTIVE, 163 * DAY, 396, 1189),
                generation("user-2", GenerationState.RETIRED, 353 * DAY, 0, 0),
                generation("host-2", GenerationState.ACTIVE, 230 * DAY, 1171, 1189),
                generation("host-1", GenerationState.TRUSTED, 595 * DAY, 0, 1189),
            ),
            valid=1567,
            revoked=17,
            behind=(("hpc-ber-9", "sshd -t refused it", NOW), *offline),
        )

    async def policy(self) -> PolicyState:
        return PolicyState(current=self.policies[-1], history=tuple(reversed(self.policies)))

    async def check_policy(self, text: str) -> PolicyCheck:
        for number, line in enumerate(text.splitlines(), 1):
            if '"group:oncal"' in line:
                fault = Fault(
                    message='no group is called "group:oncal"',
                    line=number,
                    column=line.index("group:oncal") + 1,
                    hint="did you mean group:oncall?",
                )
                return PolicyCheck(faults=(fault,), tests=12)
        if text.count("{") != text.count("}"):
            return PolicyCheck(faults=(Fault(message="a brace is not closed", line=text.count("\n") or 1, column=1),))
        return PolicyCheck(tests=12)

    async def reach(self, text: str | None) -> Reach:
        return Reach(
            rows=("group:eng", "group:oncall", "group:finance", "tag:web", "tag:ci", "tag:monitor"),
            columns=("tag:web", "tag:db", "tag:ci", "own"),
            cells=(
                ("443", "5432", "", "all"),
                ("443", "", "22", "all"),
                ("443", "", "", "all"),
                ("", "5432", "", ""),
                ("443", "", "", ""),
                ("9100", "9100", "9100", ""),
            ),
        )

    async def diff_policy(self, text: str) -> PolicyDiff:
        if text == self.policies[-1].text:
            return PolicyDiff()
        return PolicyDiff(
            pairs=(
                PairChange(gained=True, source="group:oncall", destination="tag:db", ports="5432", pairs=35),
                PairChange(gained=True, source="group:oncall", destination="tag:web", ports="22", pairs=120),
                PairChange(gained=False, source="group:eng", destination="tag:db", ports="5432", pairs=63),
            ),
            losing=(("alice@example.com", "tag:db 5432"), ("carol@example.com", "tag:db 5432")),
        )

    async def settings(self) -> tuple[SettingRow, ...]:
        return tuple(
            SettingRow(key=key, value=value, default=default, about=about, changed=value != default)
            for key, value, default, about in (
                ("domain", "example.com", "example.com", "the domain that device names stand under"),
                ("ipv4", "100.64.0.0/10", "100.64.0.0/10", "the range of IPv4 addresses"),
                ("ipv6", "fd7a:115c:a1e0::/48", "fd7a:115c:a1e0::/48", "the range of IPv6 addresses"),
                ("gate.addresses", "gate.example.com:2222", "", "where people and agents reach the gate"),
                ("devices.approval", "by-hand", "by-role", "devices that people enroll are approved at once"),
                ("devices.key-life", "180d", "180d", "how long a person's device stays approved"),
                ("certificates.user-life", "8h", "16h", "default life of a user certificate"),
                ("certificates.host-life", "7d", "7d", "life of a host certificate"),
                ("login.passwords", "off", "on", "people may log in with passwords"),
                ("login.second-factor", "operators", "off", "who must give a second factor with a password"),
                ("names.resolvers", "9.9.9.9", "", "DNS servers that devices ask for all other names"),
            )
        )

    async def preferences(self) -> dict[str, str]:
        return self.saved

    async def prefer(self, key: str, value: str) -> None:
        self.saved[key] = value

    async def draft(self) -> PolicyDraft | None:
        return self.written

    async def keep_draft(self, text: str, based_on: int) -> None:
        self.written = PolicyDraft(based_on=based_on, text=text, kept_at=self.clock)

    async def drop_draft(self) -> None:
        self.written = None

    async def complete(self, words: Sequence[str]) -> Sequence[str]:
        nouns = {
            "devices": ("approve", "expire", "list", "remove", "rename", "tag"),
            "policy": ("check", "diff", "set"),
            "users": ("add", "list"),
            "certs": ("list", "revoke"),
            "audit": ("list",),
        }
        last = words[-1] if words else ""
        if len(words) <= 1:
            found: Sequence[str] = sorted(nouns)
        elif len(words) == 2:
            found = nouns.get(words[0], ())
        else:
            found = [device.name for device in self.devices.values()]
        return [word for word in found if word.startswith(last)]
