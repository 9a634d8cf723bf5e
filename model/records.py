"""The rows of a network, as values. Times are seconds since 1970 in UTC; absent is None."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from model.ids import (
    Address,
    DeviceID,
    DeviceName,
    DNSName,
    Endpoint,
    EnrollmentKeyID,
    GenerationID,
    Prefix,
    Serial,
    Tag,
    UserID,
    UserName,
)
from model.keys import SSHKey, WireGuardKey


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Change one with `msgspec.structs.replace`."""


class Role(StrEnum):
    """From most to least. `gate/roles.py` says what each may do."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    MEMBER = "member"


class UserState(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class User(Record, frozen=True, kw_only=True):
    id: UserID
    name: UserName
    email: str | None = None
    role: Role = Role.MEMBER
    state: UserState = UserState.ACTIVE
    service: bool = False
    """A service user has keys and never logs in with a password or a provider."""
    created_at: int
    groups: tuple[str, ...] = ()
    """Groups that a provider's claim gave, as the policy names them (`group:eng`)."""


class UserKey(Record, frozen=True, kw_only=True):
    """A public key that lets a person in at the people door."""

    id: str
    user: UserName
    key: SSHKey
    comment: str = ""
    added_at: int
    expires_at: int | None = None
    break_glass: bool = False
    """Kept offline by an owner, for the day when nothing else lets them in: each use of it is told to all."""
    proved_at: int | None = None
    """When whoever came with it first showed that they hold its private half; None for a mere claim."""


class RouteState(StrEnum):
    ADVERTISED = "advertised"
    """The device offers it; nobody approved it: it counts for nothing."""
    APPROVED = "approved"
    """Offered and approved: it counts."""
    WITHDRAWN = "withdrawn"
    """Approved, and not offered now: it counts for nothing."""

    @property
    def said(self) -> str:
        """For people, who may have approved it before the device ever offered it."""
        return "approved, not offered" if self is RouteState.WITHDRAWN else self.value


class Route(msgspec.Struct, frozen=True, order=True):
    prefix: Prefix
    state: RouteState

    @property
    def exit(self) -> bool:
        return self.prefix in {"0.0.0.0/0", "::/0"}


class DeviceState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    EXPIRED = "expired"
    DISABLED = "disabled"


class Device(Record, frozen=True, kw_only=True, gc=False):
    """A machine in the network. There are many; none is ever part of a circle, so the collector need not look.

    enroll ─▶ pending ─▶ approved ─▶ expired ─▶ (approved again, or removed)
                             │  ▲
                             ▼  │
                           disabled

    Only an approved Device has peers, a filter that lets anything in, and certificates.
    """

    id: DeviceID
    name: DeviceName
    user: UserName | None = None
    """The owner; None exactly where `tags` is not empty."""
    tags: tuple[Tag, ...] = ()
    ipv4: Address
    ipv6: Address
    wireguard_key: WireGuardKey
    ssh_key: SSHKey | None = None
    """The key that it shows at the agents' door; None for a device that never asks (a phone with a QR code)."""
    state: DeviceState = DeviceState.PENDING
    created_at: int
    approved_at: int | None = None
    expires_at: int | None = None
    ephemeral: bool = False
    """Removed when it has been offline for as long as `settings` says."""
    endpoints: tuple[Endpoint, ...] = ()
    routes: tuple[Route, ...] = ()
    os: str = ""
    agent_version: str = ""
    attributes: dict[str, str] = {}
    """Posture attributes: `node:…` as the agent reports them, `custom:…` as an operator sets them."""
    last_seen: int | None = None

    @property
    def addresses(self) -> tuple[Address, Address]:
        return self.ipv4, self.ipv6

    @property
    def rank(self) -> int:
        """Order of registration, which decides a prefix's primary router."""
        return int(self.id)


class EnrollmentKeyState(StrEnum):
    OPEN = "open"
    USED_UP = "used-up"
    EXPIRED = "expired"
    REVOKED = "revoked"


class EnrollmentKey(Record, frozen=True, kw_only=True):
    """Lets a Device join. The key itself is shown once; only `hash` is kept."""

    id: EnrollmentKeyID
    hash: str
    """SHA-256 in hex of the whole key text."""
    user: UserName | None = None
    tags: tuple[Tag, ...] = ()
    uses_left: int | None = 1
    """None means unlimited."""
    ephemeral: bool = False
    pre_approved: bool = False
    created_at: int
    created_by: str
    expires_at: int
    revoked_at: int | None = None
    used_at: int | None = None

    def state(self, now: int) -> EnrollmentKeyState:
        """Whether it lets a device in now, and what keeps it from that otherwise."""
        if self.revoked_at is not None:
            return EnrollmentKeyState.REVOKED
        if self.uses_left == 0:
            return EnrollmentKeyState.USED_UP
        return EnrollmentKeyState.OPEN if self.expires_at > now else EnrollmentKeyState.EXPIRED


