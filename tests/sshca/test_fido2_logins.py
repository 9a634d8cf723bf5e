"""FIDO2 subjects at a real sshd. The token is played: it signs as PROTOCOL.u2f has it, touched or not."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from certificate_builders import a_signer, a_spec, epoch
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sshd_host import DEVICE_ADDRESS, NAME, Host

from model.keys import SSHKey
from model.netmap import Trust
from sshca import sign
from sshca.wire import Reader, mpint, string, text

pytestmark = [pytest.mark.root, pytest.mark.needs("sshd", "ssh", "ip")]

TOUCHED, VERIFIED = 0x01, 0x04
APPLICATION = "ssh:"
Token = tuple[SSHKey, Callable[[bytes, int], bytes]]
"""The public key, and what signs: (data, flags) -> the signature on the wire."""


def asserted(data: bytes, flags: int) -> bytes:
    """What a token signs in place of `data`."""
    counter = (7).to_bytes(4, "big")
    return hashlib.sha256(APPLICATION.encode()).digest() + bytes((flags,)) + counter + hashlib.sha256(data).digest()


def on_the_wire(algorithm: str, signature: bytes, flags: int) -> bytes:
    return text(algorithm) + string(signature) + bytes((flags,)) + (7).to_bytes(4, "big")


def an_ed25519_token() -> Token:
    algorithm = "sk-ssh-ed25519@openssh.com"
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def signs(data: bytes, flags: int) -> bytes:
        return on_the_wire(algorithm, private.sign(asserted(data, flags)), flags)

    return SSHKey(text(algorithm) + string(raw) + text(APPLICATION)), signs


def an_ecdsa_token() -> Token:
    algorithm = "sk-ecdsa-sha2-nistp256@openssh.com"
    private = ec.generate_private_key(ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def signs(data: bytes, flags: int) -> bytes:
        r, s = decode_dss_signature(private.sign(asserted(data, flags), ec.ECDSA(hashes.SHA256())))
        return on_the_wire(algorithm, mpint(r) + mpint(s), flags)

    return SSHKey(text(algorithm) + text("nistp256") + string(point) + text(APPLICATION)), signs


@contextlib.contextmanager
def held_in_an_agent(folder: Path, certificate: str, signs: Callable[[bytes], bytes]) -> Iterator[str]:
    """An ssh-agent that offers the certificate and signs whatever it is asked to (OpenSSH's PROTOCOL.agent)."""
    path = str(folder / "agent")
    blob = base64.b64decode(certificate.split()[1])

    def answer(request: bytes) -> bytes:
        if request[0] == 11:
            return b"\x0c" + (1).to_bytes(4, "big") + string(blob) + text("token")
        if request[0] == 13:
            asked = Reader(request[1:])
            asked.string()
            return b"\x0e" + string(signs(asked.string()))
        return b"\x05"

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            while size := stream.read(4):
                stream.write(string(answer(stream.read(int.from_bytes(size, "big")))))
                stream.flush()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("host")) as host:
        host.trusts(Trust(user_ca=(a_signer().key.line,)), {"*": ("alice@example.com",)})
        host.serves()
        yield host


@pytest.mark.parametrize("make", [an_ed25519_token, an_ecdsa_token], ids=["ed25519-sk", "ecdsa-sk"])
@pytest.mark.parametrize(
    ("verify_required", "flags", "let_in"),
    [
        pytest.param(False, TOUCHED, True, id="touched"),
        pytest.param(False, 0, False, id="untouched"),
        pytest.param(True, TOUCHED | VERIFIED, True, id="verified-where-it-must-be"),
        pytest.param(True, TOUCHED, False, id="not-verified-where-it-must-be"),
    ],
)
def test_sshd_asks_of_a_token(
    host: Host, make: Callable[[], Token], verify_required: bool, flags: int, let_in: bool, tmp_path: Path
) -> None:
    key, signs = make()
    now = epoch()
    spec = a_spec(
        key=key, valid_after=now - 90, valid_before=now + 600, source_addresses=(DEVICE_ADDRESS,),
        verify_required=verify_required,
    )  # fmt: skip
    line = sign(a_signer(), spec, ca_keys=(), revoked_keys=(), now=now)
    with held_in_an_agent(tmp_path, line, lambda data: signs(data, flags)) as agent:
        answer = host.run([
            "ssh", "-F", "none", "-o", f"IdentityAgent={agent}", "-o", "BatchMode=yes", "-b", DEVICE_ADDRESS,
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", f"web@{NAME}", "id -un",
        ])  # fmt: skip
    assert answer.stdout == ("web\n" if let_in else ""), answer.stderr
    assert let_in or "Permission denied" in answer.stderr
