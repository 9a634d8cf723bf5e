"""Laws of signing and reading, over specifications of any shape."""

from __future__ import annotations

import base64
import ipaddress

import pytest
from certificate_builders import HOST, NOW, SUBJECT_TYPES, USER, a_key, a_signer, a_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import Invalid
from model.ids import Serial
from model.keys import SSHKey
from model.records import CertificateKind
from sshca import Extension, Specification, check_key, describe, issue, parse, sign, verify
from sshca.parsing import parse_blob
from sshca.subjects import _SMALL_ORDER_Y
from sshca.wire import string, text

KEYS = tuple(a_key(algorithm) for algorithm in SUBJECT_TYPES)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
name = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)
person = st.builds("{}@{}".format, name, name)
user_principal = st.one_of(
    person,
    st.builds("fresh:{}:{}".format, st.integers(1, 10**6), person),
    name.map(lambda text: "tag:" + text.replace(".", "-")),
)
host_principal = st.one_of(
    st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{1,8})?", fullmatch=True), st.ip_addresses().map(str)
)
source = st.one_of(
    st.ip_addresses().map(str),
    st.builds(
        lambda ip, n: str(ipaddress.ip_network(f"{ip}/{n}", strict=False)), st.ip_addresses(), st.integers(1, 32)
    ),
).filter(lambda text: not text.lower().startswith("::"))


def good_specification(kind: CertificateKind) -> st.SearchStrategy[Specification]:
    person = kind is USER
    principal = user_principal if person else host_principal
    return st.builds(
        Specification,
        kind=st.just(kind),
        serial=st.integers(1, 2**64 - 1).map(Serial),
        key=st.sampled_from(KEYS),
        key_id=any_text.filter(lambda text: text.isprintable() and text != ""),
        principals=st.lists(principal, min_size=1, max_size=8, unique=True).map(tuple),
        valid_after=st.integers(1, NOW),
        valid_before=st.integers(NOW + 1, 2**64 - 2),
        source_addresses=st.lists(source, min_size=1, max_size=4).map(tuple) if person else st.just(()),
        force_command=st.one_of(st.none(), any_text.filter(lambda text: text.isprintable() and text.strip() != ""))
        if person else st.none(),
        extensions=st.frozensets(st.sampled_from([str(extension) for extension in Extension]))
        if person else st.just(frozenset()),
    )  # fmt: skip


@given(st.sampled_from([USER, HOST]).flatmap(good_specification))
@settings(deadline=None)
def test_what_is_signed_reads_as_it_was_specified(spec: Specification) -> None:
    read = parse(sign(a_signer(), spec, ca_keys=(), revoked_keys=(), now=NOW))
    assert (read.key, read.serial, read.kind, read.key_id) == (spec.key, spec.serial, spec.kind, spec.key_id)
    assert (read.principals, read.valid_after, read.valid_before) == (
        spec.principals,
        spec.valid_after,
        spec.valid_before,
    )
    assert read.critical_options == spec.critical_options
    assert set(read.extensions) == spec.permits
    assert read.source_addresses == spec.source_addresses
    assert read.signature_key == a_signer().key
    assert verify(read)


@given(st.sampled_from([USER, HOST]).flatmap(good_specification))
@settings(deadline=None)
def test_a_description_has_a_line_for_each_thing_said(spec: Specification) -> None:
    read = parse(issue(a_signer(), spec))
    entries = len(read.principals) + len(read.critical_options) + len(read.extensions)
    assert len(describe(read).split("\n")) == 10 + entries


wild_specification = st.builds(
    Specification,
    kind=st.sampled_from([USER, HOST]),
    serial=st.integers(-(2**65), 2**65).map(Serial),
    key=st.sampled_from(KEYS),
    key_id=any_text,
    principals=st.lists(st.one_of(any_text, user_principal, host_principal), max_size=4).map(tuple),
    valid_after=st.integers(-(2**65), 2**65),
    valid_before=st.integers(-(2**65), 2**65),
    source_addresses=st.lists(st.one_of(any_text, source), max_size=3).map(tuple),
    force_command=st.one_of(st.none(), any_text),
    verify_required=st.booleans(),
    extensions=st.one_of(st.none(), st.frozensets(st.one_of(any_text, st.just("permit-pty")), max_size=3)),
)


@given(wild_specification)
@settings(deadline=None, max_examples=300)
def test_anything_is_either_refused_or_signed_as_it_stands(spec: Specification) -> None:
    try:
        line = sign(a_signer(), spec, ca_keys=(), revoked_keys=(), now=NOW)
    except Invalid:
        return
    read = parse(line)
    assert read.principals == spec.principals != ()
    assert all("," not in principal and principal.isprintable() for principal in read.principals)


BLOB = base64.b64decode(issue(a_signer(), a_spec()).split()[1])


@given(st.integers(0, len(BLOB) - 1))
def test_a_certificate_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(Invalid):
        parse_blob(BLOB[:size])


@given(st.integers(0, len(BLOB) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_breaks_the_signature(place: int, change: int) -> None:
    changed = bytearray(BLOB)
    changed[place] ^= change
    try:
        read = parse_blob(bytes(changed))
    except Invalid:
        return
    assert not verify(read)


@given(st.binary(max_size=400))
def test_noise_is_no_certificate(noise: bytes) -> None:
    with pytest.raises(Invalid):
        parse_blob(noise)


@given(st.binary(min_size=32, max_size=32))
def test_exactly_the_points_of_the_curve_are_ed25519_keys(encoded: bytes) -> None:
    """By Euler's criterion, which takes longer than what is used (RFC 8032, section 5.1.3)."""
    p = 2**255 - 19
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    d = -121665 * pow(121666, -1, p)
    on_curve = y < p and pow((y * y - 1) * (d * y * y + 1), (p - 1) // 2, p) in {0, 1}
    assert taken(encoded) == (on_curve and y not in _SMALL_ORDER_Y)


def taken(encoded: bytes) -> bool:
    try:
        check_key(SSHKey(text("ssh-ed25519") + string(encoded)))
    except Invalid:
        return False
    return True