class PolicyVersion(Record, frozen=True, kw_only=True):
    number: int
    text: str
    created_at: int
    created_by: str
    note: str = ""
    confirm_by: int | None = None
    """A version that waits for confirmation goes back at this time unless it comes."""


class PolicyDraft(Record, frozen=True, kw_only=True):
    """A policy that somebody writes and has not set. `based_on` is the version in force when they began."""

    based_on: int
    text: str
    kept_at: int


class NameType(StrEnum):
    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    TXT = "TXT"
    SSHFP = "SSHFP"


class Name(Record, frozen=True, kw_only=True):
    """A record that an operator set; devices have theirs without one."""

    name: DNSName
    type: NameType
    value: str
    ttl: int = 300
    created_at: int
    created_by: str


class CertificateKind(StrEnum):
    USER = "user"
    HOST = "host"


class CertificateState(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Certificate(Record, frozen=True, kw_only=True):
    serial: Serial
    kind: CertificateKind
    key_id: str
    user: UserName | None = None
    device: DeviceName | None = None
    device_id: DeviceID | None = None
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    source_addresses: tuple[Address, ...] = ()
    fingerprint: str
    """Of the subject's public key."""
    generation: GenerationID
    issued_at: int
    revoked_at: int | None = None
    line: str
    """The certificate as its file has it, without a comment."""
    how: str = ""
    """Who asked, and by which login: `alice@example.com by password from 192.0.2.1`."""
    rule: str = ""
    """Which row of the claims decided its life and options."""
    consent: str | None = None
    """The id of the `Consent` that it needed and had; None where none was asked."""
    consented_by: str | None = None
    """The second operator whose consent that is."""
    key_proved: bool = False
    """The host showed that it holds the key's private half."""

    def state(self, now: int) -> CertificateState:
        if self.revoked_at is not None:
            return CertificateState.REVOKED
        return CertificateState.EXPIRED if now >= self.valid_before else CertificateState.VALID


class Consent(Record, frozen=True, kw_only=True):
    """A certificate that waits for a second operator, or had one: of one key, on one device."""

    id: str
    device: DeviceName
    user: UserName | None = None
    fingerprint: str
    """Of the key to be signed."""
    principals: tuple[str, ...]
    asked_at: int
    asked_by: str
    given_at: int | None = None
    given_by: str | None = None
    until: int | None = None
    """Until when it counts, once given."""


class Revocation(Record, frozen=True, kw_only=True):
    """What a KRL lists. Exactly one of serial, key, key_id, fingerprint is given."""

    number: int
    serial: Serial | None = None
    generation: GenerationID | None = None
    """Whose serial it is: serials count per CA key in a KRL, and are unique over all here."""
    key: SSHKey | None = None
    key_id: str | None = None
    fingerprint: str | None = None
    """Of a key that is not at hand itself: `SHA256:` and unpadded base64."""
    at: int
    by: str
    reason: str = ""
    until: int | None = None
    """When the certificate of `serial` is over by itself; None where that is not known, and for all else."""
    through: Serial | None = None
    """The last of a row of serials that begins with `serial`, of whichever CA: a restored gate does not know them."""


class GenerationState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    TRUSTED = "trusted"
    RETIRED = "retired"


class Generation(Record, frozen=True, kw_only=True):
    """One CA key in its life.

    pending ─▶ active ─▶ trusted ─▶ retired
    (trusted,   (signs)   (signs no   (trusted
    not signing)          more)       no more)

    One generation of a kind is active at a time; all but the retired are in everyone's trust.
    """

    id: GenerationID
    kind: CertificateKind
    key: SSHKey
    state: GenerationState
    backend: str = "file"
    """Where the private key is: `file`, `agent`, `pkcs11`."""
    created_at: int
    activated_at: int | None = None
    trusted_until: int | None = None
    """When its last certificate ends, known once it signs no more."""
    retired_at: int | None = None


class AuditEntry(Record, frozen=True, kw_only=True):
    number: int
    at: int
    actor: str
    """A user's name, `local:UID`, `device:NAME`, or `gate` for what happens by itself."""
    action: str
    """`devices approve`: the command, or what happened in its words."""
    subject: str
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None
    source: str
    """Where it came from: an address, `local`, or `gate`."""
    hash: str
    """SHA-256 over the entry before and this one without `hash`: a removed or changed entry shows."""


class Page(msgspec.Struct, frozen=True):
    """A part of a long list: `rows` from `offset` on, of `total` that match, or of more where `more` says so."""

    rows: tuple[Record, ...]
    offset: int
    total: int
    more: bool = False
