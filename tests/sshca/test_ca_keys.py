"""CA keys in files, in an ssh-agent and on a token."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificate_builders import NOW, a_key, a_signer, a_spec, listing, ssh_keygen

from model.errors import Conflict, Invalid, Unavailable
from model.keys import Secret, ssh_key
from sshca import (
    CA_ALGORITHMS,
    AgentSigner,
    KeySigner,
    PKCS11Signer,
    Token,
    agent_keys,
    generate,
    load,
    parse,
    save,
    sign,
    verify,
)
from sshca.keys import check_ca_key
from sshca.verifying import verify_signature
from sshca.wire import string, text

PASSPHRASE = b"correct horse"


def signs(signer: KeySigner | AgentSigner | PKCS11Signer, folder: Path) -> None:
    line = sign(signer, a_spec(), ca_keys=(), revoked_keys=(), now=NOW)
    assert verify(parse(line))
    assert f"{signer.key.fingerprint} (using {signer.algorithm})" in listing(line, folder)


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None], ids=["encrypted", "plain"])
@pytest.mark.parametrize("algorithm", CA_ALGORITHMS)
def test_a_saved_key_is_loaded_and_signs(algorithm: str, passphrase: bytes | None, tmp_path: Path) -> None:
    made = a_signer(algorithm)
    save(tmp_path / "ca", made, passphrase)
    loaded = load(tmp_path / "ca", passphrase)
    assert loaded.key == made.key
    signs(loaded, tmp_path)


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize("algorithm", CA_ALGORITHMS)
def test_openssh_opens_a_saved_key(algorithm: str, tmp_path: Path) -> None:
    made = a_signer(algorithm)
    save(tmp_path / "ca", made, PASSPHRASE)
    shown = ssh_keygen("-y", "-P", PASSPHRASE.decode(), "-f", tmp_path / "ca").stdout
    assert shown.split()[:2] == made.key.line.split()


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize(("kind", "bits"), [("ed25519", "256"), ("ecdsa", "256"), ("rsa", "4096")])
def test_a_key_that_openssh_made_is_loaded(kind: str, bits: str, tmp_path: Path) -> None:
    ssh_keygen("-q", "-t", kind, "-b", bits, "-N", PASSPHRASE.decode(), "-f", tmp_path / "ca")
    signs(load(tmp_path / "ca", PASSPHRASE), tmp_path)


def test_an_encrypted_file_does_not_hold_the_key_in_clear(tmp_path: Path) -> None:
    made = generate()
    save(tmp_path / "ca", made, PASSPHRASE)
    save(tmp_path / "plain", made, None)
    assert len((tmp_path / "ca").read_bytes()) > len((tmp_path / "plain").read_bytes())
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_written_over(tmp_path: Path) -> None:
    save(tmp_path / "ca", generate(), PASSPHRASE)
    before = (tmp_path / "ca").read_bytes()
    with pytest.raises(Conflict, match="exists"):
        save(tmp_path / "ca", generate(), PASSPHRASE)
    assert (tmp_path / "ca").read_bytes() == before


@pytest.mark.parametrize(
    ("passphrase", "because"),
    [pytest.param(b"wrong", "passphrase is wrong", id="wrong"), pytest.param(None, "no passphrase", id="none")],
)
def test_a_key_without_its_passphrase_is_unavailable(passphrase: bytes | None, because: str, tmp_path: Path) -> None:
    save(tmp_path / "ca", generate(), PASSPHRASE)
    with pytest.raises(Unavailable, match=because):
        load(tmp_path / "ca", passphrase)


def test_a_key_file_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        load(tmp_path / "ca", None)


def test_a_key_file_that_others_may_read_is_unavailable(tmp_path: Path) -> None:
    save(tmp_path / "ca", generate(), None)
    (tmp_path / "ca").chmod(0o640)
    with pytest.raises(Unavailable, match="open to others"):
        load(tmp_path / "ca", None)


@pytest.mark.parametrize("content", [b"", b"noise", b"\0" * 100, b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_file_is_unavailable(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(content)
    (tmp_path / "ca").chmod(0o600)
    with pytest.raises(Unavailable, match="damaged"):
        load(tmp_path / "ca", None)


def test_a_ca_key_does_not_show_when_printed() -> None:
    signer = generate()
    assert repr(signer) == f"KeySigner({signer.key.fingerprint})"


@pytest.mark.parametrize("algorithm", ["sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp384"])
def test_a_key_that_no_ca_may_have_is_refused(algorithm: str) -> None:
    with pytest.raises(Invalid):
        check_ca_key(a_key(algorithm))


def test_a_kind_of_ca_key_that_is_not_known_is_refused() -> None:
    with pytest.raises(Invalid, match="dsa"):
        generate("dsa")


@contextlib.contextmanager
def an_ssh_agent(folder: Path, *keys: Path) -> Iterator[str]:
    path = str(folder / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if os.path.exists(path):
                break
            threading.Event().wait(0.02)
        for key in keys:
            subprocess.run(
                ["ssh-add", "-q", str(key)], check=True, env={**os.environ, "SSH_AUTH_SOCK": path},
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
        yield path
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.needs("ssh-agent", "ssh-add")
@pytest.mark.parametrize("algorithm", CA_ALGORITHMS)
def test_a_key_in_an_ssh_agent_signs(algorithm: str, tmp_path: Path) -> None:
    save(tmp_path / "ca", a_signer(algorithm), None)
    with an_ssh_agent(tmp_path, tmp_path / "ca") as path:
        assert agent_keys(path) == (a_signer(algorithm).key,)
        signs(AgentSigner(a_signer(algorithm).key, path), tmp_path)


@pytest.mark.needs("ssh-agent", "ssh-add")
def test_the_agent_is_found_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "ca", a_signer(), None)
    with an_ssh_agent(tmp_path, tmp_path / "ca") as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        signs(AgentSigner(a_signer().key), tmp_path)


@pytest.mark.needs("ssh-agent", "ssh-add")
def test_an_agent_without_the_key_is_unavailable_until_it_is_added(tmp_path: Path) -> None:
    save(tmp_path / "ca", a_signer(), None)
    with an_ssh_agent(tmp_path) as path:
        signer = AgentSigner(a_signer().key, path)
        with pytest.raises(Unavailable, match="does not sign"):
            signer.sign(b"data")
        subprocess.run(["ssh-add", "-q", str(tmp_path / "ca")], check=True, env={**os.environ, "SSH_AUTH_SOCK": path})
        signs(signer, tmp_path)


@pytest.mark.needs("ssh-agent", "ssh-add")
def test_an_agent_that_has_gone_is_unavailable(tmp_path: Path) -> None:
    with an_ssh_agent(tmp_path) as path:
        signer = AgentSigner(a_signer().key, path)
    with pytest.raises(Unavailable, match="cannot be asked"):
        signer.sign(b"data")


def test_no_agent_at_all_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(Unavailable, match="there is no ssh-agent"):
        AgentSigner(a_signer().key).sign(b"data")


@contextlib.contextmanager
def a_false_agent(folder: Path, answer: bytes) -> Iterator[str]:
    """Gives `answer` to the first that asks, then ends the connection."""
    path = str(folder / "false-agent")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        thread.join(5)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="silence"),
        pytest.param(b"\0\0\0\0", id="empty"),
        pytest.param(b"\xff\xff\xff\xff", id="endless"),
        pytest.param(string(b"\x05"), id="failure"),
        pytest.param(string(b"\x0e"), id="no-signature"),
        pytest.param(string(b"\x0e" + string(b"x" * 83)), id="noise"),
        pytest.param(string(b"\x0e" + string(text("ssh-ed25519") + string(bytes(64)))), id="forged"),
        pytest.param(string(b"\x0e" + string(generate().sign(b"data"))), id="of-another-key"),
    ],
)
def test_an_agent_that_answers_wrongly_is_unavailable(answer: bytes, tmp_path: Path) -> None:
    with a_false_agent(tmp_path, answer) as path, pytest.raises(Unavailable):
        AgentSigner(a_signer().key, path).sign(b"data")


SOFTHSM = next(
    (str(path) for folder in ("/usr/lib", "/usr/lib64") for path in sorted(Path(folder).rglob("libsofthsm2.so"))), ""
)


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An initialized token called `wardgate`, PIN 1234, in this test's folder."""
    pytest.importorskip("pkcs11", reason="needs python-pkcs11")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(
        f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "wardgate", "--pin", "1234", "--so-pin", "123456"],
        check=True, capture_output=True,
    )  # fmt: skip
    return SOFTHSM


