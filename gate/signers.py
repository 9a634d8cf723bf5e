"""The CA keys that can sign at this moment. One that cannot be loaded leaves a reason, and all else goes on."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

import sshca
from gate.patience import PatientSigner
from model.errors import Invalid, Unavailable
from model.files import sync_folder
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


_MENDING = {
    "file": "give the passphrase, --ca-passphrase-file FILE, and start again; a lost file is in a backup",
    "agent": "start the ssh-agent at SSH_AUTH_SOCK and add the key: ssh-add FILE",
    "pkcs11": "see that the token is plugged in, answers, and that WARDGATE_PKCS11_PIN_FILE has its PIN",
}


def how_to_mend(backend: str) -> str:
    """What to do about a key, held where `backend` says, that cannot sign."""
    return _MENDING[holder(backend).kind]


def pin() -> Secret:
    """Of the PKCS#11 token, from a systemd credential or the file that WARDGATE_PKCS11_PIN_FILE names."""
    found = _secret(PIN_CREDENTIAL, "WARDGATE_PKCS11_PIN_FILE")
    if found is None:
        raise Unavailable("the token's PIN is not known", hint="name its file in WARDGATE_PKCS11_PIN_FILE")
    return found


class Prepared(msgspec.Struct, frozen=True):
    """A new key before it has a generation. One in a file is there under a name of its own."""

    signer: sshca.Signer
    file: Path | None = None

    def drop(self) -> None:
        """Where nothing came of it."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


class Signers:
    """Asked from any thread."""

    def __init__(self, state: Path, passphrase: Secret | None = None) -> None:
        self._folder = state / "ca"
        self._passphrase = passphrase.encode() if passphrase else None
        self._signers: dict[GenerationID, sshca.Signer] = {}
        self._missing: dict[GenerationID, str] = {}

    @property
    def faults(self) -> dict[GenerationID, str]:
        """By generation, why its key cannot sign: it could not be opened, or its holder failed when last asked."""
        failed = {id: one.fault for id, one in list(self._signers.items()) if isinstance(one, PatientSigner)}
        return dict(self._missing) | {id: fault for id, fault in failed.items() if fault is not None}

    @property
    def ready(self) -> frozenset[GenerationID]:
        """Generations whose keys can sign."""
        return frozenset(self._signers) - frozenset(self.faults)

    def load(self, generations: Iterable[Generation]) -> None:
        """Opens the keys that may be asked to sign, and lets go of the others. An encrypted file takes a while."""
        for generation in generations:
            if generation.state not in {GenerationState.PENDING, GenerationState.ACTIVE}:
                self._signers.pop(generation.id, None)
                self._missing.pop(generation.id, None)
                continue
            held = self._signers.get(generation.id)
            if held is not None and held.key == generation.key:
                continue
            try:
                self._signers[generation.id] = self._open(generation)
                self._missing.pop(generation.id, None)
            except Unavailable as fault:
                self._missing[generation.id] = fault.message

    def check(self) -> None:
        """Asks each key that is held elsewhere whether it signs: `faults` tells. It waits for each in turn."""
        for one in list(self._signers.values()):
            if isinstance(one, PatientSigner):
                one.check()

    def _open(self, generation: Generation) -> sshca.Signer:
        where = holder(generation.backend)
        match where.kind:
            case "agent":
                return PatientSigner(sshca.AgentSigner(generation.key))
            case "pkcs11":
                return PatientSigner(sshca.PKCS11Signer(where.token(pin()), generation.key))
        signer = sshca.load(self._folder / generation.id, self._passphrase)
        if signer.key != generation.key:
            raise Unavailable(f"the key file of {generation.id} holds another key", hint="restore it from a backup")
        return signer

    def prepare(self, algorithm: str = "ed25519", backend: str = "file") -> Prepared:
        """A new key, held where `backend` says. It takes long: not for a transaction. One in an ssh-agent is one that
        is there."""
        where = holder(backend)
        match where.kind:
            case "agent":
                return Prepared(PatientSigner(sshca.AgentSigner(where.agent_key())))
            case "pkcs11":
                return Prepared(PatientSigner(sshca.generate_on_token(where.token(pin()), algorithm)))
        self._as_encrypted_as_the_others()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"prepared-{secrets.token_hex(8)}"
        sshca.save(path, sshca.generate(algorithm), self._passphrase)
        return Prepared(sshca.load(path, self._passphrase), path)

    def _as_encrypted_as_the_others(self) -> None:
        """Without their passphrase a new key would be in clear, and with a mistyped one gone at the next start."""
        for id in self._missing:
            path = self._folder / id
            if path.exists() and sshca.is_encrypted(path.read_bytes()):
                raise Unavailable(
                    "the new key would not have the passphrase of the others, which this gate was not given",
                    hint=f"start with it: --ca-passphrase-file FILE; if it is lost, move them out of {self._folder}",
                )

    def keep(self, id: GenerationID, made: Prepared) -> None:
        """`made` is the key of generation `id` from now on: in the transaction that records it."""
        if made.file is not None:
            path = self._folder / id
            if path.exists():  # of a rotation that was never recorded, so nothing was signed with it
                path.rename(path.with_name(f"{id}.unrecorded-{time.time_ns()}"))
            made.file.rename(path)
            sync_folder(self._folder)
        self._signers[id] = made.signer

    def make(self, id: GenerationID, algorithm: str = "ed25519") -> sshca.Signer:
        """A new key in a file, for a network that is being made."""
        self.keep(id, self.prepare(algorithm))
        return self._signers[id]

    def active(self, kind: CertificateKind, generations: Iterable[Generation]) -> tuple[Generation, sshca.Signer]:
        """The generation that signs now, with its key. Raises `Unavailable`."""
        for generation in generations:
            if generation.kind is kind and generation.state is GenerationState.ACTIVE:
                signer = self._signers.get(generation.id)
                if signer is None:
                    why = self._missing.get(generation.id, "it was not loaded")
                    raise Unavailable(
                        f"the {kind} CA cannot sign: {why}", hint="`wardgate gate doctor` says what to do"
                    )
                return generation, signer
        raise Unavailable(f"no {kind} CA is active", hint=f"make one with: wardgate ca rotate {kind}")
