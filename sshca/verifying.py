"""Whether a signature on the wire is one, by the public key (RFC 8332, RFC 5656, RFC 8709)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from model.errors import Invalid
from model.keys import SSHKey
from sshca.parsing import ParsedCertificate
from sshca.signer import signature_algorithm
from sshca.wire import strings


def verify(certificate: ParsedCertificate) -> bool:
    """Whether the key that the certificate names as its CA signed it. Whether to trust that CA is another question."""
    key = certificate.signature_key
    return certificate.signature_algorithm == signature_algorithm(key) and _holds(
        key, certificate.signature, certificate.signed
    )


def verify_signature(key: SSHKey, blob: bytes, data: bytes) -> bool:
    """Whether `blob`, string algorithm and string signature, is `key`'s over `data`, by the algorithm used here."""
    try:
        parts = strings(blob)
    except Invalid:
        return False
    return len(parts) == 2 and parts[0] == signature_algorithm(key).encode() and _holds(key, parts[1], data)


def _holds(key: SSHKey, signature: bytes, data: bytes) -> bool:
    try:
        public = load_ssh_public_key(key.line.encode())
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, data)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, padding.PKCS1v15(), hashes.SHA512())
        elif isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1":
            r, s = (int.from_bytes(number, "big") for number in strings(signature))
            public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, Invalid):
        return False
    return True
