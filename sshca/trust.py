"""What clients and hosts need so that they trust the network's CAs, as text that `ca trust` prints."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import shlex
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Final

from model.foreign import merge
from model.ids import Domain, Prefix
from model.keys import SSHKey
from model.netmap import Logins, Trust
from model.sshd import DEFAULT_PATHS, DROP_IN, Paths, any_login_file, drop_in, login_files, short_names, user_ca_file

GATE_PORT: Final = "2222"
_SSHFP_ALGORITHMS: Final = {
    "ssh-rsa": 1, "ecdsa-sha2-nistp256": 3, "ecdsa-sha2-nistp384": 3, "ecdsa-sha2-nistp521": 3, "ssh-ed25519": 4,
}  # fmt: skip
"""IANA's numbers, from RFC 4255, 6594 and 7479."""
_SSHFP_SHA256: Final = 2
_MAX_PATTERNS: Final = 256


def known_hosts(trust: Trust, domain: Domain, gates: Iterable[str] = (), *, prefixes: Iterable[Prefix] = ()) -> str:
    """Lines for a known_hosts file: the host CAs, for the network's names and addresses and no other host.

    `gates` are where the gate is reached, as `HOST[:PORT]`; without a port it is the default one. `prefixes` are the
    network's ranges, for those who type addresses.
    """
    patterns = [domain, f"*.{domain}", *map(gate_pattern, gates)]
    for prefix in prefixes:
        patterns += address_patterns(prefix)
    return "".join(f"@cert-authority {','.join(patterns)} {line} wardgate\n" for line in trust.host_ca)


def gate_pattern(gate: str) -> str:
    """`[HOST]:PORT`, as ssh looks a host up that does not listen on port 22."""
    host, colon, port = gate.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host, port = gate, GATE_PORT
    host = host.removeprefix("[").removesuffix("]").lower()
    return host if port == "22" else f"[{host}]:{port}"


def address_patterns(prefix: Prefix) -> tuple[str, ...]:
    """The prefix in known_hosts' patterns, exactly; empty where that takes more than 256, or cannot be.

    IPv6 is cut between groups alone, since its text drops zeros.
    """
    network = ipaddress.ip_network(prefix)
    step = 8 if network.version == 4 else 16
    cut = -(-network.prefixlen // step) * step
    if cut == 0 or 2 ** (cut - network.prefixlen) > _MAX_PATTERNS:
        return ()
    if cut == network.max_prefixlen:
        return tuple(str(part.network_address) for part in network.subnets(new_prefix=cut))
    shown = []
    for part in network.subnets(new_prefix=cut):
        groups = part.network_address.exploded.split("." if step == 8 else ":")[: cut // step]
        if step == 16:
            groups = [f"{int(group, 16):x}" for group in groups]
            if "0" in groups:
                return ()  # a zero group may be written as `::`, which no pattern foresees
        shown.append(f"{':'.join(groups)}:*" if step == 16 else f"{'.'.join(groups)}.*")
    return tuple(shown)


def client_config(domain: Domain) -> str:
    """A block for ~/.ssh/config: a host of the network shows a certificate, or is refused without a question."""
    return f"{short_names(domain)}Match host {domain},*.{domain}\n    StrictHostKeyChecking yes\n"


def sshfp(keys: Iterable[SSHKey]) -> tuple[str, ...]:
    """The values of SSHFP records for a host's plain keys: algorithm, SHA-256, fingerprint in hex."""
    return tuple(
        f"{_SSHFP_ALGORITHMS[key.algorithm]} {_SSHFP_SHA256} {hashlib.sha256(key.blob).hexdigest()}"
        for key in keys
        if key.algorithm in _SSHFP_ALGORITHMS
    )


def host_script(
    trust: Trust, krl: bytes, *, domain: Domain, ranges: Iterable[Prefix], logins: Logins,
    host_certificate: str | None = None,
    paths: Paths = DEFAULT_PATHS, drop_in_path: str = DROP_IN,
) -> str:  # fmt: skip
    """A POSIX shell script that makes a host without an agent trust the network; run again, it brings it up to date.

    It overrides nothing: where sshd trusts another CA already, it says so, shows the merge and ends with status 1.
    """
    files: dict[str, bytes] = {paths.krl: krl, paths.user_ca: user_ca_file(trust).encode()}
    if host_certificate is not None:
        files[paths.host_certificate] = f"{host_certificate}\n".encode()
    own = {f"{paths.logins}/{login}": text.encode() for login, text in sorted(login_files(logins).items())}
    files |= own | {paths.any_login: any_login_file(logins).encode()}
    values = {
        "@DOMAIN@": domain,
        "@FOLDER@": shlex.quote(paths.folder),
        "@LOGINS@": shlex.quote(paths.logins),
        "@USER_CA@": shlex.quote(paths.user_ca),
        "@KRL@": shlex.quote(paths.krl),
        "@DROP_IN@": shlex.quote(drop_in_path),
        "@MERGE@": merge(ranges).replace("`", "'"),
        "@KEEP@": " ".join(shlex.quote(path.rpartition("/")[2]) for path in own),
        "@FILES@": "\n".join(_put(path, data) for path, data in files.items()),
        "@CONFIG@": _encoded(drop_in(paths, with_host_certificate=host_certificate is not None).encode()),
    }
    return _filled(resources.files("sshca").joinpath("host.sh").read_text(), values)


def _put(path: str, data: bytes) -> str:
    return f"put {shlex.quote(path)} 644 <<'END'\n{_encoded(data)}\nEND"


def _encoded(data: bytes) -> str:
    return base64.encodebytes(data).decode().rstrip()


def _filled(template: str, values: Mapping[str, str]) -> str:
    for mark, value in values.items():
        template = template.replace(mark, value)
    return template
