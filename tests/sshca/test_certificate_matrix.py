"""Every key type, kind of certificate and option: signed here, read back by OpenSSH."""

from __future__ import annotations

from pathlib import Path

import pytest
from certificate_builders import HOST, NOW, SUBJECT_TYPES, USER, a_key, a_signer, a_spec, listing

from model.errors import Invalid
from model.records import CertificateKind
from sshca import Extension, Specification, describe, parse, sign, verify

CA_ALGORITHMS = ("ed25519", "ecdsa-p256", "rsa-4096")
OPTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "no-extension": {"extensions": frozenset()},
    "every-extension": {"extensions": frozenset(str(extension) for extension in Extension)},
    "force-command": {"force_command": '/usr/bin/uptime --pretty "it\'s"'},
    "verify-required": {"verify_required": True},
    "prefix-source": {"source_addresses": ("100.64.0.0/10", "fd7a:115c:a1e0::/48", "192.0.2.1")},
    "all-together": {
        "force_command": "true",
        "extensions": frozenset({"permit-pty"}),
        "source_addresses": ("192.0.2.1",),
        "verify_required": True,
    },
}

pytestmark = pytest.mark.needs("ssh-keygen")


def reads_as_specified(spec: Specification, ca: str, folder: Path) -> None:
    signer = a_signer(ca)
    line = sign(signer, spec, ca_keys=(), revoked_keys=(), now=NOW)
    read = parse(line)
    shown = listing(line, folder)
    assert describe(read) == shown
    assert verify(read)
    assert f'Key ID: "{spec.key_id}"' in shown
    assert f"Serial: {spec.serial}\n" in shown
    for principal in spec.principals:
        assert f"                {principal}\n" in shown
    for extension in spec.permits:
        assert f"                {extension}\n" in shown
    assert ("                verify-required\n" in shown) == spec.verify_required
    assert f"                force-command {spec.force_command}\n" in shown or spec.force_command is None
    if spec.source_addresses:
        assert f"                source-address {','.join(spec.source_addresses)}\n" in shown


def refused(subject: str, kind: CertificateKind, options: dict[str, object]) -> str | None:
    """Which rule speaks against it; None where it is to be signed."""
    if kind is HOST:
        return "no options and no extensions" if any(options.values()) else None
    return "needs a FIDO2 key" if options.get("verify_required") and not subject.startswith("sk-") else None


@pytest.mark.parametrize("ca", CA_ALGORITHMS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", [USER, HOST])
@pytest.mark.parametrize("subject", SUBJECT_TYPES)
def test_a_certificate_reads_as_specified_or_is_refused_by_name(
    subject: str, kind: CertificateKind, options: dict[str, object], ca: str, tmp_path: Path
) -> None:
    spec = a_spec(kind=kind, key=a_key(subject), **options)
    because = refused(subject, kind, options)
    if because is None:
        reads_as_specified(spec, ca, tmp_path)
    else:
        with pytest.raises(Invalid, match=because):
            sign(a_signer(ca), spec, ca_keys=(), revoked_keys=(), now=NOW)


@pytest.mark.parametrize("subject", [name for name in SUBJECT_TYPES if name.startswith("sk-")])
def test_a_fido2_subject_stays_one(subject: str) -> None:
    line = sign(a_signer(), a_spec(key=a_key(subject)), ca_keys=(), revoked_keys=(), now=NOW)
    assert line.startswith(subject.removesuffix("@openssh.com") + "-cert-v01@openssh.com ")
    assert parse(line).key.algorithm == subject


@pytest.mark.parametrize("kind", [USER, HOST])
def test_two_certificates_of_one_specification_differ_by_their_nonce(kind: CertificateKind) -> None:
    spec = a_spec(kind=kind)
    first, second = (parse(sign(a_signer(), spec, ca_keys=(), revoked_keys=(), now=NOW)) for _ in range(2))
    assert first.nonce != second.nonce
    assert len(first.nonce) == 32
