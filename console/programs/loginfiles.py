"""What a login leaves on a person's machine, in ~/.ssh/wardgate: a key, its certificate, and what ssh reads."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import msgspec

from model.errors import Invalid
from model.files import write_whole
from model.ids import quoted
from model.sshd import short_names

INCLUDE = "Include wardgate/*.conf"
ASK_EVERY = 300
"""Seconds between looks at the gate's revocation list, when ssh asks for a connection."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One login, as its file has it."""

    name: str
    """The person, in full."""
    host: str
    port: int
    domain: str
    device: str
    key_file: str
    """The private key's; its certificate is beside it."""
    valid_before: int
    """When the certificate ends."""
    own_key: bool = True
    """Made for this login; removed with it."""

    @property
    def gate(self) -> str:
        """As it is typed; in this home a name without its domain says enough."""
        return f"{self.name.partition('@')[0]}@{self.host}:{self.port}"


class Folder:
    """`~/.ssh/wardgate`, or that of `home`."""

    def __init__(self, home: Path | None = None) -> None:
        self.ssh = (home or Path.home()) / ".ssh"
        self.path = self.ssh / "wardgate"

    def _prepare(self) -> None:
        self.ssh.mkdir(mode=0o700, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)

    def logins(self) -> tuple[Kept, ...]:
        found = []
        for path in sorted(self.path.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Kept))
            except (OSError, msgspec.DecodeError):
                continue
        return tuple(found)

    def find(self, gate: str | None) -> Kept | None:
        """The login at `gate`: NAME@HOST:PORT, its parts, or nothing where there is one alone. NAME may be bare."""
        known = self.logins()
        if not gate:
            return known[0] if len(known) == 1 else None
        for one in known:
            local = one.name.partition("@")[0]
            people = {f"{name}@{where}" for name in (one.name, local) for where in (one.host, f"{one.host}:{one.port}")}
            if gate in {*people, one.host, one.domain}:
                return one
        return None

    def key_file(self, host: str, port: int, name: str) -> Path:
        self._prepare()
        return self.path / f"{_safe(name)}@{_safe(host)}-{port}"

    def trusted(self, host: str, port: int) -> Path:
        """Host CA keys of a gate that the person trusted once."""
        return self.path / f"{_safe(host)}-{port}.trusted"

    def trust(self, host: str, port: int, fingerprints: tuple[str, ...]) -> None:
        self._prepare()
        write_whole(self.trusted(host, port), "".join(f"{one}\n" for one in fingerprints).encode(), mode=0o600)

    def krl(self, login: Kept) -> Path:
        """The gate's revocation list, as it was last seen: ssh refuses hosts by it, and we learn of our own end."""
        return self.path / f"{login.domain}.krl"

    def outdated(self, login: Kept) -> bool:
        """Whether the list was looked at too long ago. Counts from now on again: a gate that is away is left alone."""
        path = self.krl(login)
        try:
            if time.time() - path.stat().st_mtime < ASK_EVERY:
                return False
            os.utime(path)
        except FileNotFoundError:
            pass
        return True

    def revoked(self, login: Kept) -> bool:
        """Whether the list names the login's certificate."""
        words = ["ssh-keygen", "-Q", "-f", str(self.krl(login)), f"{login.key_file}-cert.pub"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        return done.returncode == 1 and done.stdout.rstrip().endswith("REVOKED")

    def keep(self, login: Kept, *, certificate: str, known_hosts: str, krl: bytes, program: str) -> None:
        """Writes all that ssh needs; the certificate last, since its presence says that the rest is there.

        A network has one login here: another key's, which this one is in place of, goes.
        """
        self._prepare()
        before = [one for one in self.logins() if one.domain == login.domain and one.key_file != login.key_file]
        write_whole(self.krl(login), krl, mode=0o600)
        known = self.path / f"{login.domain}.known_hosts"
        write_whole(known, known_hosts.encode(), mode=0o600)
        write_whole(self.path / f"{login.domain}.conf", self._config(login, known, program).encode(), mode=0o600)
        write_whole(self._record(login), msgspec.json.encode(login), mode=0o600)
        write_whole(Path(f"{login.key_file}-cert.pub"), f"{certificate}\n".encode(), mode=0o600)
        self._include()
        for one in before:
            _forget_key(one)

    def _record(self, login: Kept) -> Path:
        return self.path / f"{login.domain}.json"

    def _config(self, login: Kept, known: Path, program: str) -> str:
        """Hosts of the network show a certificate and get ours, which renews itself when ssh asks for the host."""
        return (
            f"# Written by `wardgate login {login.gate}`; `wardgate logout` takes it away.\n"
            f"{short_names(login.domain)}"
            f"Match host {login.domain},*.{login.domain} exec {_command(program, 'login', '--renew', login.gate)}\n"
            f"    IdentityFile {_word(login.key_file)}\n"
            f"    CertificateFile {_word(f'{login.key_file}-cert.pub')}\n"
            f"    UserKnownHostsFile {_word(str(known))} ~/.ssh/known_hosts\n"
            f"    RevokedHostKeys {_word(str(self.krl(login)))}\n"
            "    StrictHostKeyChecking yes\n"
        )

    def _include(self) -> None:
        """One line at the top of ~/.ssh/config, since ssh takes the first value that it meets."""
        config = self.ssh / "config"
        text = config.read_text() if config.exists() else ""
        if not any(line.strip() == INCLUDE for line in text.splitlines()):
            write_whole(config, f"{INCLUDE}\n\n{text}".encode(), mode=0o600)

    def _exclude(self) -> None:
        """Takes that line away with the last login."""
        config = self.ssh / "config"
        if any(self.path.glob("*.conf")) or not config.exists():
            return
        text = config.read_text()
        kept = text.removeprefix(f"{INCLUDE}\n\n")
        kept = "".join(line for line in kept.splitlines(keepends=True) if line.strip() != INCLUDE)
        if kept != text:
            write_whole(config, kept.encode(), mode=0o600)

    def forget(self, login: Kept) -> None:
        _forget_key(login)
        for path in (
            self.path / f"{login.domain}.conf",
            self.krl(login),  # after what names it: ssh refuses every host by a list that is not there
            self.path / f"{login.domain}.known_hosts",
            self._record(login),
        ):
            path.unlink(missing_ok=True)
        self._exclude()


def due(login: Kept, now: float | None = None) -> bool:
    """Whether less than a quarter of an hour is left of the certificate."""
    return login.valid_before - (now or time.time()) < 900


def add_to_agent(key_file: str, seconds: int) -> bool:
    """Puts key and certificate into the ssh-agent for as long as the certificate lives; False where there is none."""
    if "SSH_AUTH_SOCK" not in os.environ or shutil.which("ssh-add") is None:
        return False
    done = subprocess.run(
        ["ssh-add", "-q", "-t", str(max(1, seconds)), key_file], capture_output=True, check=False, timeout=30
    )
    return done.returncode == 0


def _forget_key(login: Kept) -> None:
    """Its certificate, here and in the ssh-agent, and the key itself where it was made for this login."""
    _drop_from_agent(login.key_file)
    Path(f"{login.key_file}-cert.pub").unlink(missing_ok=True)
    if login.own_key:
        Path(login.key_file).unlink(missing_ok=True)
        Path(f"{login.key_file}.pub").unlink(missing_ok=True)


def _drop_from_agent(key_file: str) -> None:
    if "SSH_AUTH_SOCK" in os.environ and Path(f"{key_file}.pub").exists() and shutil.which("ssh-add"):
        subprocess.run(["ssh-add", "-q", "-d", f"{key_file}.pub"], capture_output=True, check=False, timeout=30)


def _command(*words: str) -> str:
    """For `Match exec`: quoted for the shell that ssh asks, and for ssh, which would expand a `%` of its own."""
    return _word(shlex.join(words).replace("%", "%%"), always=True)


def _word(text: str, *, always: bool = False) -> str:
    """One word of ssh's configuration, which has no escape for a quote within quotes in all its versions."""
    if '"' in text or not text.isprintable():
        raise Invalid(f"{quoted(text)} cannot stand in ssh's configuration", hint="choose a path without quotes in it")
    return f'"{text}"' if always or " " in text else text


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._@-]", "_", text)
