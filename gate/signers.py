"""The CA keys that can sign at this moment. One that cannot be loaded leaves a reason, and all else goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

import sshca
from model.errors import Invalid, Unavailable
from model.ids import GenerationID, quoted
from model.keys import Secret, SSHKey
from model.records import CertificateKind, Generation, GenerationState

PASSPHRASE_CREDENTIAL = "wardgate-ca"  # noqa: S105 - the name of systemd's credential, not a secret
PIN_CREDENTIAL = "wardgate-pin"


def passphrase_from_environment() -> Secret | None:
    """Of CA keys in files: a systemd credential or the file that WARDGATE_CA_PASSPHRASE_FILE names."""
    return _secret(PASSPHRASE_CREDENTIAL, "WARDGATE_CA_PASSPHRASE_FILE")


def _secret(credential: str, variable: str) -> Secret | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    named = os.environ.get(variable)
    for path in ([Path(folder) / credential] if folder else []) + ([Path(named)] if named else []):
        if path.is_file():
            return Secret(path.read_text().rstrip("\n"))
    return None


class Holder(msgspec.Struct, frozen=True):
    """Where a CA key is held: `file`, `agent:SHA256:…`, or `pkcs11:MODULE:TOKEN:KEY` (a library and two labels)."""

    kind: str
    parts: tuple[str, ...] = ()

    def token(self, secret: Secret) -> sshca.Token:
        module, label, key_label = self.parts
        return sshca.Token(module=module, label=label, key_label=key_label, pin=secret)

    def agent_key(self) -> SSHKey:
        """The key of that fingerprint in the ssh-agent at SSH_AUTH_SOCK. Raises `Unavailable`."""
        for key in sshca.agent_keys():
            if key.fingerprint == self.parts[0]:
                return key
        raise Unavailable(f"the ssh-agent holds no key {self.parts[0]}", hint="add it there: ssh-add FILE")


def holder(text: str) -> Holder:
    """Raises `Invalid`."""
    kind, _, rest = text.partition(":")
    if kind == "file" and not rest:
        return Holder(kind)
    if kind == "agent" and rest.startswith("SHA256:"):
        return Holder(kind, (rest,))
    parts = tuple(rest.split(":"))
    if kind == "pkcs11" and len(parts) == 3 and all(parts) and parts[0].startswith("/"):
        return Holder(kind, parts)
    raise Invalid(
        f"{quoted(text)} says of no place for a key",
        hint="file, agent:SHA256:FINGERPRINT, or pkcs11:/PATH/OF/MODULE.so:TOKEN:KEY",
    )


def pin() -> Secret:
    """Of the PKCS#11 token, from a systemd credential or the file that WARDGATE_PKCS11_PIN_FILE names."""
    found = _secret(PIN_CREDENTIAL, "WARDGATE_PKCS11_PIN_FILE")
    if found is None:
        raise Unavailable("the token's PIN is not known", hint="name its file in WARDGATE_PKCS11_PIN_FILE")
    return found


class Signers:
    """`faults` says, by generation, why a key cannot sign."""

    def __init__(self, state: Path, passphrase: Secret | None = None) -> None:
        self._folder = state / "ca"
        self._passphrase = passphrase.encode() if passphrase else None
        self._signers: dict[GenerationID, sshca.Signer] = {}
        self.faults: dict[GenerationID, str] = {}

    @property
    def ready(self) -> frozenset[GenerationID]:
        """Generations whose keys can sign."""
        return frozenset(self._signers)

    def load(self, generations: tuple[Generation, ...]) -> None:
        """Opens the keys that may be asked to sign, and lets go of the others."""
        for generation in generations:
            if generation.state not in {GenerationState.PENDING, GenerationState.ACTIVE}:
                self._signers.pop(generation.id, None)
                self.faults.pop(generation.id, None)
                continue
            try:
                self._signers[generation.id] = self._open(generation)
                self.faults.pop(generation.id, None)
            except Unavailable as fault:
                self.faults[generation.id] = fault.message

    def _open(self, generation: Generation) -> sshca.Signer:
        where = holder(generation.backend)
        match where.kind:
            case "agent":
                return sshca.AgentSigner(generation.key)
            case "pkcs11":
                return sshca.PKCS11Signer(where.token(pin()), generation.key)
        signer = sshca.load(self._folder / generation.id, self._passphrase)
        if signer.key != generation.key:
            raise Unavailable(f"the key file of {generation.id} holds another key", hint="restore it from a backup")
        return signer

    def make(self, id: GenerationID, algorithm: str = "ed25519", backend: str = "file") -> sshca.Signer:
        """A new key, held where `backend` says before it is returned. A key in an ssh-agent is one that is there."""
        where = holder(backend)
        match where.kind:
            case "agent":
                self._signers[id] = sshca.AgentSigner(where.agent_key())
            case "pkcs11":
                self._signers[id] = sshca.generate_on_token(where.token(pin()), algorithm)
            case _:
                self._signers[id] = self._make_file(id, algorithm)
        return self._signers[id]

    def _make_file(self, id: GenerationID, algorithm: str) -> sshca.Signer:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / id
        if path.exists():  # of a rotation that was never recorded, so nothing was signed with it
            path.rename(path.with_name(f"{id}.unrecorded-{time.time_ns()}"))
        made = sshca.generate(algorithm)
        sshca.save(path, made, self._passphrase)
        return sshca.load(path, self._passphrase)

    def active(self, kind: CertificateKind, generations: tuple[Generation, ...]) -> tuple[Generation, sshca.Signer]:
        """The generation that signs now, with its key. Raises `Unavailable`."""
        for generation in generations:
            if generation.kind is kind and generation.state is GenerationState.ACTIVE:
                signer = self._signers.get(generation.id)
                if signer is None:
                    why = self.faults.get(generation.id, "it was not loaded")
                    raise Unavailable(
                        f"the {kind} CA cannot sign: {why}", hint="`wardgate gate doctor` says what to do"
                    )
                return generation, signer
        raise Unavailable(f"no {kind} CA is active", hint=f"make one with: wardgate ca rotate {kind}")
