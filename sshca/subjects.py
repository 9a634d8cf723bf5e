"""Which public keys can be a certificate's subject: the numbers inside make a key, written in the one proper way."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from gmpy2 import jacobi

from model.errors import Invalid
from model.keys import SSHKey, ssh_key_from_blob
from sshca.wire import Reader, mpint, text

MAX_RSA_BITS: Final = 16384
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "nistp256": ec.SECP256R1(),
    "nistp384": ec.SECP384R1(),
    "nistp521": ec.SECP521R1(),
}
_ED25519: Final = text("ssh-ed25519") + (32).to_bytes(4, "big")
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ORDER_8_Y: Final = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})


def is_security_key(key: SSHKey) -> bool:
    """Whether `key` lives in a FIDO2 token."""
    return key.algorithm.startswith("sk-")


def check_key(key: SSHKey) -> None:
    """Raises `Invalid`, by name, for a key that must not stand in a certificate."""
    if len(key.blob) == len(_ED25519) + 32 and key.blob.startswith(_ED25519):  # what most have, without a detour
        _check_ed25519(key.blob[len(_ED25519) :])
        return
    checked = ssh_key_from_blob(key.blob)
    reader = Reader(checked.blob)
    algorithm = reader.text()
    if algorithm == "ssh-rsa":
        _check_rsa(reader)
    elif algorithm in {"ssh-ed25519", "sk-ssh-ed25519@openssh.com"}:
        _check_ed25519(reader.string())
    else:
        _check_ecdsa(algorithm, reader)
    if algorithm.startswith("sk-"):
        _check_application(reader)
    reader.finish()


def _check_rsa(reader: Reader) -> None:
    exponent, modulus = (int.from_bytes(raw, "big") for raw in (reader.string(), reader.string()))
    if reader.data != text("ssh-rsa") + mpint(exponent) + mpint(modulus):
        raise Invalid("the RSA key's numbers are not in their shortest form")
    if modulus.bit_length() > MAX_RSA_BITS:
        raise Invalid(f"an RSA key of {modulus.bit_length()} bits is refused", hint="use 4096 bits or Ed25519")
    try:
        rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("the RSA key's numbers do not make a key") from None
    if exponent < 65537 or modulus % 2 == 0:
        raise Invalid("the RSA key's numbers do not make a key that is safe", hint="the exponent is 65537 or more")


def _check_ecdsa(algorithm: str, reader: Reader) -> None:
    curve = reader.text()
    if not algorithm.removesuffix("@openssh.com").endswith("-" + curve) or curve not in _CURVES:
        raise Invalid("the ECDSA key's curve is not the one that its type says")
    point = reader.string()
    if point[:1] != b"\x04":
        raise Invalid("the ECDSA key's point is not in its uncompressed form")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], point)
    except ValueError:
        raise Invalid("the ECDSA key's point is not on its curve") from None


def _check_ed25519(encoded: bytes) -> None:
    """RFC 8032, section 5.1.3: y is below p and belongs to a point; points of small order are nobody's key.

    OpenSSL looks at the length alone when it loads such a key, so this is calculated here.
    """
    if len(encoded) != 32:
        raise Invalid("the Ed25519 key is not 32 bytes long")
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y >= _P:
        raise Invalid("the Ed25519 key's point is not in its shortest form")
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    if u and jacobi(u * v, _P) != 1:  # whether u/v is a square, in a hundredth of the time of Euler's criterion
        raise Invalid("the Ed25519 key's point is not on the curve")
    if y in _SMALL_ORDER_Y:
        raise Invalid("the Ed25519 key is a point of small order, with which anybody can sign")


def _check_application(reader: Reader) -> None:
    application = reader.text()
    if not application.startswith("ssh:") or not application.isprintable():
        raise Invalid(
            "the FIDO2 key was made for something other than SSH", hint="make one with: ssh-keygen -t ed25519-sk"
        )
