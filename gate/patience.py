"""A signing key that is held elsewhere, which is waited for only so long: others wait while a certificate is signed."""

from __future__ import annotations

import threading
from typing import Final

from model.errors import Unavailable
from model.keys import SSHKey
from sshca import Signer

PATIENCE: Final = 2.0
"""Seconds. A token in use takes some milliseconds, one beyond a network some tens of them."""
HINT: Final = "see to the ssh-agent or the token; it is asked again by itself"
_TRIAL: Final = b"wardgate asks whether this key signs"
"""No certificate: those begin with a length and the name of their type."""


class _Attempt:
    """One call of the holder, in a thread of its own, since nothing ends a library that hangs."""

    def __init__(self, signer: Signer, data: bytes) -> None:
        self.over = threading.Event()
        self.signature: bytes | None = None
        self.fault: Exception | None = None
        threading.Thread(target=self._run, args=(signer, data), name="ca-key", daemon=True).start()

    def _run(self, signer: Signer, data: bytes) -> None:
        try:
            self.signature = signer.sign(data)
        except Exception as fault:
            self.fault = fault
        finally:
            self.over.set()


class PatientSigner:
    """Signs by `signer` for as long as that answers in time.

    well ─(no answer in time)─▶ silent ─(a trial answers)─▶ well

    While it is silent it refuses at once, and tries meanwhile: whoever asks is held up once, not each time.
    """

    def __init__(self, signer: Signer, patience: float = PATIENCE) -> None:
        self._signer = signer
        self._patience = patience
        self._lock = threading.Lock()
        self._trial: _Attempt | None = None
        self.fault: str | None = None
        """Why it did not sign when it was last asked."""

    @property
    def key(self) -> SSHKey:
        return self._signer.key

    @property
    def algorithm(self) -> str:
        return self._signer.algorithm

    def __repr__(self) -> str:
        return f"PatientSigner({self._signer!r})"

    def sign(self, data: bytes) -> bytes:
        """`Unavailable` where the holder refuses, or is silent."""
        with self._lock:
            if self._trial is not None and not self._answered(self._trial):
                raise self._silent()
        attempt = _Attempt(self._signer, data)
        if attempt.over.wait(self._patience):
            return self._outcome(attempt)
        with self._lock:
            self._trial = self._trial or attempt
        self.fault = f"its holder gives no answer within {self._patience:g} s"
        raise self._silent()

    def check(self) -> str | None:
        """Asks for a signature that serves nothing, and gives what is wrong; it takes `PATIENCE` at most."""
        try:
            self.sign(_TRIAL)
        except Unavailable as fault:
            return fault.message
        return None

    def _answered(self, trial: _Attempt) -> bool:
        """Whether the trial found the holder well again; where it is over with a fault, the next one begins."""
        if not trial.over.is_set():
            return False
        self.fault = None if trial.fault is None else _reason(trial.fault)
        self._trial = None if trial.fault is None else _Attempt(self._signer, _TRIAL)
        return self._trial is None

    def _silent(self) -> Unavailable:
        return Unavailable(self.fault or "its holder is silent", hint=HINT)

    def _outcome(self, attempt: _Attempt) -> bytes:
        self.fault = None if attempt.fault is None else _reason(attempt.fault)
        if attempt.signature is None:
            raise Unavailable(self.fault or "its holder failed", hint=HINT) from attempt.fault
        return attempt.signature


def _reason(fault: Exception) -> str:
    return fault.message if isinstance(fault, Unavailable) else f"its holder failed: {fault}"
