"""This host's sshd, told by the network who may log in: the certificates' CA, the KRL, the principals of each login.

The texts are `model.sshd`'s. sshd reads all but the drop-in and the host certificate anew for each login, so only these
two ask for a reload. Where another file gave sshd a setting before ours, nothing is written, and the merge is shown.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import glob
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.files import PUBLIC, read_or_none, write_whole
from model import foreign
from model import sshd as text
from model.errors import Unavailable
from model.hostproof import NAMESPACE
from model.ids import quoted
from model.netmap import NetMap

KRL_MAGIC = b"SSHKRL\n\x00"
"""PROTOCOL.krl. A file without it would let everyone in (empty) or nobody (broken)."""
SIGNING = 20.0
"""Seconds that a signature may take."""


class Sshd:
    """One sshd, by the folder of its configuration. Synchronous."""

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._config = folder / "sshd_config"
        self._drop_in = folder / "sshd_config.d" / "10-wardgate.conf"
        self.wanted_host_key = host_key = folder / "ssh_host_ed25519_key"
        self.paths = text.Paths(f"{folder}/wardgate", str(host_key) if host_key.exists() else None)
        self._folder = Path(self.paths.folder)
        self._report = report
        self._said = self._hint = ""
        self._free = True
        self._looked_at: dict[str, list[str]] | None = None

    @property
    def present(self) -> bool:
        """Whether this machine has an sshd to tell."""
        return shutil.which("sshd") is not None and self._config.exists()

    def host_key(self) -> str | None:
        """The line of the public key that a certificate is asked for."""
        data = read_or_none(Path(f"{self.paths.host_key}.pub")) if self.paths.host_key else None
        return data.decode().strip() if data else None

    @property
    def can_sign(self) -> bool:
        """Whether the private half of the host key is a file here."""
        return self.paths.host_key is not None and Path(self.paths.host_key).exists()

    def sign(self, data: bytes) -> str | None:
        """An armored signature of `data` by the host key; None where ssh-keygen makes none, or is not there.

        Apart from the terminal, where it would ask for the passphrase of a key that has one.
        """
        try:
            done = subprocess.run(
                ["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(self.paths.host_key)],
                input=data, capture_output=True, check=False, timeout=SIGNING, start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode() if done.returncode == 0 else None

    @property
    def problem(self) -> str:
        """Why this sshd does not follow the network; empty where it does, or was not asked to yet."""
        return "" if self._follows else self._said

    @property
    def hint(self) -> str:
        """What to do about `problem`."""
        return "" if self._follows else self._hint

    @property
    def _follows(self) -> bool:
        return self._free and self._drop_in.exists()

    def host_certificate(self) -> str | None:
        data = read_or_none(Path(self.paths.host_certificate))
        return data.decode("utf-8", "replace").strip() if data else None

    def certificate_revoked(self) -> bool:
        """Whether the KRL that is here names the host certificate that is here."""
        certificate, krl = self.paths.host_certificate, self.paths.krl
        if not (Path(certificate).exists() and Path(krl).exists()):
            return False
        done = subprocess.run(["ssh-keygen", "-Q", "-f", krl, certificate], capture_output=True, check=False)
        return done.returncode == 1 and done.stdout.rstrip().endswith(b"REVOKED")

    def trusted(self) -> str | None:
        """The TrustedUserCAKeys that this sshd goes by; None where it does not follow the network."""
        data = read_or_none(Path(self.paths.user_ca)) if self._follows else None
        return None if data is None else data.decode("utf-8", "replace")

    def put_host_certificate(self, line: str) -> None:
        _made(self._folder)
        self._write(Path(self.paths.host_certificate), f"{line.strip()}\n".encode())
        if self._drop_in.exists():
            self._settle()

    def keep(self, netmap: NetMap) -> bool:
        """Writes what `netmap` says; whether sshd follows it. Not where there is no KRL yet, or a merge is due.

        Where the merge came to be due after all was written, it is kept up to date: sshd may read a part of it.
        """
        self._look(netmap)
        if not self._free and not self._drop_in.exists():
            return False
        krl = _krl(netmap.krl)
        if krl is None and not Path(self.paths.krl).exists():
            return False
        logins = Path(self.paths.logins)
        _made(self._folder)
        _made(logins)
        wanted = {name: content.encode() for name, content in text.login_files(netmap.ssh).items()}
        strays = [path for path in logins.iterdir() if path.name not in wanted]
        if krl is not None:
            self._write_krl(krl)
        self._write(Path(self.paths.user_ca), text.user_ca_file(netmap.trust).encode())
        # What is taken away goes first. A stray is emptied before it goes, and `*` is asked where it was.
        lists = dict.fromkeys((path.name for path in strays), b"") | wanted
        for name, content in sorted(lists.items(), key=lambda one: bool(one[1])):
            self._write(logins / name, content)
        self._write(Path(self.paths.any_login), text.any_login_file(netmap.ssh).encode())
        for stray in strays:
            stray.unlink()
        return (self._settle() if self._drop_in_changed() else True) and self._free

    def _write_krl(self, krl: bytes) -> None:
        """After ssh-keygen has read it: a damaged KRL would lock everybody out."""
        path = Path(self.paths.krl)
        if read_or_none(path) == krl:
            return
        trial = path.with_suffix(".new")
        write_whole(trial, krl, PUBLIC)
        done = subprocess.run(["ssh-keygen", "-Q", "-l", "-f", str(trial)], capture_output=True, check=False)
        if done.returncode != 0:
            trial.unlink()
            raise Unavailable("the gate's KRL cannot be read; the last good one stays")
        trial.replace(path)

    def remove(self) -> bool:
        """Takes everything back; whether it could. The files that sshd reads go last: without its KRL it would refuse
        every key.

        Where sshd does not take the configuration that is left, it runs on with the old one, and keeps its files. They
        say so to a later call: that the drop-in is gone says nothing of what sshd reads.
        """
        if not (self._drop_in.exists() or self._folder.exists()):
            return True
        self._drop_in.unlink(missing_ok=True)
        if self.present:
            try:
                self._effective()
            except Unavailable as error:
                self._tell(
                    f"sshd does not take its configuration, and was not reloaded: {error.message}",
                    f"mend it, then run wardgate down: sshd reads {self._folder} until then",
                )
                return False
            self._reload()
        shutil.rmtree(self._folder, ignore_errors=True)
        return True

    def _look(self, netmap: NetMap) -> None:
        """Whether no other file of this host decides what we would; tells the merge where one does.

        Others change those files at any time: they are looked at where one reads otherwise than at the last look.
        """
        lines = _lines(self._config)
        read = {str(self._config): lines}
        try:
            blocks = foreign.foreign_blocks(str(self._config), lines, self._included(read), self.paths)
            if read == self._looked_at:
                return
            found = [*foreign.foreign_settings(self._effective(), self.paths), *blocks]
        except Unavailable as error:
            self._free, self._looked_at = self._drop_in.exists(), None
            self._tell(f"sshd does not take its configuration as it is: {error.message}", "look with: sshd -t")
            return
        self._free, self._looked_at = not found, read
        if not found:
            self._said = self._hint = ""
            return
        what = "; ".join(map(str, found))
        merge = foreign.merge((netmap.network.ipv4, netmap.network.ipv6))
        done = "as well" if self._drop_in.exists() else "and left alone"
        self._tell(f"this host's sshd was set up by another {done}: {what}", merge)

    def _included(self, read: dict[str, list[str]]) -> foreign.Included:
        """Gives the files that Include names, ours apart, and writes them down in `read`."""
        folder = self._config.parent

        def included(pattern: str) -> Iterator[tuple[str, list[str]]]:
            for path in sorted(folder / name for name in glob.glob(pattern, root_dir=folder)):
                if path != self._drop_in and path.is_file():
                    yield str(path), read.setdefault(str(path), _lines(path))

        return included

    def _drop_in_text(self) -> bytes:
        with_certificate = Path(self.paths.host_certificate).exists()
        return text.drop_in(self.paths, with_host_certificate=with_certificate).encode()

    def _drop_in_changed(self) -> bool:
        return read_or_none(self._drop_in) != self._drop_in_text()

    def _settle(self) -> bool:
        """Puts the drop-in there, if sshd takes it, and lets sshd read it. A configuration that fails is taken back."""
        before = read_or_none(self._drop_in)
        self._drop_in.parent.mkdir(mode=0o755, exist_ok=True)
        write_whole(self._drop_in, self._drop_in_text(), PUBLIC)
        try:
            trusts = self._settings()["trustedusercakeys"]
            # Where another's CA came before ours, sshd does not show whether it read ours: as it did before.
            followed = trusts == self.paths.user_ca or (before is not None and trusts != "none")
        except Unavailable as error:
            self._tell(f"sshd does not take the configuration, which was taken back: {error.message}")
            followed = False
        else:
            if not followed:
                self._tell(
                    f"{self._config} does not include {self._drop_in}", f"add: Include {self._drop_in.parent}/*.conf"
                )
        if not followed:
            if before is None:
                self._drop_in.unlink()
            else:
                write_whole(self._drop_in, before, PUBLIC)
            return False
        self._reload()
        return True

    def _effective(self) -> str:
        """sshd's own reading of its configuration, which is its test as well (`sshd -T` implies `-t`)."""
        done = subprocess.run(
            [shutil.which("sshd") or "sshd", "-T", "-f", str(self._config)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Unavailable(quoted((done.stderr.strip().splitlines() or ["no reason given"])[-1]))
        return done.stdout

    def _settings(self) -> dict[str, str]:
        return dict(line.partition(" ")[::2] for line in self._effective().splitlines())

    def _reload(self) -> None:
        """SIGHUP to the sshd that wrote the PID file, if there is one: an sshd for each connection needs none."""
        with contextlib.suppress(OSError, ValueError, Unavailable):
            process = int(Path(self._settings().get("pidfile", "/run/sshd.pid")).read_text())
            if Path(f"/proc/{process}/comm").read_text().strip() == "sshd":
                os.kill(process, signal.SIGHUP)

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        if read_or_none(path) != data:
            write_whole(path, data, PUBLIC)

    def _tell(self, problem: str, hint: str = "") -> None:
        """Once, not at every map."""
        if problem != self._said:
            self._said, self._hint = problem, hint
            self._report(problem + (f" ({hint})" if hint else ""))


def _made(folder: Path) -> None:
    """For all to enter, whatever the umask: sshd reads as the login that is asked for, and as `nobody`."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)


def _lines(path: Path) -> list[str]:
    """As sshd cuts them: what else begins a line for Python, such as U+2028 in a comment, is a character to it."""
    return (read_or_none(path) or b"").decode("utf-8", "replace").split("\n")


def _krl(encoded: str) -> bytes | None:
    """None where the gate made none yet. `Unavailable` for anything that is not a KRL: the old one stays."""
    if not encoded:
        return None
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data.startswith(KRL_MAGIC):
        raise Unavailable("the gate's KRL is not one; the last good one stays")
    return data
