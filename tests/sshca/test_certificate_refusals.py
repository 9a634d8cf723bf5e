"""What is not signed, each refusal for its own reason."""

from __future__ import annotations

import pytest
from certificate_builders import HOST, NOW, a_key, a_signer, a_spec
from msgspec.structs import replace

from model.errors import Invalid, Unavailable
from model.keys import SSHKey, ssh_key
from sshca import Specification, check_key, issue, parse, sign, validate
from sshca.signing import pack
from sshca.wire import mpint, string, text


def refused(spec: Specification, because: str) -> None:
    with pytest.raises(Invalid) as refusal:
        sign(a_signer(), spec, ca_keys=(), revoked_keys=(), now=NOW)
    assert because in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        pytest.param({"serial": 0}, "serial", id="serial-0-cannot-be-revoked"),
        pytest.param({"serial": 2**64}, "serial", id="serial-too-large"),
        pytest.param({"serial": -1}, "serial", id="negative-serial"),
        pytest.param({"key_id": ""}, "key ID", id="empty-key-id"),
        pytest.param({"key_id": "alice\nroot"}, "cannot be printed", id="newline-in-key-id"),
        pytest.param({"key_id": "alice\x1b[31m"}, "cannot be printed", id="escape-in-key-id"),
        pytest.param({"key_id": "a" * 513}, "512 bytes", id="long-key-id"),
        pytest.param({"principals": ()}, "without principals", id="no-principals"),
        pytest.param({"principals": ("",)}, "neither a person nor a tag", id="empty-principal"),
        pytest.param({"principals": ("root",)}, "neither a person nor a tag", id="login-as-principal"),
        pytest.param({"principals": ("a@x.org,b@x.org",)}, "neither a person", id="comma-in-principal"),
        pytest.param({"principals": ("a@x.org\nb@x.org",)}, "neither a person", id="newline-in-principal"),
        pytest.param({"principals": ("a@x.org ",)}, "neither a person", id="space-after-principal"),
        pytest.param({"principals": ("a\u2028b@x.org",)}, "neither a person", id="line-separator-in-principal"),
        pytest.param({"principals": ("a@x.org\0",)}, "neither a person", id="nul-in-principal"),
        pytest.param({"principals": ("#a@x.org",)}, "has a \"#\"", id="comment-as-principal"),
        pytest.param({"principals": ('from="*"@x.org',)}, "neither a person", id="option-as-principal"),
        pytest.param({"principals": ("fresh:0:a@x.org",)}, "neither a person", id="fresh-for-no-time"),
        pytest.param({"principals": ("fresh:60:root",)}, "neither a person", id="fresh-login"),
        pytest.param({"principals": ("tag:",)}, "neither a person", id="empty-tag"),
        pytest.param({"principals": ("a@x.org", "a@x.org")}, "twice", id="principal-twice"),
        pytest.param({"principals": tuple(f"u{n}@x.org" for n in range(257))}, "too many", id="257-principals"),
        pytest.param({"valid_after": 0}, "1970", id="valid-since-ever"),
        pytest.param({"valid_after": -5}, "1970", id="negative-start"),
        pytest.param({"valid_before": 2**64 - 1}, "forever", id="valid-forever"),
        pytest.param({"valid_before": NOW - 90}, "ends before it begins", id="no-life"),
        pytest.param({"valid_before": NOW - 1000}, "ends before it begins", id="reversed"),
        pytest.param({"valid_before": NOW}, "over already", id="expired"),
        pytest.param({"valid_after": NOW + 1}, "in the future", id="begins-in-the-future"),
        pytest.param({"source_addresses": ()}, "without a source address", id="unrestricted"),
        pytest.param({"source_addresses": ("10.0.0.1/8",)}, "host bits", id="host-bits"),
        pytest.param({"source_addresses": ("10.0.0.1 ",)}, "neither an address", id="space-in-address"),
        pytest.param({"source_addresses": ("10.0.0.1,::1",)}, "neither an address", id="comma-in-address"),
        pytest.param({"source_addresses": ("",)}, "neither an address", id="empty-address"),
        pytest.param({"source_addresses": ("!10.0.0.1",)}, "neither an address", id="negated-address"),
        pytest.param({"source_addresses": ("*",)}, "neither an address", id="pattern-as-address"),
        pytest.param({"source_addresses": ("FD7A::1",)}, "canonical", id="upper-case-address"),
        pytest.param({"source_addresses": ("0.0.0.0/0",)}, "everywhere", id="everywhere-4"),
        pytest.param({"source_addresses": ("::/0",)}, "everywhere", id="everywhere-6"),
        pytest.param({"source_addresses": ("::ffff:100.64.0.2",)}, "IPv4 dressed", id="ipv4-dressed-as-ipv6"),
        pytest.param({"source_addresses": ("fe80::1%eth0",)}, "has a zone", id="scoped-address"),
        pytest.param({"force_command": ""}, "forced command", id="empty-command"),
        pytest.param({"force_command": "true\nfalse"}, "forced command", id="two-commands"),
        pytest.param({"force_command": "a" * 8193}, "forced command", id="long-command"),
        pytest.param({"verify_required": True}, "FIDO2", id="verify-required-of-a-plain-key"),
        pytest.param({"extensions": frozenset({"no-touch-required"})}, "never granted", id="no-touch"),
        pytest.param({"extensions": frozenset({"permit-everything"})}, "not known", id="unknown-extension"),
    ],
)  # fmt: skip
def test_a_user_specification_is_refused(change: dict[str, object], because: str) -> None:
    refused(a_spec(**change), because)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        pytest.param({"principals": ("*.net.example.com",)}, "neither a host's name", id="pattern"),
        pytest.param({"principals": ("DB-1.example.com",)}, "neither a host's name", id="upper-case"),
        pytest.param({"principals": ("db-1.example.com.",)}, "neither a host's name", id="last-dot"),
        pytest.param({"principals": ("010.0.0.1 ",)}, "neither a host's name", id="padded-address"),
        pytest.param({"principals": ("fd7a:0::1",)}, "neither a host's name", id="long-address"),
        pytest.param({"principals": ("fe80::1%eth0",)}, "neither a host's name", id="scoped-address"),
        pytest.param({"principals": ("alice@example.com",)}, "neither a host's name", id="person"),
        pytest.param({"source_addresses": ("192.0.2.1",)}, "no options", id="source-address"),
        pytest.param({"force_command": "true"}, "no options", id="force-command"),
        pytest.param({"verify_required": True}, "no options", id="verify-required"),
        pytest.param({"extensions": frozenset({"permit-pty"})}, "no extensions", id="extension"),
    ],
)
def test_a_host_specification_is_refused(change: dict[str, object], because: str) -> None:
    refused(a_spec(kind=HOST, **change), because)


