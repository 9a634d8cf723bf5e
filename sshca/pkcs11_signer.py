"""A CA key on a PKCS#11 token, by python-pkcs11, which is installed with the extra `pkcs11`."""

from __future__ import annotations

import hashlib
import importlib
import threading
from types import ModuleType
from typing import Any, Final

import msgspec

from model.errors import Invalid, Unavailable
from model.ids import quoted
from model.keys import Secret, SSHKey, ssh_key_from_blob
from sshca.keys import CA_ALGORITHMS, check_ca_key
from sshca.signer import signature_algorithm
from sshca.verifying import verify_signature
from sshca.wire import mpint, string, text

_P256_PARAMETERS: Final = bytes.fromhex("06082a8648ce3d030107")
_ED25519_PARAMETERS: Final = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))
"""The curve by its OID (PKCS#11 3.0), or by its name (what older tokens have)."""


_WRONG_PINS: Final[set[tuple[str, str, Secret]]] = set()
"""Library, token and PIN that a token refused: a few more tries, and most lock themselves for good."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """Where a key is, and what opens it."""

    module: str
    """The path of the token's shared library."""
    label: str
    """Of the token."""
    key_label: str
    pin: Secret


class PKCS11Signer:
    """Signs on the token, one caller at a time, in a session that is opened anew after the token was away."""

    def __init__(self, token: Token, key: SSHKey | None = None) -> None:
        """`key`, where given, is what the token must have; without it the token is asked now."""
        self._token = token
        self._lock = threading.Lock()
        self._session: Any = None
        self._private: Any = None
        self.key: SSHKey = check_ca_key(key) if key is not None else self._public_key()
        self.algorithm: str = signature_algorithm(self.key)

    def __repr__(self) -> str:
        return f"PKCS11Signer({self.key.fingerprint})"

    def sign(self, data: bytes) -> bytes:
        """`Unavailable` where the token is away, locked, lacks the key, or signs with another."""
        with self._lock:
            if (
                self._private is not None
            ):  # the token may have been pulled, or another session's end logged this one out
                try:
                    return self._checked(self._raw_signature(data), data)
                except _failures():
                    self._close()
            try:
                return self._checked(self._raw_signature(data), data)
            except _failures() as error:
                self._close()
                raise _unavailable(error) from None

    def _checked(self, raw: bytes, data: bytes) -> bytes:
        signature = text(self.algorithm) + string(raw)
        if not verify_signature(self.key, signature, data):
            raise Unavailable(f"the token's key {quoted(self._token.key_label)} is not {self.key.fingerprint}")
        return signature

    def close(self) -> None:
        with self._lock:
            self._close()

    def _raw_signature(self, data: bytes) -> bytes:
        pkcs11 = _library()
        if self._private is None:
            self._open()
            self._private = self._session.get_key(
                object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._token.key_label
            )
        if self.algorithm == "rsa-sha2-512":
            return bytes(self._private.sign(data, mechanism=pkcs11.Mechanism.SHA512_RSA_PKCS))
        if self.algorithm == "ssh-ed25519":
            return bytes(self._private.sign(data, mechanism=pkcs11.Mechanism.EDDSA))
        digest = hashlib.sha256(data).digest()
        both = bytes(self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        half = len(both) // 2
        return mpint(int.from_bytes(both[:half], "big")) + mpint(int.from_bytes(both[half:], "big"))

    def _public_key(self) -> SSHKey:
        pkcs11 = _library()
        with self._lock:
            try:
                self._open()
                public = self._session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=self._token.key_label)
                return check_ca_key(ssh_key_from_blob(_blob(public)))
            except _failures() as error:
                self._close()
                raise _unavailable(error) from None

    def _open(self) -> None:
        if self._session is None:
            self._session = _session(self._token)

    def _close(self) -> None:
        session, self._session, self._private = self._session, None, None
        if session is not None:
            try:
                session.close()
            except _failures():
                return


