"""Names: what operators set, and what resolves."""

from __future__ import annotations

import ipaddress
import re

import msgspec

import sshca
from gate.netmaps import names_of
from gate.operation import Call, reads, writes
from gate.services import certificates
from gate.services.queries import whole
from model import change as c
from model.errors import Conflict, Invalid, NotFound
from model.ids import DeviceName, DNSName, dns_name, quoted
from model.records import Certificate, Name, NameType
from store import Query, Reader, Transaction, names
from store import certificates as rows


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    name: DNSName
    type: str
    values: tuple[str, ...]
    ttl: int
    made_by: str
    """`device NAME`, or who set it."""


@reads("names list")
def list_names(r: Reader, call: Call) -> tuple[Answer, ...]:
    """Devices' own names and the records that were set."""
    found = []
    for device in call.snapshot.devices.values():
        name = DNSName(f"{device.name}.{call.snapshot.domain}")
        made_by = f"device {device.id}"
        found.append(Answer(name=name, type="A", values=(device.ipv4,), ttl=60, made_by=made_by))
        found.append(Answer(name=name, type="AAAA", values=(device.ipv6,), ttl=60, made_by=made_by))
    found += [
        Answer(name=DNSName(f"{one.device}.{call.snapshot.domain}"), type="SSHFP", values=host_keys(one), ttl=60,
               made_by=f"certificate {one.serial}")
        for one in _hosts(r)
    ]  # fmt: skip
    found += [
        Answer(name=n.name, type=n.type.value, values=(n.value,), ttl=n.ttl, made_by=n.created_by) for n in names.all(r)
    ]
    return tuple(sorted(found, key=lambda answer: (answer.name, answer.type)))


@reads("names lookup")
def lookup(r: Reader, call: Call, *, name: str, type: str | None = None) -> tuple[Answer, ...]:
    """What every device of the network is told of `name`; following a CNAME is the resolver's part."""
    wanted = dns_name(name, call.snapshot.domain)
    if type is not None and type.upper() not in set(NameType):
        raise Invalid(f"{quoted(type)} is not a record type", hint=f"types are {', '.join(NameType)}")
    records = [record for record in call.snapshot.names if record.name == wanted]
    known = names_of(call.snapshot.devices.values(), records, call.snapshot.domain).get(wanted, {})
    label = wanted.removesuffix(f".{call.snapshot.domain}")
    if label in call.snapshot.by_name and "SSHFP" not in known:
        issued = certificates.newest_host(r, call.snapshot.by_name[DeviceName(label)])
        known = {**known, "SSHFP": host_keys(issued)} if issued else known
    ttls = {record.type.value: (record.ttl, record.created_by) for record in records}
    found = tuple(
        Answer(name=wanted, type=kind, values=values, ttl=ttls.get(kind, (60, ""))[0],
               made_by=ttls.get(kind, (60, "the device's own name"))[1])
        for kind, values in sorted(known.items())
        if type is None or kind == type.upper()
    )  # fmt: skip
    if not found:
        raise NotFound(f"{wanted} has no record" + (f" of type {type.upper()}" if type else ""))
    return found


def host_keys(issued: Certificate) -> tuple[str, ...]:
    """SSHFP values (RFC 4255) of the host key that a certificate is for."""
    return sshca.sshfp([sshca.parse(issued.line).key])


def _hosts(r: Reader) -> tuple[Certificate, ...]:
    """The newest valid host certificate of each device."""
    query = Query(where={"kind": "host", "state": "valid"}, sort="serial", limit=1 << 31)
    found = {one.device_id: one for one in whole(r, rows.page, query).rows if isinstance(one, Certificate)}
    return tuple(one for one in found.values() if one.device_id is not None)


@writes("names set")
def set_name(tx: Transaction, call: Call, *, name: str, type: NameType, value: str, ttl: int = 300) -> Name:
    full = dns_name(name, call.snapshot.domain)
    checked = _value(type, value, call)
    label = full.removesuffix(f".{call.snapshot.domain}")
    if label in call.snapshot.by_name and type in {NameType.A, NameType.AAAA, NameType.CNAME}:
        raise Conflict(
            f"{full} is the name of a device", hint=f"rename the device: wardgate devices rename {label} NEW"
        )
    if not 1 <= ttl <= 86400 * 7:
        raise Invalid(f"a ttl is 1 to 604800 s, not {ttl}")
    others = [record.type for record in names.of(tx, full)]
    if (type is NameType.CNAME and set(others) - {NameType.CNAME}) or (
        type is not NameType.CNAME and NameType.CNAME in others
    ):
        raise Conflict(f"{full} has other records, and a CNAME stands alone", hint="remove them first: names remove")
    record = names.put(tx, full, type, checked, ttl, call.actor.name)
    tx.record(c.NameSet(name=record))
    call.audit(tx, full, after={"type": type.value, "value": checked, "ttl": ttl})
    return record


def _value(type: NameType, value: str, call: Call) -> str:
    try:
        match type:
            case NameType.A:
                return str(ipaddress.IPv4Address(value))
            case NameType.AAAA:
                return str(ipaddress.IPv6Address(value))
            case NameType.CNAME:
                return dns_name(value, call.snapshot.domain)
            case NameType.TXT:
                if len(value.encode()) <= 255 and value.isprintable():
                    return value
            case NameType.SSHFP:
                if re.fullmatch(r"[1-6] [12] [0-9A-Fa-f]{40,64}", value):
                    return value.upper()
    except ValueError:
        pass
    raise Invalid(
        f"{quoted(value)} is not a value of type {type.value}",
        hint="A takes an IPv4 address, AAAA an IPv6 address, CNAME a name, TXT up to 255 bytes, SSHFP `4 2 HEX`",
    )


@writes("names remove")
def remove(
    tx: Transaction, call: Call, *, name: str, type: NameType | None = None, value: str | None = None
) -> tuple[Name, ...]:
    full = dns_name(name, call.snapshot.domain)
    gone = names.remove(tx, full, type, value)
    if not gone:
        raise NotFound(f"no record was set for {full}", hint="`names list` shows them")
    for record in gone:
        tx.record(c.NameRemoved(name=record.name, type=record.type, value=record.value))
    call.audit(tx, full, before={f"{n.type.value} {n.value}": n.ttl for n in gone})
    return gone