def test_the_signing_ca_is_no_subject() -> None:
    refused(a_spec(key=a_signer().key), "certificate authority's own")


def test_a_retired_ca_is_no_subject() -> None:
    retired = a_signer(name="retired").key
    with pytest.raises(Invalid, match="certificate authority's own"):
        validate(a_spec(key=retired), ca_keys={a_signer().key, retired}, revoked_keys=(), now=NOW)


def test_a_revoked_key_is_no_subject() -> None:
    key = a_key()
    with pytest.raises(Invalid, match="is revoked"):
        validate(a_spec(key=key), ca_keys=(), revoked_keys={key}, now=NOW)


def test_a_key_revoked_by_its_fingerprint_is_no_subject() -> None:
    key = a_key()
    with pytest.raises(Invalid, match="is revoked"):
        validate(a_spec(key=key), ca_keys=(), revoked_keys=(), revoked_fingerprints={key.fingerprint}, now=NOW)


def test_a_certificate_is_no_subject() -> None:
    line = sign(a_signer(), a_spec(), ca_keys=(), revoked_keys=(), now=NOW)
    with pytest.raises(Invalid, match="certificate, not a public key"):
        ssh_key(line)


def an_ed25519(point: bytes) -> SSHKey:
    return SSHKey(text("ssh-ed25519") + string(point))


def an_ecdsa(curve: str, point: bytes, *, said: str | None = None) -> SSHKey:
    return SSHKey(text(f"ecdsa-sha2-{said or curve}") + text(curve) + string(point))


def an_rsa(exponent: int, modulus: int) -> SSHKey:
    return SSHKey(text("ssh-rsa") + mpint(exponent) + mpint(modulus))


P256_POINT = a_key("ecdsa-sha2-nistp256").blob[-65:]
SK = text("sk-ssh-ed25519@openssh.com") + a_key().blob[-36:]
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
"""One of the points that eight times itself is nothing; any signature fits such a key."""
RSA_MODULUS = int.from_bytes(a_key("ssh-rsa").blob[-384:], "big")

