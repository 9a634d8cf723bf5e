"""The CA keys that can sign at this moment. One that cannot be loaded leaves a reason, and all else goes on."""

from __future__ import annotations

import os
from pathlib import Path

import sshca
from model.errors import Unavailable
from model.ids import GenerationID
from model.keys import Secret
from model.records import CertificateKind, Generation, GenerationState

PASSPHRASE_CREDENTIAL = "wardgate-ca"  # noqa: S105 - the name of systemd's credential, not a secret


def passphrase_from_environment() -> Secret | None:
    """From a systemd credential or the file that WARDGATE_CA_PASSPHRASE_FILE names; None where neither is."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    named = os.environ.get("WARDGATE_CA_PASSPHRASE_FILE")
    paths = [Path(folder) / PASSPHRASE_CREDENTIAL] if folder else []
    paths += [Path(named)] if named else []
    for path in paths:
        if path.is_file():
            return Secret(path.read_text().rstrip("\n"))
    return None


class Signers:
    """`faults` says, by generation, why a key cannot sign."""

    def __init__(self, state: Path, passphrase: Secret | None = None) -> None:
        self._folder = state / "ca"
        self._passphrase = passphrase
        self._signers: dict[GenerationID, sshca.Signer] = {}
        self.faults: dict[GenerationID, str] = {}

    def path(self, id: GenerationID) -> Path:
        return self._folder / id

    @property
    def ready(self) -> frozenset[GenerationID]:
        """Generations whose keys can sign."""
        return frozenset(self._signers)

    def load(self, generations: tuple[Generation, ...]) -> None:
        for generation in generations:
            if generation.state in {GenerationState.PENDING, GenerationState.ACTIVE}:
                self._load(generation)

    def _load(self, generation: Generation) -> None:
        try:
            self._signers[generation.id] = self._open(generation)
            self.faults.pop(generation.id, None)
        except Unavailable as fault:
            self.faults[generation.id] = fault.message

    def _open(self, generation: Generation) -> sshca.Signer:
        secret = self._passphrase.encode() if self._passphrase else None
        signer = sshca.load(self.path(generation.id), secret)
        if signer.key != generation.key:
            raise Unavailable(f"the key file of {generation.id} holds another key", hint="restore it from a backup")
        return signer

    def make(self, id: GenerationID, algorithm: str = "ed25519") -> sshca.Signer:
        """A new key, on disk before it is returned."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        private = sshca.generate(algorithm)
        sshca.save(self.path(id), private, self._passphrase.encode() if self._passphrase else None)
        signer = sshca.load(self.path(id), self._passphrase.encode() if self._passphrase else None)
        self._signers[id] = signer
        return signer

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
