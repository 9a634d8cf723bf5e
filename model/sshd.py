"""What a host's sshd reads, as text: the drop-in, the user CA's keys, and the principals of each login.

All is a function of values; who writes it where, and when, is the agent's or a script's to say. Nothing here asks for
a reload of sshd but the first time, and when HostCertificate changes: sshd reads the other files anew for each login.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from model.netmap import Logins, Trust

FOLDER: Final = "/etc/ssh/wardgate"
DROP_IN: Final = "/etc/ssh/sshd_config.d/10-wardgate.conf"
_LOGIN: Final = re.compile(r"[^./:][^/:]*")
LONGEST_LOGIN: Final = 255
"""Bytes, of a login and of a file's name."""
_PRINCIPAL: Final = re.compile(r"[^\s#\"'\\,][^\s#]*")


class Paths(msgspec.Struct, frozen=True):
    """Where the files of one sshd are. The folder and all above it belong to root, or sshd refuses them."""

    folder: str = FOLDER
    host_key: str | None = "/etc/ssh/ssh_host_ed25519_key"
    """The host key that a certificate is asked for; None where the host has none."""

    @property
    def user_ca(self) -> str:
        return f"{self.folder}/user_ca.pub"

    @property
    def krl(self) -> str:
        return f"{self.folder}/revoked.krl"

    @property
    def logins(self) -> str:
        """A folder with a file a login."""
        return f"{self.folder}/logins"

    @property
    def any_login(self) -> str:
        """The principals of `*`."""
        return f"{self.folder}/any-login"

    @property
    def host_certificate(self) -> str:
        return f"{self.folder}/{posixpath.basename(self.host_key or 'ssh_host_key')}-cert.pub"


DEFAULT_PATHS: Final = Paths()


def drop_in(paths: Paths = DEFAULT_PATHS, *, with_host_certificate: bool) -> str:
    """The file for sshd_config.d. It names files alone, so a change of policy, trust or KRL leaves it as it is.

    A login with an entry of its own is decided by that entry and nothing else, so `*` is asked only where there
    is none. root is never `*`. The command is asked about all certificates, also those of a CA that a block of
    another's trusts beside a list of its own: it answers for ours alone.
    """
    own, any_login, user_ca = map(shlex.quote, (paths.logins, paths.any_login, paths.user_ca))
    command = f'cd {own} && {{ test -e "$1" || ! grep -qF " $2 " {user_ca} || exec cat {any_login}; }}'
    lines = [
        "# Written by Wardgate, and written anew when its paths change. Do not edit.",
        f"TrustedUserCAKeys {paths.user_ca}",
        f"RevokedKeys {paths.krl}",
        f"AuthorizedPrincipalsFile {paths.logins}/%u",
    ]
    if with_host_certificate:
        lines.append(f"HostCertificate {paths.host_certificate}")
    lines += [
        "Match User *,!root",
        f"    AuthorizedPrincipalsCommand /bin/sh -c {_sshd_quote(command)} sh %u %K",
        "    AuthorizedPrincipalsCommandUser nobody",
    ]
    return "\n".join(lines) + "\n"


def _sshd_quote(text: str) -> str:
    """`text` as one argument of a line in sshd_config: in double quotes, with those inside escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def user_ca_file(trust: Trust) -> str:
    """For TrustedUserCAKeys. Empty trusts nobody, which sshd takes well."""
    return "".join(f"{line} wardgate\n" for line in trust.user_ca)


TRUST_ATTRIBUTE: Final = "node:user-ca"
"""What an agent reports of the CA keys that its host's sshd trusts: their marks, one blank between."""


def trust_mark(line: str) -> str:
    """A short name for a CA key, by its line without a comment."""
    return hashlib.sha256(line.encode()).hexdigest()[:12]


def trust_marks(user_ca: str) -> str:
    """The marks of a TrustedUserCAKeys file, at most eight."""
    lines = [" ".join(line.split()[:2]) for line in user_ca.splitlines() if line.strip() and not line.startswith("#")]
    return " ".join(trust_mark(line) for line in lines[:8])


def login_files(logins: Logins) -> Mapping[str, str]:
    """The content of each file in `Paths.logins`, by login; where nobody may be that login, its file is empty.

    root always has one. The folder is mode 0755 and the files 0644: sshd asks for them as `nobody`, too. What can be
    no account's name (passwd(5)) is left out: it lets nobody in, and must not keep all else from the host.
    """
    return {"root": ""} | {
        login: principals_file(names) for login, names in logins.items() if login != "*" and _is_login(login)
    }


def _is_login(name: str) -> bool:
    return name.isprintable() and _LOGIN.fullmatch(name) is not None and len(name.encode()) <= LONGEST_LOGIN


def any_login_file(logins: Logins) -> str:
    """The content of `Paths.any_login`."""
    return principals_file(logins.get("*", ()))


def principals_file(principals: Iterable[str]) -> str:
    """One principal a line, as AuthorizedPrincipalsFile has it: no options, so none may look like one.

    What sshd would read as something else is left out, and lets nobody in: of a name with a `#`, from before that was
    refused, it would take what stands before for another's.
    """
    names = sorted(name for name in set(principals) if _PRINCIPAL.fullmatch(name) and name.isprintable())
    return "".join(f"{name}\n" for name in names)


def short_names(domain: str) -> str:
    """For ssh's configuration: a name without a dot is taken as one of `domain` where that resolves, and else as it
    is (ssh_config(5), CanonicalizeHostname). What follows then sees the full name, as known_hosts does."""
    return (
        f"Match host !*.*,*\n    CanonicalizeHostname yes\n    CanonicalDomains {domain}\n    CanonicalizeMaxDots 0\n"
    )
