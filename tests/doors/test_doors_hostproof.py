"""A host's proof is a signature that strangers wrote: what is none is refused, and nothing else happens."""

from __future__ import annotations

import base64
import struct

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.doors.hostproof import HostAsked
from model.errors import Denied
from model.hostproof import NAMESPACE
from model.keys import SSHKey, ssh_key

HOST = ssh_key(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode())
DEVICE = ssh_key(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode())


def strings(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def armored(key: bytes, *, hash: bytes = b"sha512", signature: bytes = b"x" * 64) -> str:
    blob = b"SSHSIG\0\0\0\1" + strings(key, NAMESPACE.encode(), b"", hash, signature)
    return f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(blob).decode()}\n-----END SSH SIGNATURE-----\n"


def refused(proof: str, key: SSHKey = HOST) -> None:
    with pytest.raises(Denied, match="does not fit"):
        HostAsked(key, DEVICE).check(key, proof)


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "é",
        "-----BEGIN SSH SIGNATURE-----",
        armored(HOST.blob),
        armored(HOST.blob, hash=b"md5"),
        armored(HOST.blob, hash=b"\xff"),
        armored(strings(b"ssh-rsa", b"\xff", b"\xff\xff")),
        armored(strings(b"ssh-rsa", b"\1\0\1", b"\x80" * 384), signature=strings(b"rsa-sha2-512", b"x" * 384)),
        armored(strings(b"ssh-rsa", b"", b"")),
        armored(strings(b"ssh-dss", *[b"\xff"] * 4)),
        armored(strings(b"ecdsa-sha2-nistp256", b"nistp256", b"\4" + b"\0" * 64)),
        armored(strings(b"ssh-ed25519-cert-v01@openssh.com", b"", HOST.blob[-32:], b"\0" * 60)),
    ],
    ids=[
        "nothing",
        "no ASCII",
        "no end",
        "no signature in it",
        "MD5",
        "a hash of no name",
        "an RSA key below zero",
        "an RSA key below zero that signed",
        "an RSA key of nothing",
        "DSA",
        "a point off the curve",
        "a certificate",
    ],
)
def test_what_is_no_signature_by_the_host_key_proves_nothing(proof: str) -> None:
    refused(proof)


@given(
    key=st.lists(st.binary(max_size=40), max_size=4), algorithm=st.sampled_from(["ssh-rsa", "ssh-dss", "ssh-ed25519"])
)
def test_no_key_that_a_stranger_writes_into_a_signature_does_more_than_fail(key: list[bytes], algorithm: str) -> None:
    refused(armored(strings(algorithm.encode(), *key), signature=strings(b"rsa-sha2-512", b"x" * 64)))
