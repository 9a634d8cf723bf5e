"""The lines that agents and the gate exchange: JSON objects in UTF-8, one a line, each with a `type`.

`docs/protocol.md` describes them for other programs. The gate's whole maps and deltas are in `model/netmap.py`.
A reader passes over fields that it does not know, so that either side may be newer than the other.
"""

from __future__ import annotations

from typing import TypeVar, get_args

import msgspec

from model.errors import Invalid, WardgateError
from model.ids import DeviceID, Endpoint, Prefix, quoted
from model.netmap import Delta, NetMap, NetMapDevice

MAX_CLIENT_LINE = 64 * 1024
MAX_GATE_LINE = 64 * 1024 * 1024


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """The base of all. Texts inside are as the other side wrote them: `model.ids` makes them what they claim to be."""


# From a device, at the enrollment door.


class Enroll(Line, frozen=True, kw_only=True, tag="enroll"):
    enrollment_key: str
    name: str
    wireguard_key: str
    os: str = ""
    agent_version: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    routes: tuple[Prefix, ...] = ()

    def __repr__(self) -> str:
        return f"Enroll(name={self.name!r}, wireguard_key={self.wireguard_key!r})"


class Proof(Line, frozen=True, kw_only=True, tag="proof"):
    """Answers a `Challenge`, once, on the connection that it came on."""

    mac: str
    """Base64 of `model.enrollment.proof_mac`."""


# From a device, at the peers door.


class Own(Line, frozen=True, kw_only=True):
    """What a device says of itself and for itself."""

    device: DeviceID | None = None
    """Who says it, where a client cares to: one that names another device is refused."""


class Hello(Own, frozen=True, kw_only=True, tag="hello"):
    """Resumes from the map of that version; 0 asks for a whole one."""

    version: int = 0
    digest: str = ""
    """Of the map held, as `model.netmap.digest` makes it; where it is right, nothing else is sent."""


class Endpoints(Own, frozen=True, kw_only=True, tag="endpoints"):
    """Where this device may be reached, best first; replaces what it said before."""

    endpoints: tuple[Endpoint, ...]


class Observed(Own, frozen=True, kw_only=True, tag="observed"):
    """At which endpoint it sees peers of its own map; replaces what it said before."""

    peers: dict[DeviceID, Endpoint]
    handshakes: dict[DeviceID, int] = {}
    """Seconds since the latest handshake with some of them: for operators to see."""


class Routes(Own, frozen=True, kw_only=True, tag="routes"):
    """The prefixes that it offers to route; replaces what it said before."""

    routes: tuple[Prefix, ...]


class Report(Own, frozen=True, kw_only=True, tag="report"):
    """What the device says of itself. Attributes are `node:...` only; values are text."""

    os: str = ""
    agent_version: str = ""
    attributes: dict[str, str] = {}


class HostCertificateRequest(Own, frozen=True, kw_only=True, tag="host-certificate"):
    """Answered by a `HostCertificate` or a `Refused`."""

    key: str
    """The line of the host's public key file."""
    prove: bool = False
    """The host can show that it holds the private key: answered by a `HostChallenge`."""
    proof: str = ""
    """Answers a `HostChallenge`, once: an armored SSH signature of `model.hostproof.proof_text` by `key`."""


class RotateKey(Own, frozen=True, kw_only=True, tag="rotate-key"):
    """Answered by a `Challenge` for the new key; after the `Proof` the device's own record changes in a delta."""

    wireguard_key: str


# From the gate, besides maps and deltas.


class Challenge(Line, frozen=True, kw_only=True, tag="challenge"):
    gate_key: str
    """An X25519 public key in base64, made for this one challenge."""
    nonce: str
    """Base64; serves once, on this connection."""


class Enrolled(Line, frozen=True, kw_only=True, tag="enrolled"):
    device: NetMapDevice


class HostChallenge(Line, frozen=True, kw_only=True, tag="host-challenge"):
    nonce: str
    """Base64; serves once, on this connection."""


class HostCertificate(Line, frozen=True, kw_only=True, tag="host-certificate"):
    certificate: str
    """The line of the certificate's file."""


class Refused(Line, frozen=True, kw_only=True, tag="refused"):
    """What was asked did not happen. Codes are those of `model.errors`."""

    code: str
    message: str
    hint: str | None = None
    retry_after: int | None = None
    """Seconds after which asking again makes sense; None where it makes none as things are."""
    about: str | None = None
    """The type of the line that is refused, where it asked for something to be sent back."""

    @classmethod
    def because(cls, error: WardgateError, retry_after: int | None = None, about: str | None = None) -> Refused:
        return cls(code=error.code, message=error.message, hint=error.hint, retry_after=retry_after, about=about)


EnrollmentClientLine = Enroll | Proof
EnrollmentGateLine = Challenge | Enrolled | Refused
PeersClientLine = Hello | Endpoints | Observed | Routes | Report | HostCertificateRequest | RotateKey | Proof
PeersGateLine = NetMap | Delta | Challenge | HostChallenge | HostCertificate | Refused

T = TypeVar("T")

enrollment_client_line: msgspec.json.Decoder[EnrollmentClientLine] = msgspec.json.Decoder(EnrollmentClientLine)
enrollment_gate_line: msgspec.json.Decoder[EnrollmentGateLine] = msgspec.json.Decoder(EnrollmentGateLine)
peers_client_line: msgspec.json.Decoder[PeersClientLine] = msgspec.json.Decoder(PeersClientLine)
peers_gate_line: msgspec.json.Decoder[PeersGateLine] = msgspec.json.Decoder(PeersGateLine)

_encoder = msgspec.json.Encoder()


def read_line(decoder: msgspec.json.Decoder[T], line: bytes, limit: int = MAX_CLIENT_LINE) -> T:
    """One line as what it says it is, or `Invalid`: too long, not UTF-8, too deep, not JSON, of an unknown type."""
    if len(line) > limit:
        raise Invalid(f"a line has at most {limit} bytes, this one has {len(line)} or more")
    try:
        line.decode()
        return decoder.decode(line)
    except UnicodeDecodeError as error:
        raise Invalid(f"a line is UTF-8, and the byte at {error.start} is not") from None
    except RecursionError:
        raise Invalid("a line's JSON is nested too deep") from None
    except msgspec.DecodeError as error:
        named, known = _type_of(line), {kind.__struct_config__.tag for kind in get_args(decoder.type)}
        if named is not None and named not in known:
            raise Invalid(
                f"lines of type {quoted(named)} are not known here", hint=f"known are {', '.join(sorted(known))}"
            ) from None
        raise Invalid(f"a line was not understood: {error}") from None


class _AnyLine(msgspec.Struct):
    type: str


def _type_of(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_AnyLine).type
    except (msgspec.DecodeError, RecursionError):
        return None


def write_line(message: msgspec.Struct) -> bytes:
    """`message` with its line end."""
    return _encoder.encode(message) + b"\n"