IN_A_PROCESS_OF_ITS_OWN = """
import sys
from model.keys import Secret
from sshca import PKCS11Signer, Token, generate_on_token
from model.errors import WardgateError
module, algorithm, pin, what = sys.argv[1:]
token = Token(module=module, label="wardgate", key_label="user-1", pin=Secret(pin))
try:
    signer = generate_on_token(token, algorithm) if what == "generate" else PKCS11Signer(token)
    print(signer.key.line, signer.sign(b"data").hex())
except WardgateError as error:
    print(type(error).__name__, error.message)
"""


def on_token(module: str, algorithm: str, pin: str, what: str) -> str:
    """softhsm2 reads its configuration once a process, so each test has processes of its own."""
    return subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN, module, algorithm, pin, what],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.needs("softhsm2-util")
@pytest.mark.parametrize("algorithm", CA_ALGORITHMS)
def test_a_key_on_a_token_signs(algorithm: str, softhsm: str) -> None:
    kind, key, signature = on_token(softhsm, algorithm, "1234", "generate").split()
    again = on_token(softhsm, algorithm, "1234", "load").split()
    assert again[:2] == [kind, key]
    for found in (signature, again[2]):
        assert verify_signature(ssh_key(f"{kind} {key}"), bytes.fromhex(found), b"data")