PADDED_RSA = SSHKey(text("ssh-rsa") + mpint(65537) + string(b"\0" + RSA_MODULUS.to_bytes(385, "big")))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(a_key("ssh-rsa", rsa_bits=1024), id="rsa-1024"),
        pytest.param(a_key("ssh-rsa", rsa_bits=2048), id="rsa-2048"),
        pytest.param(an_rsa(3, RSA_MODULUS), id="rsa-small-exponent"),
        pytest.param(an_rsa(65536, RSA_MODULUS), id="rsa-even-exponent"),
        pytest.param(an_rsa(65537, RSA_MODULUS + 1), id="rsa-even-modulus"),
        pytest.param(an_rsa(65537, (1 << 16385) + 1), id="rsa-too-large"),
        pytest.param(PADDED_RSA, id="rsa-padded"),
        pytest.param(SSHKey(text("ssh-dss") + mpint(7) * 4), id="dsa"),
        pytest.param(an_ecdsa("nistp256", P256_POINT[:-1] + bytes((P256_POINT[-1] ^ 1,))), id="point-off-curve"),
        pytest.param(an_ecdsa("nistp256", b"\x02" + P256_POINT[1:33]), id="compressed-point"),
        pytest.param(an_ecdsa("nistp256", b"\0"), id="point-at-infinity"),
        pytest.param(an_ecdsa("nistp256", P256_POINT, said="nistp384"), id="curve-of-another-type"),
        pytest.param(an_ecdsa("secp256k1", P256_POINT), id="odd-curve"),
        pytest.param(an_ed25519(bytes(32)), id="ed25519-y-0"),
        pytest.param(an_ed25519(b"\1" + bytes(31)), id="ed25519-neutral"),
        pytest.param(an_ed25519(ORDER_8), id="ed25519-order-8"),
        pytest.param(an_ed25519(ORDER_8[:31] + b"\x85"), id="ed25519-order-8-signed"),
        pytest.param(an_ed25519(b"\2" + bytes(31)), id="ed25519-off-curve"),
        pytest.param(an_ed25519(b"\xff" * 32), id="ed25519-not-reduced"),
        pytest.param(an_ed25519(bytes(31)), id="ed25519-short"),
        pytest.param(SSHKey(a_key().blob + string(b"x")), id="left-over-field"),
        pytest.param(SSHKey(a_key().blob + b"x"), id="left-over-byte"),
        pytest.param(SSHKey(SK + text("https://x.org")), id="fido2-of-a-web-site"),
        pytest.param(SSHKey(SK), id="fido2-without-application"),
        pytest.param(SSHKey(b""), id="nothing"),
    ],
)  # fmt: skip
def test_a_key_is_refused(key: SSHKey) -> None:
    with pytest.raises(Invalid):
        check_key(key)


def test_every_key_type_that_is_taken_passes() -> None:
    for algorithm in ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com"):
        check_key(a_key(algorithm))


class LyingSigner:
    """Says that its key is another."""

    key = a_signer(name="claimed").key
    algorithm = "ssh-ed25519"

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def sign(self, data: bytes) -> bytes:
        return self.answer


def test_a_signature_by_another_algorithm_is_not_handed_out() -> None:
    signer = LyingSigner(text("ssh-rsa") + string(b"x" * 64))
    with pytest.raises(Unavailable, match="signed with ssh-rsa"):
        issue(signer, a_spec())


def test_a_certificate_that_reads_otherwise_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    other = pack(a_signer(), a_spec(principals=("mallory@example.com",)), bytes(32))
    monkeypatch.setattr("sshca.signing.pack", lambda *_: other)
    with pytest.raises(Invalid, match="does not read as it was specified"):
        issue(a_signer(), a_spec())


@pytest.mark.parametrize("field", ["serial", "key_id", "principals", "valid_after", "valid_before", "source_addresses"])
def test_each_field_is_compared_after_signing(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {
        "serial": 7, "key_id": "other", "principals": ("bob@example.com",), "valid_after": NOW - 91,
        "valid_before": NOW + 9, "source_addresses": ("192.0.2.9",),
    }  # fmt: skip
    spec = a_spec()
    other = pack(a_signer(), replace(spec, **{field: changed[field]}), bytes(32))
    monkeypatch.setattr("sshca.signing.pack", lambda *_: other)
    with pytest.raises(Invalid, match="does not read as it was specified"):
        issue(a_signer(), spec)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="nothing"),
        pytest.param(a_key().line, id="plain-key"),
        pytest.param("ssh-ed25519-cert-v01@openssh.com !!!!", id="no-base64"),
        pytest.param("ssh-ed25519-cert-v01@openssh.com AAAA", id="cut-off"),
        pytest.param("ssh-ed25519-cert-v02@openssh.com AAAA", id="unknown-type"),
        pytest.param(
            "ssh-rsa-cert-v01@openssh.com " + issue(a_signer(), a_spec()).split()[1], id="another-type-in-front"
        ),
    ],
)
def test_what_is_no_certificate_is_not_read_as_one(line: str) -> None:
    with pytest.raises(Invalid):
        parse(line)
