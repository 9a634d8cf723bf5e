"""A CA key that an ssh-agent holds (OpenSSH's PROTOCOL.agent; draft-ietf-sshm-ssh-agent)."""

from __future__ import annotations

import os
import socket
from typing import Final

from model.errors import Invalid, Unavailable
from model.keys import SSHKey
from sshca.keys import check_ca_key
from sshca.signer import signature_algorithm
from sshca.verifying import verify_signature
from sshca.wire import Reader, string

_REQUEST_IDENTITIES: Final = 11
_IDENTITIES_ANSWER: Final = 12
_SIGN_REQUEST: Final = 13
_SIGN_RESPONSE: Final = 14
_RSA_SHA2_512: Final = 4
_MAX_ANSWER: Final = 1 << 20
_PATIENCE: Final = 5.0
"""Seconds. Others wait while a certificate is signed, so a key that asks its owner at each use (`ssh-add -c`) is none
for a CA."""


class AgentSigner:
    """Signs by the agent at `socket_path`, or at SSH_AUTH_SOCK. Each signature is a connection of its own, so an agent
    that was away and is back serves again, and threads do not meet."""

    def __init__(self, key: SSHKey, socket_path: str | None = None) -> None:
        self.key: SSHKey = check_ca_key(key)
        self.algorithm: str = signature_algorithm(key)
        self._socket_path = socket_path

    def __repr__(self) -> str:
        return f"AgentSigner({self.key.fingerprint})"

    def sign(self, data: bytes) -> bytes:
        """`Unavailable` where the agent is away, lacks the key, refuses, or answers with what is no signature."""
        flags = _RSA_SHA2_512 if self.algorithm == "rsa-sha2-512" else 0
        body = string(self.key.blob) + string(data) + flags.to_bytes(4, "big")
        answer = _ask(_path(self._socket_path), _SIGN_REQUEST, body, _SIGN_RESPONSE)
        try:
            signature = answer.string()
        except Invalid:
            signature = b""
        if not verify_signature(self.key, signature, data):
            raise Unavailable("the ssh-agent answered with something that is not the key's signature")
        return signature


def agent_keys(socket_path: str | None = None) -> tuple[SSHKey, ...]:
    """The plain keys that the agent holds; certificates and keys that no CA may have are passed over."""
    answer = _ask(_path(socket_path), _REQUEST_IDENTITIES, b"", _IDENTITIES_ANSWER)
    keys = []
    for _ in range(min(answer.uint32(), 4096)):
        blob = answer.string()
        answer.string()
        try:
            keys.append(check_ca_key(SSHKey(blob)))
        except (Invalid, UnicodeDecodeError):
            continue
    return tuple(keys)


def _path(given: str | None) -> str:
    path = given or os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise Unavailable("there is no ssh-agent", hint="start one, add the CA key, and set SSH_AUTH_SOCK")
    return path


def _ask(path: str, request: int, body: bytes, expected: int) -> Reader:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(path)
            connection.sendall(string(bytes((request,)) + body))
            size = int.from_bytes(_receive(connection, 4), "big")
            if not 1 <= size <= _MAX_ANSWER:
                raise Unavailable("the ssh-agent gave an answer that is none")
            answer = Reader(_receive(connection, size))
    except OSError as error:
        raise Unavailable(f"the ssh-agent cannot be asked: {error.strerror or error}") from None
    if answer.uint8() != expected:
        raise Unavailable(
            "the ssh-agent does not sign with this key",
            hint="it may be locked, or the key was removed: look with `ssh-add -l`",
        )
    return answer


def _receive(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise Unavailable("the ssh-agent closed the connection")
        received += part
    return bytes(received)