def generate_on_token(token: Token, algorithm: str = "ecdsa-p256") -> PKCS11Signer:
    """Makes a key that never leaves the token. `Invalid` where the label is taken, or the token cannot make one."""
    pkcs11 = _library()
    if algorithm not in CA_ALGORITHMS:
        raise Invalid(f"{quoted(algorithm)} is not a kind of CA key", hint=", ".join(CA_ALGORITHMS))
    try:
        with _session(token, rw=True) as session:
            if list(session.get_objects({pkcs11.Attribute.LABEL: token.key_label})):
                raise Invalid(f"the token has a key {quoted(token.key_label)} already", hint="give another label")
            _generate(session, token.key_label, algorithm)
    except _failures() as error:
        raise _unavailable(error) from None
    return PKCS11Signer(token)


def _session(token: Token, *, rw: bool = False) -> Any:
    """Logged in; a login counts for all of this process's sessions with the token, and cannot be made twice."""
    pkcs11 = _library()
    login = (token.module, token.label, token.pin)
    if login in _WRONG_PINS:
        raise Unavailable(
            "the token cannot sign: the PIN is wrong, and is not tried again, since tokens lock themselves",
            hint="put the right PIN in its place, then restart the gate",
        )
    slot = pkcs11.lib(token.module).get_token(token_label=token.label)
    try:
        return slot.open(user_pin=str(token.pin), rw=rw)
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        return slot.open(rw=rw)
    except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinLocked):
        _WRONG_PINS.add(login)
        raise


def _generate(session: Any, label: str, algorithm: str) -> None:
    pkcs11 = _library()
    if algorithm == "rsa-4096":
        session.generate_keypair(pkcs11.KeyType.RSA, 4096, label=label, store=True)
        return
    ed25519 = algorithm == "ed25519"
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC_EDWARDS if ed25519 else pkcs11.KeyType.EC,
        {pkcs11.Attribute.EC_PARAMS: _ED25519_PARAMETERS[1] if ed25519 else _P256_PARAMETERS},
        local=True,
    )
    mechanism = {"mechanism": pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN} if ed25519 else {}
    parameters.generate_keypair(label=label, store=True, **mechanism)


def _blob(public: Any) -> bytes:
    """The public key as SSH has it on the wire."""
    pkcs11 = _library()
    kind = public.key_type
    if kind == pkcs11.KeyType.RSA:
        exponent = int.from_bytes(public[pkcs11.Attribute.PUBLIC_EXPONENT], "big")
        return text("ssh-rsa") + mpint(exponent) + mpint(int.from_bytes(public[pkcs11.Attribute.MODULUS], "big"))
    parameters, point = bytes(public[pkcs11.Attribute.EC_PARAMS]), _octets(bytes(public[pkcs11.Attribute.EC_POINT]))
    if kind == pkcs11.KeyType.EC and parameters == _P256_PARAMETERS:
        return text("ecdsa-sha2-nistp256") + text("nistp256") + string(point)
    if kind == pkcs11.KeyType.EC_EDWARDS and parameters in _ED25519_PARAMETERS:
        return text("ssh-ed25519") + string(point)
    raise Invalid("the token's key is of a kind that no CA has", hint=", ".join(CA_ALGORITHMS))


def _octets(point: bytes) -> bytes:
    """The point without the DER octet string around it, which some tokens leave out."""
    return point[2:] if len(point) > 2 and point[0] == 4 and point[1] == len(point) - 2 else point


def _library() -> ModuleType:
    try:
        return importlib.import_module("pkcs11")
    except ImportError:
        raise Unavailable(
            "python-pkcs11 is not installed, and the CA key is on a token", hint='pip install "wardgate[pkcs11]"'
        ) from None


def _failures() -> tuple[type[Exception], ...]:
    return (importlib.import_module("pkcs11.exceptions").PKCS11Error, RuntimeError, OSError)


_REASONS: Final = {
    "NoSuchToken": "no token of that label is there",
    "NoSuchKey": "it has no key of that label",
    "MultipleObjectsReturned": "it has several keys of that label",
    "MultipleTokensReturned": "several tokens have that label",
    "PinIncorrect": "the PIN is wrong",
    "PinLocked": "the PIN is locked after too many wrong ones",
}


def _unavailable(error: Exception) -> Unavailable:
    kind = type(error).__name__
    what = _REASONS.get(kind) or str(error) or kind
    return Unavailable(f"the token cannot sign: {what}", hint="see that it is plugged in and that its PIN is right")
