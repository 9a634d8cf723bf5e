"""Who logs in while it is measured: by a code, by a provider's pages, by a touched key."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncssh
import pyotp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate.actor import GATE
from gate.gate import Gate
from gate.login.passwords import hash_password
from gate.services import logins, users
from store import totp

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS / "login"))
PROVIDER = (TESTS / "oidc" / "node_modules" / ".installed").exists()
"""Whether the tests' OpenID Connect provider is here: bin/provider installs it."""
PASSWORD = "correct horse battery"
REDIRECT = "http://127.0.0.1:43210/callback"
SK, APPLICATION = b"sk-ssh-ed25519@openssh.com", b"ssh:"


def cpu_ms(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def people(state: Path, number: int) -> list[pyotp.TOTP]:
    """`bob` with a password, and `number` people with a password and an authenticator, whose codes are all unused."""
    generators = []
    async with await Gate.open(state) as gate:
        kept = hash_password(PASSWORD)
        for name in ["bob", *(f"two-{at}" for at in range(number))]:
            user = await gate.perform(users.add, GATE, name=name)
            await gate.perform(users.set_password, GATE, name=name, password_hash=kept)
            if name != "bob":
                made = await gate.perform(logins.set_up_totp, GATE, name=name)
                await gate.store.write(lambda tx, user=user: totp.use_step(tx, user.name, 1))  # type: ignore[misc]
                generators.append(pyotp.TOTP(str(made.secret).replace(" ", "")))
    return generators


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class Authenticator(asyncssh.SSHKeyPair):
    """A FIDO2 key (OpenSSH's PROTOCOL.u2f) that is touched at once."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        blob = _string(SK) + _string(self._private.public_key().public_bytes_raw()) + _string(APPLICATION)
        super().__init__(SK, SK, (SK,), (SK,), blob, None)

    def line(self) -> str:
        return f"{SK.decode()} {base64.b64encode(self.public_data).decode()}"

    def sign(self, data: bytes) -> bytes:
        state = struct.pack(">BI", 1, 7)
        message = hashlib.sha256(APPLICATION).digest() + state + hashlib.sha256(data).digest()
        return _string(SK) + _string(self._private.sign(message)) + state


class Answering(asyncssh.SSHClient):
    """Gives its answers in turn."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def kbdint_auth_requested(self) -> str:
        return ""

    async def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> list[str]:
        return [await self.answer(prompt) for prompt, _ in prompts]

    async def answer(self, prompt: str) -> str:
        return self.answers.pop(0)


class AtPages(Answering):
    """Goes through the provider's pages as bob; `away` is how long that took, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        from login_harness import Browser  # type: ignore[import-not-found]

        self._browser, self.away = Browser("bob"), 0.0

    async def _go(self, address: str, **how: str) -> str:
        began = time.perf_counter()
        back = await self._browser.go(address, **how)
        self.away += time.perf_counter() - began
        return str(back)

    async def close(self) -> None:
        await self._browser.close()


class ByCode(AtPages):
    """The device code (RFC 8628)."""

    async def answer(self, prompt: str) -> str:
        if "enter the code" in prompt:
            words = prompt.split()
            await self._go(words[words.index("Open") + 1], user_code=words[words.index("code") + 1])
        return ""


class ByBrowser(AtPages):
    """The authorization code with PKCE (RFC 7636), as `wardgate login` does it."""

    async def answer(self, prompt: str) -> str:
        if not prompt.startswith("wardgate-login "):
            return f"wardgate-login {REDIRECT}"
        back = await self._go(prompt.removeprefix("wardgate-login "), until=REDIRECT)
        query = parse_qs(urlsplit(back).query)
        return f"{query['code'][0]} {query['state'][0]}"