@pytest.mark.needs("softhsm2-util")
@pytest.mark.parametrize(
    ("pin", "what", "because"),
    [
        pytest.param("9999", "load", "Unavailable the token cannot sign: the PIN is wrong", id="wrong-pin"),
        pytest.param(
            "1234", "load", "Unavailable the token cannot sign: it has no key of that label", id="no-such-key"
        ),
    ],
)
def test_a_token_that_does_not_open_is_unavailable(pin: str, what: str, because: str, softhsm: str) -> None:
    assert on_token(softhsm, "ed25519", pin, what).startswith(because)


A_WRONG_PIN = """
import sys
from model.keys import Secret
from sshca import PKCS11Signer, Token
from model.errors import Unavailable
for pin in ("9999", "9999", "9999", "1234"):
    token = Token(module=sys.argv[1], label="wardgate", key_label="user-1", pin=Secret(pin))
    try:
        print("signed" if PKCS11Signer(token).sign(b"data") else "")
    except Unavailable as refused:
        print(refused.message)
"""


@pytest.mark.needs("softhsm2-util")
def test_a_wrong_pin_is_tried_once_since_tokens_lock_themselves(softhsm: str) -> None:
    on_token(softhsm, "ecdsa-p256", "1234", "generate")
    done = subprocess.run([sys.executable, "-c", A_WRONG_PIN, softhsm], check=True, capture_output=True, text=True)
    first, *others, right = done.stdout.splitlines()
    assert first == "the token cannot sign: the PIN is wrong"
    assert [line.endswith("since tokens lock themselves") for line in others] == [True, True]
    assert right == "signed"


@pytest.mark.needs("softhsm2-util")
def test_a_label_that_is_taken_is_refused(softhsm: str) -> None:
    on_token(softhsm, "ecdsa-p256", "1234", "generate")
    assert on_token(softhsm, "ecdsa-p256", "1234", "generate").startswith("Invalid the token has a key")


def test_a_token_that_is_away_is_unavailable() -> None:
    pytest.importorskip("pkcs11", reason="needs python-pkcs11")
    token = Token(module="/nonexistent/token.so", label="wardgate", key_label="user-1", pin=Secret("1234"))
    with pytest.raises(Unavailable, match="the token cannot sign"):
        PKCS11Signer(token, key=a_signer().key).sign(b"data")


def test_without_the_library_a_token_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    token = Token(module="/nonexistent/token.so", label="wardgate", key_label="user-1", pin=Secret("1234"))
    with pytest.raises(Unavailable, match="python-pkcs11 is not installed"):
        PKCS11Signer(token, key=a_signer().key).sign(b"data")


def test_a_pin_does_not_show_when_printed() -> None:
    token = Token(module="m", label="l", key_label="k", pin=Secret("1234"))
    assert "1234" not in repr(token)
