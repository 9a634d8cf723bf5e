"""`wardgate login` and `logout`: a certificate for a person, and ssh set up to use it."""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.commandline.command import argument, option, verb
from console.commandline.render import until
from console.programs import loginfiles, standalone
from console.programs.carrying import carry, parse_target
from console.programs.loginfiles import Folder, Kept
from console.programs.machine import parse_gate
from model.errors import Invalid, NotFound, Unavailable, WardgateError
from model.files import write_whole
from model.ids import device_name, domain, quoted, user_name
from model.keys import ssh_key

if TYPE_CHECKING:
    from console.programs.gateclient import GateConnection

PATIENCE = 3.0
"""Seconds that a connection of ssh's waits for a gate that may be away."""
SOON = 3 * 86400
"""Seconds before a device's end in which its person is told at each login, as operators are on Overview."""


def _program() -> str:
    """How ssh finds this program again."""
    return shutil.which("wardgate") or str(Path(sys.argv[0]).absolute())


@verb(
    "login", "log in as a person: a certificate for this device, and ssh set up to use it",
    argument("gate", required=False, metavar="NAME@GATE[:PORT]"),
    option("--device", help="Which of your devices this machine is; found out without it.", metavar="NAME"),
    option("--ttl", help="How long the certificate lives, like 8h.", metavar="T"),
    option("--key", "key_file", metavar="FILE",
           help="A private key to use (FIDO2 too) instead of one made for this login."),
    option("--fingerprint", help="Of the gate's host CA or host key, as an operator gave it.", metavar="SHA256:…"),
    option("--print", "print_it", help="Print the certificate and write nothing.", is_flag=True),
    option("--no-browser", help="Do not open a browser; ask at the terminal.", is_flag=True),
    option("--renew", help="Quietly, and only where it is due: what ssh's `Match exec` calls.", is_flag=True),
    option("--proxy", metavar="HOST:PORT",
           help="Renew where it is due, then carry a connection to HOST: what ssh's `ProxyCommand` calls."),
    option("--status", help="Show the logins of this machine.", is_flag=True),
    examples=("login alice@gate.example.com", "login alice@gate.example.com:2222 --device laptop --ttl 8h",
              "login --status"),
)  # fmt: skip
async def login(
    as_json: bool, gate: str | None, device: str | None, ttl: str | None, key_file: str | None,
    fingerprint: str | None, print_it: bool, no_browser: bool, renew: bool, proxy: str | None, status: bool,
) -> int:  # fmt: skip
    folder = Folder()
    if status:
        for one in folder.logins():
            await _renew(folder, one)
        return _status(folder, as_json)
    kept = folder.find(gate)
    if renew or proxy:
        await _renew(folder, kept)
        return await carry(*parse_target(proxy)) if proxy else 0
    name, host, port = (kept.name, kept.host, kept.port) if kept else _named(gate)
    from console.programs import gateclient

    asker = gateclient.at_terminal()
    if no_browser:
        import msgspec

        asker = msgspec.structs.replace(asker, browser=False)
    place = Path(key_file).expanduser() if key_file else _made_here(folder, kept, host, port, name)
    trusted = _trusted(folder, host, port, fingerprint)
    connection = await gateclient.connect(host, port, name, asker, keys=[place], trusted=trusted)
    try:
        key = _key(place, name, made=key_file is None)
        me = await connection.run("me")
        chosen = device or (kept.device if kept else None) or this_device(me["devices"])
        words = ["cert", *(["--device", chosen] if chosen else []), *(["--ttl", ttl] if ttl else [])]
        public = Path(f"{key}.pub").read_text()
        certificate = await connection.run(*words, stdin=public)
        login_ = _kept(me, certificate, host, port, key, own=key_file is None)
        if print_it:
            print(certificate["certificate"])
            return 0
        trust = await connection.run("ca", "trust", "client")
        krl = await _krl(connection)
        if connection.person.answered:  # who came by a registered key has one that lets them in
            with contextlib.suppress(WardgateError):  # their own --key may be registered
                await connection.run("keys", "add", "-", "--for-login", stdin=public)
        shown = connection.person.shown
    finally:
        await connection.close()
    folder.trust(host, port, tuple({*trusted, *([shown] if shown else []), *_fingerprints(trust["known_hosts"])}))
    _write(folder, login_, certificate["certificate"], trust["known_hosts"], krl)
    left = login_.valid_before - int(time.time())
    in_agent = loginfiles.add_to_agent(str(key), left)
    for ending in _ending(me["devices"]):
        print(f"warning: {ending}", file=sys.stderr)
    if as_json:
        return _as_json(_shown(folder, login_))
    print(f"logged in as {login_.name} on {login_.device}, for {until(login_.valid_before)}")
    print(f"try: ssh LOGIN@HOST.{login_.domain}" + ("" if in_agent else "   (no ssh-agent here; ssh uses the files)"))
    return 0


