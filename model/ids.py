"""Names and numbers that are types of their own, and the one place where text from outside becomes one.

Every parser here raises `Invalid` and returns the canonical form, so that what has the type is known to be good.
"""

from __future__ import annotations

import ipaddress
import re
import stringprep
import unicodedata
from typing import NewType

from model.errors import Invalid

UserID = NewType("UserID", str)
"""Decimal text, in the order of adding."""
DeviceID = NewType("DeviceID", str)
"""Decimal text, in the order of registration. Never used twice."""
EnrollmentKeyID = NewType("EnrollmentKeyID", str)
GenerationID = NewType("GenerationID", str)
"""`user-1`, `host-2`: which CA, and the how many-th key of it."""
UserName = NewType("UserName", str)
"""`local@domain`, prepared and case-folded."""
DeviceName = NewType("DeviceName", str)
"""One DNS label in lower case; the device's fully qualified name is this under the network's domain."""
Tag = NewType("Tag", str)
"""`tag:name`."""
Domain = NewType("Domain", str)
DNSName = NewType("DNSName", str)
"""A fully qualified name in lower case, without the last dot."""
Prefix = NewType("Prefix", str)
"""An IPv4 or IPv6 network in canonical text, always with its length."""
Address = NewType("Address", str)
"""An IPv4 or IPv6 address in canonical text."""
Endpoint = NewType("Endpoint", str)
"""A UDP `address:port`, IPv6 in brackets."""
Serial = NewType("Serial", int)
"""1 to 2**64 - 1; 0 cannot be revoked by a KRL and is never used."""
Version = NewType("Version", int)
"""The number of the last change that a snapshot or NetMap includes."""

RESERVED_USER_NAMES = frozenset({"device", "enroll", "gate"})
"""SSH user names that are doors; no person may have one as the local part."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE_LABEL = re.compile(r"_?[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
_LOCAL = re.compile(r"[^\s@:/\\,'\"`<>|;&$*?\x00-\x1f\x7f]{1,64}")
_TAG = re.compile(r"tag:[a-zA-Z][a-zA-Z0-9-]{0,62}")


def _quoted(text: str) -> str:
    """`text` made safe to stand in a one-line message: escapes for what is not printable, long text cut."""
    shown = text if len(text) <= 80 else text[:77] + "..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown) + '"'


def saslprep(text: str) -> str:
    """The SASLprep form (RFC 4013) of `text`, or `Invalid` where it holds a prohibited character."""
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    prepared = unicodedata.normalize("NFKC", mapped)
    prohibited = (
        stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
        stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
        stringprep.in_table_c9, stringprep.in_table_a1,
    )  # fmt: skip
    if any(table(c) for c in prepared for table in prohibited):
        raise Invalid(f"{_quoted(text)} holds a character that no name may have")
    right_to_left = any(stringprep.in_table_d1(c) for c in prepared)
    if right_to_left and (
        any(stringprep.in_table_d2(c) for c in prepared)
        or not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1]))
    ):
        raise Invalid(f"{_quoted(text)} mixes writing directions")
    return prepared


def domain(text: str) -> Domain:
    name = text.strip().rstrip(".").lower()
    labels = name.split(".")
    if not name or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid(f"{_quoted(text)} is not a domain name", hint="a domain reads like net.example.com")
    return Domain(name)


def dns_name(text: str, under: Domain) -> DNSName:
    """`text` as a fully qualified name; a bare label is taken as one under `under`. `_ssh._tcp` labels are legal."""
    name = text.strip().rstrip(".").lower()
    if "." not in name:
        name = f"{name}.{under}"
    if len(name) > 253 or not all(_SERVICE_LABEL.fullmatch(label) for label in name.split(".")):
        raise Invalid(
            f"{_quoted(text)} is not a DNS name", hint="labels are letters, digits and hyphens, up to 63 each"
        )
    return DNSName(name)


def user_name(text: str, default_domain: str) -> UserName:
    """`local@domain`; a bare local part is taken as one of `default_domain`. Prepared and case-folded."""
    prepared = saslprep(text).casefold()
    local, at, domain_part = prepared.rpartition("@")
    if not at:
        local, domain_part = prepared, default_domain
    if not _LOCAL.fullmatch(local) or local.startswith("-"):
        raise Invalid(f"{_quoted(text)} is not a user name", hint="a user name reads like alice or alice@example.com")
    if local in RESERVED_USER_NAMES:
        raise Invalid(f"{_quoted(text)} is reserved: {local} is the name of a door")
    return UserName(f"{local}@{domain(domain_part)}")


def new_user_name(name: UserName) -> UserName:
    """`name` for a new user. `Invalid` where no host could let them in: sshd takes what follows a `#` in its list of
    principals as a comment, within a name too, and there is no way of quoting (auth2-pubkeyfile.c). Nor may they be
    called `me`, which commands take for whoever types it."""
    if name.partition("@")[0] == "me":
        raise Invalid(f"{_quoted(name)} is reserved: me is whoever types it", hint="choose another name")
    if "#" in name:
        raise Invalid(
            f'{_quoted(name)} has a "#", and a person called so could log in to no host',
            hint="sshd reads the rest of the name as a comment; choose another name",
        )
    return name


def device_name(text: str) -> DeviceName:
    name = text.strip().lower()
    if not _LABEL.fullmatch(name):
        raise Invalid(f"{_quoted(text)} is not a device name", hint="1 to 63 letters, digits and hyphens, like db-1")
    return DeviceName(name)


def tag(text: str) -> Tag:
    if not _TAG.fullmatch(text):
        raise Invalid(f"{_quoted(text)} is not a tag", hint="a tag reads like tag:db")
    return Tag(text)


def prefix(text: str) -> Prefix:
    """A network in canonical text; a bare address becomes /32 or /128, host bits are an error."""
    try:
        return Prefix(str(ipaddress.ip_network(text.strip())))
    except ValueError:
        raise Invalid(
            f"{_quoted(text)} is not a prefix", hint="a prefix reads like 10.1.0.0/16 or fd00:1::/64"
        ) from None


def address(text: str) -> Address:
    try:
        parsed = ipaddress.ip_address(text.strip())
    except ValueError:
        raise Invalid(f"{_quoted(text)} is not an IP address") from None
    if getattr(parsed, "scope_id", None) or getattr(parsed, "ipv4_mapped", None):
        raise Invalid(f"{_quoted(text)} is not a plain IP address")
    return Address(str(parsed))


def endpoint(text: str) -> Endpoint:
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise Invalid(f"{_quoted(text)} is not an endpoint", hint="an endpoint reads like 192.0.2.1:51820")
    if host.startswith("[") and host.endswith("]"):
        return Endpoint(f"[{address(host[1:-1])}]:{int(port)}")
    if ":" in host:
        raise Invalid(f"{_quoted(text)} is not an endpoint", hint="write IPv6 in brackets, like [2001:db8::1]:51820")
    return Endpoint(f"{address(host)}:{int(port)}")


def serial(text: str) -> Serial:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:21]) < 2**64:
        raise Invalid(f"{_quoted(text)} is not a serial", hint="a serial is a number from 1; `certs list` shows them")
    return Serial(int(text))


quoted = _quoted
