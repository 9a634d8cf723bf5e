"""A host with Debian's sshd in namespaces of its own: its /etc/ssh, its accounts, its addresses, its port 22."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from model.files import write_whole
from model.keys import SSHKey, ssh_key
from model.netmap import Logins, Trust
from model.sshd import Paths, any_login_file, drop_in, login_files, user_ca_file
from sshca import KeySigner, krl

NAME = "db-1.net.example.com"
DEVICE_ADDRESS, OTHER_ADDRESS, HOST_ADDRESS, HOST_ADDRESS_6 = (
    "100.64.0.7",
    "192.0.2.7",
    "100.64.0.9",
    "fd7a:115c:a1e0::9",
)
DEVICE_ADDRESS_6 = "fd7a:115c:a1e0::7"
ACCOUNTS = ("root", "deploy", "web", "backup", "al+ice")
EMPTY_KRL = krl(version=1, generated_at=1, comment="", revocations=(), ca_keys={})

_LISTENING = "Server listening on :: port 22"
_SSHD_CONFIG = """
Include /etc/ssh/sshd_config.d/*.conf
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
LogLevel VERBOSE
"""
_SETUP = """
set -e
mount --make-rprivate /
mount --bind "$0/passwd" /etc/passwd
mount --bind "$0/shadow" /etc/shadow
mount --bind "$0/hosts" /etc/hosts
mount -t tmpfs -o mode=755 ssh /etc/ssh
cp -a "$0/ssh/." /etc/ssh/
mount -t tmpfs run /run
mkdir -p /run/sshd
ip link set lo up
for address in "$@"; do ip address add "$address" dev lo; done
echo ready
exec sleep infinity
"""


class Host:
    """Use as a context. `etc` is its /etc/ssh, written from outside; `paths` are as the host sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = Paths()
        self.log = folder / "sshd.log"
        self.key = self._files()
        self._namespaces: subprocess.Popen[str] | None = None
        self._sshd: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        addresses = (DEVICE_ADDRESS, OTHER_ADDRESS, HOST_ADDRESS, HOST_ADDRESS_6, DEVICE_ADDRESS_6)
        self._namespaces = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-c", _SETUP, str(self.folder), *addresses],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._namespaces.stdout
        assert self._namespaces.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._sshd, self._namespaces):
            if process is not None:
                process.terminate()
                process.wait()

    @property
    def etc(self) -> Path:
        assert self._namespaces is not None
        return Path(f"/proc/{self._namespaces.pid}/root/etc/ssh")

    def run(self, command: Sequence[str], *, input: str = "", check: bool = False) -> subprocess.CompletedProcess[str]:
        """Runs a command on the host, with no more of an environment than a service has."""
        assert self._namespaces is not None
        entered = ["nsenter", "--mount", "--net", "--target", str(self._namespaces.pid), "--wd=/", *command]
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C"}
        return subprocess.run(
            entered, capture_output=True, text=True, timeout=30, check=check, input=input, env=environment
        )

    def trusts(self, trust: Trust, logins: Logins, *, krl: bytes = EMPTY_KRL, certificate: str | None = None) -> None:
        """What an agent writes: the files, then the drop-in."""
        folder = self.etc / "wardgate"
        (folder / "logins").mkdir(parents=True, exist_ok=True)
        files: dict[str, bytes] = {self.paths.krl: krl, self.paths.user_ca: user_ca_file(trust).encode()}
        files |= {f"{self.paths.logins}/{login}": text.encode() for login, text in login_files(logins).items()}
        files[self.paths.any_login] = any_login_file(logins).encode()
        if certificate is not None:
            files[self.paths.host_certificate] = f"{certificate}\n".encode()
        for path, data in files.items():
            write_whole(self.etc / Path(path).relative_to("/etc/ssh"), data)
        text = drop_in(with_host_certificate=certificate is not None)
        write_whole(self.etc / "sshd_config.d" / "10-wardgate.conf", text.encode())

    def serves(self) -> None:
        """Starts sshd and waits until it listens."""
        assert self._namespaces is not None
        checked = self.run(["/usr/sbin/sshd", "-t"])
        assert checked.returncode == 0, checked.stderr
        enter = ["nsenter", "--mount", "--net", "--target", str(self._namespaces.pid)]
        self._sshd = subprocess.Popen(
            [*enter, "/usr/sbin/sshd", "-D", "-E", str(self.log)], stdin=subprocess.DEVNULL, text=True
        )
        self.listens(1)

    def reloads(self) -> None:
        """As an agent does where the host certificate is another."""
        before = self.log.read_text().count(_LISTENING)
        self.run(["sh", "-c", "kill -HUP $(cat /run/sshd.pid)"], check=True)
        self.listens(before + 1)

    def listens(self, times: int) -> None:
        """Waits until sshd has begun to listen so many times: once, and once for each reload."""
        for _ in range(500):
            if self.log.exists() and self.log.read_text().count(_LISTENING) == times:
                return
            threading.Event().wait(0.02)
        raise AssertionError(f"sshd did not say {_LISTENING!r}: {self.log.read_text()}")

    def ssh(
        self, key: Path, login: str, *, source: str = DEVICE_ADDRESS, to: str = NAME, known_hosts: str | None = None,
        command: str = "id -un",
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """OpenSSH's client on the same host, from `source`. Without `known_hosts` it believes any host key."""
        options = ["-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-b", source]
        if known_hosts is None:
            options += ["-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no"]
        else:
            (self.folder / "known_hosts").write_text(known_hosts)
            options += ["-o", f"UserKnownHostsFile={self.folder}/known_hosts", "-o", "StrictHostKeyChecking=yes"]
            options += ["-o", "GlobalKnownHostsFile=/dev/null"]
        return self.run(["ssh", *options, "-l", login, to, command])

    def lets_in(self, key: Path, login: str, **options: str) -> bool:
        """Whether `key` and the certificate beside it log in. Fails where ssh failed for another reason."""
        answer = self.ssh(key, login, **options)
        if answer.returncode == 0:
            assert answer.stdout == f"{login}\n"
            return True
        assert "Permission denied" in answer.stderr, answer.stderr
        return False

    def _files(self) -> SSHKey:
        etc = self.folder / "ssh"
        (etc / "sshd_config.d").mkdir(parents=True)
        (etc / "sshd_config").write_text(_SSHD_CONFIG)
        key = a_key_file(etc / "ssh_host_ed25519_key")
        lines = Path("/etc/passwd").read_text().splitlines()
        homes = [line for line in lines if line.split(":")[0] not in ACCOUNTS]
        made = [f"{name}:x:{0 if name == 'root' else 2000 + n}:0::/:/bin/sh" for n, name in enumerate(ACCOUNTS)]
        (self.folder / "passwd").write_text("\n".join([made[0], *homes, *made[1:]]) + "\n")
        (self.folder / "shadow").write_text(
            "".join(f"{name}:*:19000:0:99999:7:::\n" for name in ("sshd", "nobody", *ACCOUNTS))
        )
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{HOST_ADDRESS} {NAME} db-2.net.example.com db-1\n")
        return key


def a_key_file(path: Path) -> SSHKey:
    """A new Ed25519 key at `path`, its public half beside it."""
    private = Ed25519PrivateKey.generate()
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    key = KeySigner(private).key
    path.with_name(f"{path.name}.pub").write_text(f"{key.line}\n")
    return ssh_key(key.line)


def beside(key: Path, certificate: str) -> Path:
    """Puts a certificate where ssh looks for the key's; gives the key's path."""
    key.with_name(f"{key.name}-cert.pub").write_text(f"{certificate}\n")
    return key
