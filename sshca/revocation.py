"""Key revocation lists as sshd reads them (OpenSSH's PROTOCOL.krl): made here, and read for tests and people."""

from __future__ import annotations

import base64
import binascii
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Final

import msgspec

from model.errors import Invalid
from model.ids import GenerationID, quoted
from model.keys import SSHKey
from model.records import Revocation
from sshca.serials import SERIAL_BITMAP, SERIAL_LIST, SERIAL_RANGE, serial_range, serial_sections
from sshca.wire import Reader, string, strings, text

MAGIC: Final = 0x5353484B524C0A00
FORMAT_VERSION: Final = 1
CERTIFICATES: Final = 1
EXPLICIT_KEY: Final = 2
FINGERPRINT_SHA1: Final = 3
SIGNATURE: Final = 4
FINGERPRINT_SHA256: Final = 5
KEY_ID: Final = 0x23
_SERIAL: Final = attrgetter("serial")
_GENERATION: Final = attrgetter("generation")


LONG_OVER: Final = 30 * 86400
"""Seconds after a certificate's end: no host's clock that still serves is so slow that it takes it for valid."""


def still_needed(revocations: Iterable[Revocation]) -> tuple[Revocation, ...]:
    """Without serials whose certificates are `LONG_OVER`, counted at the newest revocation. All else stays for good.

    So a list changes only when something is revoked, under that revocation's number, and is the same whenever it is
    made again: an entry never leaves and comes back under one version.
    """
    listed = tuple(revocations)
    before = listed[-1].at - LONG_OVER if listed else 0
    return tuple(one for one in listed if one.until is None or one.until > before)


def krl(
    *,
    version: int,
    generated_at: int,
    comment: str,
    revocations: Iterable[Revocation],
    ca_keys: Mapping[GenerationID, SSHKey],
) -> bytes:
    """A KRL that revokes what `revocations` say, and nothing else. Never empty, also where they are.

    A serial counts for the CA key of its generation alone; one whose generation is not given, or not in
    `ca_keys`, and every key ID count for all CAs. A key that is a CA's revokes all that it signed. `version`
    must rise with each list: hosts take it as an order. The same arguments give the same bytes.
    """
    listed = list(revocations)
    rows = [(int(one.serial), int(one.through)) for one in listed if one.through is not None and one.serial is not None]
    if rows:
        listed = [one for one in listed if one.through is None]
    serials, rest = _by_ca(listed, ca_keys)
    keys = {revocation.key.blob for revocation in rest if revocation.key}
    key_ids = {revocation.key_id for revocation in rest if revocation.key_id}
    digests = {sha256_digest(revocation.fingerprint) for revocation in rest if revocation.fingerprint}
    parts = [
        MAGIC.to_bytes(8, "big"), FORMAT_VERSION.to_bytes(4, "big"), version.to_bytes(8, "big"),
        generated_at.to_bytes(8, "big"), bytes(8), string(b""), text(comment),
    ]  # fmt: skip
    parts += _certificate_sections(serials, key_ids)
    if rows:
        said = b"".join(serial_range(first, last) for first, last in sorted(rows))
        parts.append(_section(CERTIFICATES, string(b"") + string(b"") + said))
    if keys:
        parts.append(_section(EXPLICIT_KEY, b"".join(map(string, sorted(keys)))))
    if digests:
        parts.append(_section(FINGERPRINT_SHA256, b"".join(map(string, sorted(digests)))))
    return b"".join(parts)


def _by_ca(
    revocations: list[Revocation], ca_keys: Mapping[GenerationID, SSHKey]
) -> tuple[dict[bytes, array[int]], list[Revocation]]:
    """The revoked serials by CA key blob, an empty one standing for all CAs; and the revocations without a serial."""
    rest: list[Revocation] = []
    try:
        numbers = _numbers(revocations)
    except TypeError:  # some have no serial, which an array tells sooner than a look at each
        rest = [revocation for revocation in revocations if revocation.serial is None]
        revocations = [revocation for revocation in revocations if revocation.serial is not None]
        numbers = _numbers(revocations)
    named = set(map(_GENERATION, revocations))
    serials: defaultdict[bytes, array[int]] = defaultdict(_no_numbers)
    for generation in named:
        key = ca_keys.get(generation)
        of_it = numbers
        if len(named) > 1:
            of_it = array("Q", [n for n, one in zip(numbers, revocations, strict=True) if one.generation == generation])
        serials[key.blob if key else b""] += of_it
    return serials, rest


def _no_numbers() -> array[int]:
    return array("Q")


def _numbers(revocations: list[Revocation]) -> array[int]:
    """Their serials, side by side: as objects they lie all over the memory, and to visit each of them again costs more
    than all else that is done with it. Raises `TypeError` where one has none."""
    try:
        return array("Q", list(map(_SERIAL, revocations)))
    except OverflowError:
        raise Invalid("a KRL holds serials from 1 to 2^64-1") from None


