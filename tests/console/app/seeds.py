"""A network in memory, the same each time: its people, machines, certificates, keys and history."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Sequence

import msgspec

from console.app.backend import (
    Crowd,
    Me,
    Outcome,
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
    Name,
    NameType,
    PolicyDraft,
    PolicyVersion,
    Role,
    Route,
    RouteState,
    User,
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


class Seeds:
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
            gate="gate.example.com",
            ssh=f"ssh -p 2222 {me}@gate.example.com",
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

    def now(self) -> int:
        return self.clock

    def online(self, device: DeviceID) -> bool:
        known = self.devices.get(device)
        return known is not None and device not in self.offline and known.state is DeviceState.APPROVED

    def _named(self, name: str) -> Device:
        for device in self.devices.values():
            if name in {device.name, device.id}:
                return device
        raise NotFound(f'no device is called "{name}"', hint="`wardgate devices list` shows them")

    def follow(self, listener: Callable[[Sequence[c.Committed]], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, change: c.AnyChange) -> None:
        for listener in list(self._listeners):
            listener([c.Committed(Version(self._version), self.clock, change)])