def _ending(devices: Sequence[dict[str, Any]]) -> list[str]:
    """Devices of the person that soon are let in no more."""
    found = []
    for device in devices:
        ends = datetime.fromisoformat(device["expires_at"]).timestamp() if device.get("expires_at") else 0
        if device["state"] == "approved" and 0 < ends - time.time() < SOON:
            found.append(f"your device {device['name']} expires in {until(int(ends))}; ask an operator for more time")
    return found


def _made_here(folder: Folder, kept: Kept | None, host: str, port: int, name: str) -> Path:
    """The key of the login that there is, which the gate may know as one, or where a first one's is made."""
    return Path(kept.key_file) if kept and kept.own_key else folder.key_file(host, port, name)


def _named(gate: str | None) -> tuple[str, str, int]:
    if gate is None:
        raise click.UsageError("name a gate: wardgate login NAME@GATE[:PORT]")
    name, host, port = parse_gate(gate)
    if name is None:
        like = f"NAME@{gate}" if "." in host or ":" in gate or host == "localhost" else f"{gate}@GATE[:PORT]"
        raise Invalid(f"{gate} names no person at a gate", hint=f"like: wardgate login {like}")
    return name, host, port


def _key(path: Path, name: str, *, made: bool) -> Path:
    """The private key's file, with its public half beside it: the person's, or one made for this login."""
    if not made:
        if not Path(f"{path}.pub").is_file():
            raise NotFound(f"{path}.pub is not there", hint="the public key is what gets signed")
        ssh_key(Path(f"{path}.pub").read_text())
        return path
    if not path.exists():
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} by wardgate login", "-f", str(path)]
        subprocess.run(words, check=True, capture_output=True, timeout=30)
    return path


def _trusted(folder: Folder, host: str, port: int, given: str | None) -> tuple[str, ...]:
    if given is not None:
        return (given if given.startswith("SHA256:") else f"SHA256:{given}",)
    path = folder.trusted(host, port)
    return tuple(path.read_text().split()) if path.exists() else ()


def _fingerprints(known_hosts: str) -> tuple[str, ...]:
    """Of the host CAs that the gate, once trusted, names: the next generation is trusted before it signs."""
    return tuple(ssh_key(" ".join(line.split()[2:4])).fingerprint for line in known_hosts.splitlines() if line)


def this_device(devices: Sequence[dict[str, Any]]) -> str | None:
    """Which of a person's devices this machine is: the one whose address is an address of this machine's."""
    for device in devices:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind((device["ipv4"], 0))
            return str(device["name"])
    return None


