"""A network in memory, the same each time, behind the console's seam: for tests, pictures and figures.

Deeds change it as the gate would, as far as the screens can tell.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable, Sequence

import msgspec

from console.app.backend import (
    Authorities,
    Authority,
    Crowd,
    DeviceFacts,
    Fault,
    GateLine,
    Listing,
    Me,
    Need,
    Outcome,
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
from model import change as c
from model.errors import NotFound
from model.ids import DeviceID, Domain, EnrollmentKeyID, GenerationID, Serial, UserID, UserName, Version
from model.keys import SSHKey, WireGuardKey
from model.records import (
    AuditEntry,
    Certificate,
    CertificateKind,
    Device,
    DeviceState,
    EnrollmentKey,
    Generation,
    GenerationState,
    Name,
    NameType,
    PolicyDraft,
    PolicyVersion,
    Record,
    Role,
    Route,
    RouteState,
    User,
    UserKey,
    UserState,
)

NOW = 1_787_407_351
"""22 August 2026, 14:02:31Z."""
DAY, HOUR, MINUTE = 86400, 3600, 60
DOMAIN = Domain("example.com")

POLICY = """{
  // People, from the directory every 15 minutes.
  "groups": {
    "group:eng": ["alice@example.com", "carol@example.com"],
    "group:oncall": ["bob@example.com", "dave@example.com"],
    "group:finance": ["mara@example.com"],
  },
  "tagOwners": {
    "tag:web": ["group:eng"],
    "tag:db":  ["group:oncall"],
  },
  "acls": [
    // Everyone reaches the web tier; only it reaches data.
    {"action": "accept", "src": ["autogroup:member"],
     "dst": ["tag:web:443"]},
    {"action": "accept", "src": ["tag:web", "group:eng"],
     "dst": ["tag:db:5432"]},
    {"action": "accept", "src": ["tag:monitor"],
     "dst": ["*:9100"]},
    {"action": "accept", "src": ["autogroup:member"],
     "dst": ["autogroup:self:*"]},
  ],
  "ssh": [
    {"action": "check", "checkPeriod": "12h",
     "src": ["group:oncall"], "dst": ["tag:web"],
     "users": ["deploy", "autogroup:nonroot"]},
  ],
  "tests": [
    {"src": "mara@example.com", "accept": ["tag:web:443"], "deny": ["tag:db:5432"]},
  ],
}
"""


def key_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def ssh_key(text: str, algorithm: bytes = b"ssh-ed25519") -> SSHKey:
    raw = hashlib.sha256(text.encode()).digest()
    return SSHKey(len(algorithm).to_bytes(4, "big") + algorithm + (32).to_bytes(4, "big") + raw)


def a_device(number: int, name: str, **fields: object) -> Device:
    third, fourth = divmod(number, 250)
    known: dict[str, object] = {
        "id": DeviceID(str(number)),
        "name": name,
        "ipv4": f"100.{64 + third // 250}.{third % 250}.{fourth + 1}",
        "ipv6": f"fd7a:115c:a1e0::{number:x}",
        "wireguard_key": WireGuardKey(key_of(name)),
        "ssh_key": ssh_key(name),
        "state": DeviceState.APPROVED,
        "created_at": NOW - 200 * DAY,
        "approved_at": NOW - 200 * DAY,
        "os": "Debian 12.6",
        "agent_version": "1.0.0",
        "endpoints": (f"203.0.113.{number % 250 + 1}:41641", f"10.1.{number % 200}.24:41641"),
        "last_seen": NOW - 30,
    }
    known |= fields
    if not known.get("tags") and not known.get("user"):
        known["user"] = "alice@example.com"
    return Device(**known)  # type: ignore[arg-type]


def a_user(number: int, name: str, role: Role = Role.MEMBER, **fields: object) -> User:
    known: dict[str, object] = {
        "id": UserID(str(number)),
        "name": UserName(f"{name}@example.com"),
        "email": f"{name}@example.com",
        "role": role,
        "created_at": NOW - (400 - number) * DAY,
    }
    return User(**(known | fields))  # type: ignore[arg-type]


class Seeded:
    """`size` devices; the first few dozen are the ones that the pictures show."""

    def __init__(self, *, size: int = 1204, role: Role = Role.OWNER, me: str = "alice", empty: bool = False) -> None:
        self.clock = NOW
        self._me = Me(
            name=f"{me}@example.com",
            user=UserName(f"{me}@example.com"),
            role=role,
            domain=DOMAIN,
            user_domain=DOMAIN,
            login_ends=NOW + 7 * HOUR,
        )
        self.users: list[User] = []
        self.devices: dict[DeviceID, Device] = {}
        self.offline: set[DeviceID] = set()
        self.late: set[DeviceID] = set()
        self.waiting = Crowd()
        self.names: list[Name] = []
        self.certificates: list[Certificate] = []
        self.enrollment_keys: list[EnrollmentKey] = []
        self.entries: list[AuditEntry] = []
        self.policies: list[PolicyVersion] = []
        self.written: PolicyDraft | None = None
        self.saved: dict[str, str] = {}
        self.ran: list[tuple[str, ...]] = []
        self.stdins: list[str] = []
        self.refusal: Outcome | None = None
        self.delay: Callable[[], object] | None = None
        self._listeners: list[Callable[[Sequence[c.Committed]], None]] = []
        self._version = 48195
        self._random = random.Random(7)
        self._people()
        self.policies = [PolicyVersion(number=87, text=POLICY, created_at=NOW - 3000, created_by="carol@example.com")]
        if not empty:
            self._machines(size)
            self._signed()
            self._rest()
            self._history()

    # Seeds

    def _people(self) -> None:
        roles = {"alice": Role.OWNER, "bob": Role.OPERATOR, "carol": Role.ADMIN, "erin": Role.AUDITOR}
        groups = {"alice": ("group:eng",), "carol": ("group:eng",), "bob": ("group:oncall",), "dave": ("group:oncall",)}
        for at, name in enumerate(
            ["alice", "bob", "carol", "dave", "erin", "mara", "nils", "olga", "pavel", "quentin", "rosa"], 1
        ):
            state = UserState.DISABLED if name == "pavel" else UserState.ACTIVE
            self.users.append(a_user(at, name, roles.get(name, Role.MEMBER), groups=groups.get(name, ()), state=state))

    def _machines(self, size: int) -> None:
        rows: list[tuple[str, dict[str, object]]] = []
        for part, count in (("ci", 4), ("db", 4), ("web", 12), ("gw", 2), ("mon", 1)):
            tag = {"gw": "tag:router", "mon": "tag:monitor"}.get(part, f"tag:{part}")
            rows += [(f"{part}-fra-{n}", {"tags": (tag,)}) for n in range(1, count + 1)]
        rows += [(f"fra-kiosk-{n}", {"user": "dave@example.com", "expires_at": NOW + 61 * DAY}) for n in (1, 2)]
        rows += [
            ("fra-printer", {"tags": ("tag:office",), "state": DeviceState.DISABLED}),
            (
                "ci-fra-7",
                {
                    "user": "mara@example.com",
                    "state": DeviceState.PENDING,
                    "approved_at": None,
                    "created_at": NOW - 360,
                },
            ),
            (
                "thinkpad-mara",
                {
                    "user": "mara@example.com",
                    "state": DeviceState.PENDING,
                    "approved_at": None,
                    "created_at": NOW - 400,
                    "os": "Fedora 42",
                },
            ),
            ("laptop", {"user": "mara@example.com", "expires_at": NOW + 61 * DAY}),
            (
                "phone",
                {"user": "mara@example.com", "expires_at": NOW + 61 * DAY, "os": "Android 15", "agent_version": ""},
            ),
            ("tablet", {"user": "mara@example.com", "expires_at": NOW + 12 * DAY, "os": "iPadOS 18"}),
            ("desk", {"user": "alice@example.com", "expires_at": NOW + 140 * DAY, "os": "macOS 15"}),
            ("gw-ber-1", {"tags": ("tag:router",), "routes": (Route("10.20.0.0/16", RouteState.ADVERTISED),)}),
        ]
        cities = ("ber", "ams", "lis", "osl", "prg", "waw", "zrh", "rom")
        kinds = ("web", "db", "ci", "app", "gpu", "cache")
        for at in range(max(0, size - len(rows))):
            kind, city = kinds[at % len(kinds)], cities[at // len(kinds) % len(cities)]
            rows.append((f"{kind}-{city}-{at // 48 + 2}", {"tags": (f"tag:{kind}",)}))
        for number, (name, fields) in enumerate(rows, 1):
            self.devices[DeviceID(str(number))] = a_device(number, name, **fields)
        self._details()

    def _details(self) -> None:
        for device in list(self.devices.values()):
            number = int(device.id)
            if device.name in {"ci-fra-4", "fra-kiosk-2", "web-fra-3", "tablet"} or (number % 10 == 3 and number > 60):
                self.offline.add(device.id)
                ago = {"ci-fra-4": 3 * DAY, "fra-kiosk-2": 14 * HOUR, "web-fra-3": 22 * MINUTE}.get(
                    device.name, 6 * DAY
                )
                self._put(device, last_seen=NOW - ago)
            if device.name == "db-fra-2" or number in {70, 80, 90}:
                self._put(device, state=DeviceState.EXPIRED, expires_at=NOW - 31 * MINUTE)
            if device.name == "db-fra-4":
                self._put(device, tags=("tag:db", "tag:backup"))
            if device.name == "web-fra-5":
                routes = (Route("10.20.0.0/16", RouteState.APPROVED), Route("10.30.0.0/16", RouteState.ADVERTISED))
                self._put(device, tags=("tag:web", "tag:canary"), routes=routes, expires_at=NOW + 84 * DAY)

    def _put(self, device: Device, **fields: object) -> Device:
        new = msgspec.structs.replace(self.devices[device.id], **fields)
        self.devices[device.id] = new
        return new

    def _signed(self) -> None:
        def sign(
            serial: int, kind: str, device: str, left: int, life: int, user: str = "", revoked: bool = False
        ) -> None:
            who = UserName(f"{user}@example.com") if user else None
            principals = (str(who),) if who else (device, "100.64.0.9", f"{device}.example.com")
            self.certificates.append(
                Certificate(
                    serial=Serial(serial),
                    kind=CertificateKind(kind),
                    user=who,
                    device=device,  # type: ignore[arg-type]
                    key_id=f"{who}/{device}/{serial}" if who else f"{device}/{serial}",
                    principals=principals,
                    valid_after=NOW + left - life,
                    valid_before=NOW + left,
                    source_addresses=("100.64.0.9",) if who else (),
                    fingerprint=ssh_key(f"{serial}").fingerprint,
                    issued_at=NOW + left - life,
                    line=f"cert {serial}",
                    generation=GenerationID("user-3" if who else "host-2"),
                    revoked_at=NOW - 5000 if revoked else None,
                )
            )

        sign(20398, "user", "laptop", 9 * MINUTE, 16 * HOUR, "bob")
        sign(20401, "user", "phone", 31 * MINUTE, 8 * HOUR, "dave")
        sign(20388, "user", "tablet", 2 * HOUR, 8 * HOUR, "mara", revoked=True)
        sign(20405, "user", "desk", 4 * HOUR, 8 * HOUR, "carol")
        sign(20406, "user", "desk", 5 * HOUR, 8 * HOUR, "alice")
        sign(20412, "user", "laptop", 7 * HOUR, 8 * HOUR, "mara")
        sign(20417, "host", "web-fra-5", 11 * HOUR, 24 * HOUR)
        hosts = [device for device in self.devices.values() if device.tags][:70]
        for at, device in enumerate(hosts):
            sign(20420 + at, "host", device.name, 3 * HOUR + at * 2900, 7 * DAY if at > 8 else 24 * HOUR)

    def _rest(self) -> None:
        def name(label: str, kind: NameType, value: str, by: str, ago: int) -> None:
            self.names.append(
                Name(name=f"{label}.example.com", type=kind, value=value, created_at=NOW - ago, created_by=by)
            )  # type: ignore[arg-type]

        name("grafana", NameType.CNAME, "mon-fra-1.example.com", "alice@example.com", 40 * DAY)
        name("db", NameType.A, "100.64.0.5", "carol@example.com", 12 * DAY)
        name("db", NameType.AAAA, "fd7a:115c:a1e0::5", "carol@example.com", 12 * DAY)
        name("wiki", NameType.CNAME, "web-fra-1.example.com", "bob@example.com", 3 * DAY)
        name("_acme-challenge", NameType.TXT, "gfj9Xq…Rg85nM", "gate", 2 * HOUR)
        for device in list(self.devices.values())[:30]:
            name(device.name, NameType.A, device.ipv4, "device", 200 * DAY)
        for at, (who, uses, ends, made) in enumerate(
            (
                ("tag:ci", None, 5 * DAY, "bob"),
                ("mara@example.com", 1, 22 * HOUR, "alice"),
                ("tag:web tag:canary", 12, 30 * DAY, "carol"),
                ("dave@example.com", 0, HOUR, "dave"),
                ("tag:office", 3, -DAY, "bob"),
            )
        ):
            tags = tuple(who.split()) if who.startswith("tag:") else ()
            self.enrollment_keys.append(
                EnrollmentKey(
                    id=EnrollmentKeyID(f"k-{188 + at:04}"),
                    hash="",
                    user=None if tags else UserName(who),
                    tags=tags,  # type: ignore[arg-type]
                    uses_left=uses,
                    ephemeral=who == "tag:ci",
                    pre_approved=bool(tags),
                    created_at=NOW - (at + 1) * 9 * HOUR,
                    created_by=f"{made}@example.com",
                    expires_at=NOW + ends,
                    used_at=NOW - DAY if at != 1 else None,
                )
            )

    def _history(self) -> None:
        for ago, actor, action, subject in (
            (11848, "bob", "enrollment-keys create", "k-0192"),
            (10776, "gate", "certs renew", "28 devices"),
            (9269, "bob", "devices routes", "10.8.0.0/16"),
            (8276, "alice", "devices rename", "gw-ber-1"),
            (7551, "gate", "devices remove", "runner-0408"),
            (7220, "alice", "ca rotate", "user-4"),
            (6144, "gate", "gate backup", "311 MiB"),
            (5674, "mara", "certs revoke", "20388"),
            (4933, "bob", "devices tag", "web-fra-12"),
            (3778, "gate", "certs renew", "31 devices"),
            (3011, "carol", "users set-role", "dave"),
            (2986, "carol", "policy set", "version 87"),
            (1889, "gate", "devices expire", "db-fra-2"),
            (371, "mara", "devices enroll", "thinkpad-mara"),
            (280, "k-0188", "devices enroll", "runner-0417"),
            (267, "gate", "certs sign", "db-ber-3"),
            (2, "bob", "devices approve", "web-fra-12"),
        ):
            values: dict[str, object] = {}
            if action == "devices tag":
                values = {
                    "before": {"tags": ["tag:canary"], "user": None},
                    "after": {"tags": ["tag:web"], "user": None},
                }
            if action == "users set-role":
                values = {"before": {"role": "member"}, "after": {"role": "operator"}}
            self._note(actor, action, subject, at=NOW - ago, **values)

    def _note(self, actor: str, action: str, subject: str, at: int | None = None, **values: object) -> None:
        self._version += 1
        name = f"{actor}@example.com" if actor in {"alice", "bob", "carol", "mara", "dave"} else actor
        digest = hashlib.sha256(f"{self._version}{subject}".encode()).hexdigest()
        self.entries.append(
            AuditEntry(
                number=self._version,
                at=self.clock if at is None else at,
                actor=name,
                action=action,
                subject=subject,
                source="local" if actor == "gate" else "100.64.31.12",
                hash=digest,
                **values,  # type: ignore[arg-type]
            )
        )

    # The seam

    def now(self) -> int:
        return self.clock

    def me(self) -> Me:
        return self._me

    def online(self, device: DeviceID) -> bool:
        known = self.devices.get(device)
        return known is not None and device not in self.offline and known.state is DeviceState.APPROVED

    def behind(self, device: DeviceID) -> bool:
        return device in self.late

    def crowd(self) -> Crowd:
        return self.waiting

    def unconfirmed(self) -> tuple[int, int] | None:
        version = self.policies[-1]
        return None if version.confirm_by is None else (version.number, max(0, version.confirm_by - self.clock))

    def _named(self, name: str) -> Device:
        for device in self.devices.values():
            if name in {device.name, device.id}:
                return device
        raise NotFound(f'no device is called "{name}"', hint="`wardgate devices list` shows them")

    async def overview(self) -> Overview:
        devices = list(self.devices.values())
        if not devices:
            return Overview(people=len(self.users), policy=self.policies[-1].number)
        states = {state.value: sum(1 for d in devices if d.state is state) for state in DeviceState}
        online = sum(1 for d in devices if self.online(d.id))
        states |= {"online": online, "offline": states.pop("approved") - online}
        self.waiting = msgspec.structs.replace(self.waiting, online=online)
        pending = [d for d in devices if d.state is DeviceState.PENDING]
        expired = [d for d in devices if d.state is DeviceState.EXPIRED]
        needs = []
        if pending:
            names = ", ".join(d.name for d in pending)
            needs.append(
                Need(
                    state="waiting",
                    what=f"{len(pending)} devices ask to join",
                    detail=names,
                    since=NOW - 360,
                    go=("Devices", "state:pending"),
                    deed=("devices", "approve", *[d.name for d in pending]),
                )
            )
        if expired:
            needs.append(
                Need(
                    state="bad",
                    what=f"{len(expired)} devices expired",
                    detail=f"last {expired[0].name}",
                    since=NOW - 31 * MINUTE,
                    go=("Devices", "state:expired"),
                )
            )
        needs += [
            Need(
                state="waiting",
                what="User CA generation 4 is pending",
                detail="18 devices to trust it",
                since=NOW - 2 * HOUR,
                go=("Certificates",),
            ),
            Need(
                state="waiting",
                what="gw-ber-1 offers 10.20.0.0/16",
                detail="route not approved",
                since=NOW - 5 * HOUR,
                go=("Devices", "gw-ber-1"),
            ),
        ]
        history = [
            round(online * (0.82 + 0.17 / (1 + 2.718 ** (-(at - 80) / 6)) + self._wave(at))) for at in range(143)
        ]
        return Overview(
            devices=len(devices),
            online=online,
            people=212,
            certificates=1567,
            policy=self.policies[-1].number,
            needs=tuple(needs),
            changes=tuple(reversed(self.entries[-40:])),
            history=(*history, online),
            states=states,
            gate=tuple(
                GateLine(label=label, value=value, go=(go,) if go else ())
                for label, value, go in (
                    ("version", "1.0.0, up 41 d", ""),
                    ("agents", f"{online:,} connected", "Devices"),
                    ("promptness", "at once", ""),
                    ("change", "number 48212", "Activity"),
                    ("backup", "2 h ago", "Activity"),
                    ("user CA", "3 active, 4 pending", "Certificates"),
                    ("host CA", "2 active", "Certificates"),
                    ("KRL", "17 entries", "Certificates"),
                    ("policy", "version 87", "Access"),
                    ("disk", "61 % free", "Settings"),
                )
            ),
        )

    def _wave(self, at: int) -> float:
        return 0.012 * ((at * 7919) % 13 / 13 - 0.5)

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

    def follow(self, listener: Callable[[Sequence[c.Committed]], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, change: c.AnyChange) -> None:
        for listener in list(self._listeners):
            listener([c.Committed(Version(self._version), self.clock, change)])

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

    # Deeds

    async def perform(self, words: Sequence[str], stdin: str = "") -> Outcome:
        self.ran.append(tuple(words))
        self.stdins.append(stdin)
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            return refusal
        deed = getattr(self, "_do_" + "_".join(words[:2]).replace("-", "_"), None)
        if deed is None:
            return Outcome(output="done\n")
        try:
            said = deed(*words[2:], **({"stdin": stdin} if stdin else {}))
        except NotFound as missing:
            return Outcome(status=1, error=missing.message, hint=missing.hint or "")
        self._note(self._me.name.partition("@")[0], " ".join(words[:2]), words[2] if len(words) > 2 else "")
        return Outcome(output=said or "")

    def _do_devices_approve(self, *names: str) -> None:
        for name in names:
            device = self._put(self._named(name), state=DeviceState.APPROVED, approved_at=self.clock)
            self.tell(c.DeviceApproved(device=device))

    def _do_devices_disable(self, *names: str) -> None:
        for name in names:
            self.tell(c.DeviceDisabled(device=self._put(self._named(name), state=DeviceState.DISABLED)))

    def _do_devices_enable(self, *names: str) -> None:
        self._do_devices_approve(*names)

    def _do_devices_rename(self, name: str, new: str) -> None:
        device = self._put(self._named(name), name=new)
        self.tell(c.DeviceRenamed(device=device, was=name))  # type: ignore[arg-type]

    def _do_devices_tag(self, name: str, *tags: str) -> None:
        self.tell(c.DeviceTagged(device=self._put(self._named(name), tags=tags, user=None)))

    def _do_devices_expire(self, name: str, *when: str) -> None:
        self.tell(
            c.DeviceExpired(device=self._put(self._named(name), state=DeviceState.EXPIRED, expires_at=self.clock))
        )

    def _do_devices_remove(self, *names: str) -> None:
        for name in names:
            device = self._named(name)
            del self.devices[device.id]
            self.tell(c.DeviceRemoved(id=device.id, name=device.name))

    def _do_devices_list(self) -> str:
        return "\n".join(device.name for device in list(self.devices.values())[:50])

    def _do_certs_revoke(self, *serials: str) -> None:
        self.certificates = [
            msgspec.structs.replace(x, revoked_at=self.clock) if str(x.serial) in serials else x
            for x in self.certificates
        ]
        self.tell(c.CertificatesRevoked(revocations=()))

    def _do_enrollment_keys_create(self, *words: str) -> str:
        return json.dumps({"id": "k-0193", "key": "wge_5Jt93cQe0vY1kXw8rT2nBq4Lm.SHA256:8fKqLw"})

    def _do_gate_sample_data(self) -> str:
        self._machines(60)
        self._signed()
        self._rest()
        self._history()
        self.tell(c.SettingSet(key="sample", value=True))
        return "made 60 devices\n"

    def _do_policy_set(self, *words: str, stdin: str = "") -> str:
        number = self.policies[-1].number + 1
        wait = 60 if "--confirm-within" in words else None
        version = PolicyVersion(
            number=number,
            text=stdin,
            created_at=self.clock,
            created_by=self._me.name,
            confirm_by=self.clock + 60 if wait else None,
        )
        self.policies.append(version)
        self.tell(c.PolicySet(policy=version))
        return f"version {number}\n"

    def _do_policy_confirm(self) -> str:
        self.policies[-1] = msgspec.structs.replace(self.policies[-1], confirm_by=None)
        self.tell(c.PolicyConfirmed(number=self.policies[-1].number))
        return "confirmed\n"

    def _do_policy_rollback(self, *words: str) -> str:
        number = self.policies[-1].number + 1
        version = PolicyVersion(
            number=number, text=self.policies[-2].text, created_at=self.clock, created_by=self._me.name
        )
        self.policies.append(version)
        self.tell(c.PolicySet(policy=version))
        return f"version {number}\n"