def _certificate_sections(serials: Mapping[bytes, array[int]], key_ids: Iterable[str]) -> Iterator[bytes]:
    for ca_key in sorted(key for key in serials if serials[key]):
        yield _section(CERTIFICATES, string(ca_key) + string(b"") + serial_sections(serials[ca_key]))
    if key_ids:
        listed = b"".join(text(_checked_key_id(key_id)) for key_id in sorted(key_ids))
        yield _section(CERTIFICATES, string(b"") + string(b"") + bytes((KEY_ID,)) + string(listed))


def _checked_key_id(key_id: str) -> str:
    if not key_id or "\0" in key_id:
        raise Invalid(f"the key ID {quoted(key_id)} cannot stand in a KRL")
    return key_id


def sha256_digest(fingerprint: str) -> bytes:
    """The 32 bytes of a fingerprint as ssh-keygen prints it."""
    kind, _, encoded = fingerprint.partition(":")
    try:
        digest = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if kind != "SHA256" or len(digest) != 32:
        raise Invalid(
            f"{quoted(fingerprint)} is not a fingerprint", hint="it reads SHA256:... as ssh-keygen -l prints it"
        )
    return digest


def _section(kind: int, data: bytes) -> bytes:
    return bytes((kind,)) + string(data)


class RevokedSerials(msgspec.Struct, frozen=True):
    """Serials of one CA; ranges include both ends. How they were written is of no account here."""

    ca_key: SSHKey | None
    """None stands for all CAs."""
    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, serial: int) -> bool:
        return any(low <= serial <= high for low, high in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for low, high in self.ranges:
            yield from range(low, high + 1)


class ParsedKRL(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    generated_at: int
    comment: str
    serials: tuple[RevokedSerials, ...] = ()
    key_ids: frozenset[tuple[SSHKey | None, str]] = frozenset()
    """The CA (None for all) and the key ID."""
    keys: frozenset[SSHKey] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    """`SHA256:...`; SHA-1 ones read `SHA1:...`."""


class _Found:
    def __init__(self) -> None:
        self.serials: defaultdict[SSHKey | None, list[tuple[int, int]]] = defaultdict(list)
        self.key_ids: set[tuple[SSHKey | None, str]] = set()
        self.keys: set[SSHKey] = set()
        self.fingerprints: set[str] = set()


def read_krl(data: bytes) -> ParsedKRL:
    """Everything that a KRL says; a signature on it is passed over. `Invalid` for what is not wholly one."""
    reader = Reader(data)
    if len(data) < 12 or reader.uint64() != MAGIC:
        raise Invalid("this is not a KRL")
    if reader.uint32() != FORMAT_VERSION:
        raise Invalid("the KRL is of a format that is not known")
    version, generated_at = reader.uint64(), reader.uint64()
    reader.uint64()
    reader.string()
    comment, found = reader.text(), _Found()
    while reader.more:
        _read_section(reader.uint8(), reader.string(), reader, found)
    return ParsedKRL(
        version=version, generated_at=generated_at, comment=comment,
        serials=tuple(RevokedSerials(ca, _joined(ranges)) for ca, ranges in found.serials.items()),
        key_ids=frozenset(found.key_ids), keys=frozenset(found.keys), fingerprints=frozenset(found.fingerprints),
    )  # fmt: skip


def _read_section(kind: int, body: bytes, reader: Reader, found: _Found) -> None:
    if kind == CERTIFICATES:
        _read_certificates(Reader(body), found)
    elif kind == EXPLICIT_KEY:
        found.keys.update(map(SSHKey, strings(body)))
    elif kind in {FINGERPRINT_SHA1, FINGERPRINT_SHA256}:
        name = "SHA1:" if kind == FINGERPRINT_SHA1 else "SHA256:"
        found.fingerprints.update(name + base64.b64encode(digest).decode().rstrip("=") for digest in strings(body))
    elif kind == SIGNATURE:
        reader.string()
    else:
        raise Invalid(f"the KRL has a section of an unknown type, {kind}")


def _read_certificates(section: Reader, found: _Found) -> None:
    blob = section.string()
    ca_key = SSHKey(blob) if blob else None
    section.string()
    while section.more:
        kind, part = section.uint8(), Reader(section.string())
        if kind == SERIAL_LIST:
            while part.more:
                serial = part.uint64()
                found.serials[ca_key].append((serial, serial))
        elif kind == SERIAL_RANGE:
            found.serials[ca_key].append((part.uint64(), part.uint64()))
        elif kind == SERIAL_BITMAP:
            offset, bits = part.uint64(), int.from_bytes(part.string(), "big")
            digits = f"{bits:b}"[::-1]
            found.serials[ca_key].extend((offset + at, offset + at) for at, bit in enumerate(digits) if bit == "1")
        elif kind == KEY_ID:
            found.key_ids.update((ca_key, raw.decode("utf-8", "replace")) for raw in strings(part.take(len(part.data))))
        else:
            raise Invalid(f"the KRL has a certificate section of an unknown type, {kind:#x}")
        part.finish()


def _joined(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """In order, with neighbours made one."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)