def _kept(me: dict[str, Any], certificate: dict[str, Any], host: str, port: int, key: Path, *, own: bool) -> Kept:
    """What the gate said, once it is seen to be names: they become paths, and lines of ssh's configuration."""
    try:
        if not certificate["certificate"].isprintable():
            raise Invalid("the certificate is not one line")
        return Kept(
            name=user_name(me["name"], ""), host=host, port=port, domain=domain(certificate["domain"]),
            device=device_name(certificate["device"]), key_file=str(key), own_key=own,
            valid_before=int(datetime.fromisoformat(certificate["valid_before"]).timestamp()),
        )  # fmt: skip
    except WardgateError as fault:
        raise Unavailable(f"the gate did not answer as a gate does: {fault.message}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Unavailable(f"the gate did not answer as a gate does: {quoted(str(fault))}") from None


def _write(folder: Folder, kept: Kept, certificate: str, known_hosts: str, krl: bytes) -> None:
    folder.keep(kept, certificate=certificate, known_hosts=known_hosts, krl=krl, program=_program())


async def _krl(connection: GateConnection) -> bytes:
    with contextlib.suppress(KeyError, TypeError, ValueError):
        krl = base64.b64decode((await connection.run("certs", "krl"))["krl"], validate=True)
        if krl.startswith(b"SSHKRL\n\0"):
            return krl
    raise Unavailable("the gate did not answer as a gate does: its revocation list is none")


async def _renew(folder: Folder, kept: Kept | None) -> None:
    """A certificate that is nearly over, or that the gate has revoked, is replaced.

    Never fails loudly: ssh asks this for each connection, and an old certificate may still serve.
    """
    if kept is None or not (folder.outdated(kept) or loginfiles.due(kept)):
        return
    from console.programs import gateclient

    with contextlib.suppress(WardgateError, OSError):
        key = Path(kept.key_file)
        trusted = _trusted(folder, kept.host, kept.port, None)
        connection = await gateclient.connect(
            kept.host, kept.port, kept.name, gateclient.silent(), keys=[key], trusted=trusted, patience=PATIENCE
        )
        try:
            krl = await _krl(connection)
            write_whole(folder.krl(kept), krl, mode=0o600)
            if not (loginfiles.due(kept) or folder.revoked(kept)):
                return
            public = Path(f"{key}.pub").read_text()
            certificate = await connection.run("cert", "--device", kept.device, stdin=public)
            trust = await connection.run("ca", "trust", "client")
        finally:
            await connection.close()
        renewed = _kept({"name": kept.name}, certificate, kept.host, kept.port, key, own=kept.own_key)
        _write(folder, renewed, certificate["certificate"], trust["known_hosts"], krl)
        loginfiles.add_to_agent(str(key), renewed.valid_before - int(time.time()))


def _shown(folder: Folder, one: Kept) -> dict[str, Any]:
    from console.commandline.shapes import timestamp

    revoked = folder.revoked(one)
    return {
        "name": one.name, "gate": f"{one.host}:{one.port}", "domain": one.domain, "device": one.device,
        "valid_before": timestamp(one.valid_before), "revoked": revoked,
        "valid": one.valid_before > time.time() and not revoked,
    }  # fmt: skip


def _as_json(document: object) -> int:
    import msgspec

    print(msgspec.json.encode(document).decode())
    return 0


def _status(folder: Folder, as_json: bool) -> int:
    from console.commandline.render import Column, table

    found = folder.logins()
    if as_json:
        return _as_json([_shown(folder, one) for one in found])
    if not found:
        print("no login on this machine; log in with: wardgate login NAME@GATE", file=sys.stderr)
        return 0
    rows = [
        [one.name, one.domain, one.device, f"{one.host}:{one.port}",
         "revoked" if folder.revoked(one) else until(one.valid_before)]
        for one in found
    ]  # fmt: skip
    heads = [Column("NAME"), Column("NETWORK"), Column("DEVICE"), Column("GATE"), Column("ENDS IN", "right")]
    sys.stdout.write(table(heads, rows, None))
    return 0


@verb("logout", "end a login: its certificates, its key at the gate, and what it wrote here",
      argument("gate", required=False, metavar="[NAME@GATE]"), examples=("logout",))  # fmt: skip
async def logout(as_json: bool, gate: str | None) -> int:
    from console.programs import gateclient

    folder = Folder()
    kept = folder.find(gate)
    if kept is None:
        raise NotFound("there is no such login on this machine", hint="wardgate login --status lists them")
    trusted = _trusted(folder, kept.host, kept.port, None)
    problem = None
    try:
        connection = await gateclient.connect(
            kept.host, kept.port, kept.name, gateclient.silent(), keys=[Path(kept.key_file)], trusted=trusted
        )
        try:
            await connection.run("logout")
        finally:
            await connection.close()
    except WardgateError as fault:
        problem = fault.message
    folder.forget(kept)
    if as_json:
        return _as_json({"name": kept.name, "gate": f"{kept.host}:{kept.port}", "problem": problem})
    if problem is None:
        print(f"logged out {kept.name}")
    else:
        print(f"forgot the login of {kept.name} here; the gate was not told: {problem}")
        print(f"end it there as well: ssh -p {kept.port} {kept.name}@{kept.host} logout")
    return 0


PROGRAMS = standalone.Programs("wardgate")
for _login_program in (login, logout):
    PROGRAMS.add_command(_login_program)


def run(words: Sequence[str]) -> int:
    return standalone.run(PROGRAMS, words)
