"""A person's way to a gate, for programs: trust that is never blind, prompts, and the browser for providers."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import re
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncssh
import msgspec

from console.commandline.render import inert
from console.programs.knownhosts import Known, known
from model.errors import Denied, Unavailable, WardgateError
from model.ids import quoted

BROWSER = "wardgate-login "
"""How this program tells the gate that it waits for a browser, and the gate where to send it."""
_BY_PROVIDER = re.compile(r"Enter (to log in with|for) ")
"""In what the gate asks, where Enter means a provider."""
CONNECT_TIMEOUT = 20.0
PAGE = b"""HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n\
<!doctype html><title>Wardgate</title><p>You may close this page and go back to the terminal.</p>"""


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """How a person is asked and told; a program without a person refuses."""

    ask: Callable[[str, bool], str]
    """Of a prompt, and whether what is typed may be shown."""
    tell: Callable[[str], None]
    confirm: Callable[[str], bool]
    present: bool = True
    """Whether there is somebody to ask."""
    browser: bool = True
    """Whether a browser is opened; its address is told either way."""


def at_terminal() -> Asker:
    def ask(prompt: str, shows: bool) -> str:
        if not shows:
            try:
                return getpass.getpass(prompt, sys.stderr)
            except EOFError:
                raise _nobody(prompt) from None
        sys.stderr.write(prompt)
        sys.stderr.flush()
        if not (line := sys.stdin.readline()):
            raise _nobody(prompt)
        return line.rstrip("\n")

    def confirm(question: str) -> bool:
        sys.stderr.write(f"{question} (yes/no) ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"yes", "y"}

    return Asker(ask=ask, tell=lambda text: print(text, file=sys.stderr), confirm=confirm, present=sys.stdin.isatty())


def _nobody(prompt: str) -> Denied:
    sys.stderr.write("\n")  # the prompt's line ends here, since nobody's Enter ended it
    return Denied(f"the gate asks {quoted(prompt.strip())}, and nobody answers", hint="log in at a terminal")


def silent() -> Asker:
    def refuse(_: str, __: bool = False) -> str:
        raise Denied("this login needs a person", hint="log in again: wardgate login NAME@GATE")

    return Asker(ask=refuse, tell=lambda _: None, confirm=lambda _: False, present=False, browser=False)


class Person(asyncssh.SSHClient):
    """Answers the gate's questions. `trusted` are fingerprints of host CAs and host keys that were trusted before:
    where there are any, no other will do. `known` are those that the person's ssh knows."""

    def __init__(self, asker: Asker, trusted: Sequence[str], host: str, known: Known) -> None:
        self._asker = asker
        self._trusted = set(trusted)
        self._host = host
        self._known = known
        self.shown: str | None = None
        """The fingerprint that this connection was trusted by."""
        self.unknown: str | None = None
        """What the gate showed, where nobody could be asked whether it is right."""
        self.refused: str | None = None
        """What the gate showed, where other keys are trusted."""
        self.answered = False
        """They were asked who they are, and no key alone let them in."""
        self._waiting: Browser | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self._trust("host key", key.get_fingerprint())

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self._trust("host CA", key.get_fingerprint())

    def _trust(self, what: str, fingerprint: str) -> bool:
        right = fingerprint in (self._trusted or self._known.trusted) and fingerprint not in self._known.revoked
        if not right and not self._trusted and fingerprint not in self._known.revoked:
            if self._asker.present:
                right = self._asker.confirm(
                    f"{self._host} shows the {what} {fingerprint}.\nIs that what your operator gave you?"
                )
            else:
                self.unknown = f"the {what} {fingerprint}"
        if right:
            self.shown = fingerprint
        elif self._trusted:
            self.refused = f"the {what} {fingerprint}, and not {' or '.join(sorted(self._trusted))}, which is trusted"
        return right

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        self.answered = self.answered or bool(prompts)
        return [await self._answer(prompt, shows) for prompt, shows in prompts]

    def kbdint_auth_requested(self) -> str:
        return ""

    async def _answer(self, prompt: str, shows: bool) -> str:
        if prompt.startswith(BROWSER) and self._waiting is not None:
            return await self._waiting.visit(prompt.removeprefix(BROWSER), self._asker)
        answer = await asyncio.to_thread(self._asker.ask, _lines(prompt), shows)
        if answer == "" and _BY_PROVIDER.search(prompt) and self._asker.browser and self._waiting is None:
            self._waiting = await Browser.listen()
            return f"{BROWSER}{self._waiting.address}"
        return answer

    def password_auth_requested(self) -> None:
        """By keyboard-interactive alone, which asks everything that there is to ask."""


def _web_address(text: str) -> str:
    """What a gate, which may be anybody's, would have this machine open: a page of the web, and no file or program."""
    if not text.startswith(("https://", "http://")) or not text.isprintable():
        raise Denied(f"the gate names no web page to log in at: {quoted(text)}")
    return text


def _lines(text: str) -> str:
    """`text` as a terminal may have it, its lines kept: nothing in it moves the cursor or hides what was asked."""
    return "\n".join(inert(line) for line in text.split("\n"))


class Browser:
    """A listener on this machine alone, to which the provider's page sends the browser back (RFC 8252, 7.3)."""

    def __init__(self, server: asyncio.Server, came: asyncio.Future[tuple[str, str]]) -> None:
        self._server = server
        self._came = came
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"

    @classmethod
    async def listen(cls) -> Browser:
        came: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                line = (await asyncio.wait_for(reader.readline(), 10)).decode("ascii", "replace").split(" ")
                query = parse_qs(urlsplit(line[1]).query) if len(line) > 1 else {}
                writer.write(PAGE)
                await writer.drain()
                if "state" in query and ("code" in query or "error" in query) and not came.done():
                    came.set_result((query.get("code", [""])[0], query["state"][0]))
            except (TimeoutError, ConnectionError, ValueError):
                pass
            finally:
                writer.close()

        return cls(await asyncio.start_server(answer, "127.0.0.1", 0), came)

    async def visit(self, address: str, asker: Asker) -> str:
        """Opens the provider's page; the code and the state that came back."""
        try:
            page = _web_address(address)
            asker.tell(f"Log in with your browser:\n\n  {page}\n")
            await asyncio.to_thread(webbrowser.open, page)
            code, state = await asyncio.wait_for(self._came, 600)
        except TimeoutError:
            raise Denied("the browser did not come back in ten minutes") from None
        finally:
            self._server.close()
        return f"{code} {state}"


class GateConnection:
    """An open connection, as a person."""

    def __init__(self, connection: asyncssh.SSHClientConnection, person: Person) -> None:
        self._connection = connection
        self.person = person

    async def run(self, *words: str, stdin: str = "") -> Any:
        """The JSON document that a command answers with. Raises what the gate refused it with."""
        import shlex

        try:
            async with self._connection.create_process(shlex.join([*words, "--json"])) as process:
                with contextlib.suppress(BrokenPipeError, ConnectionError):  # it may refuse before it reads
                    process.stdin.write(stdin)
                    process.stdin.write_eof()
                done = await process.wait()
        except (OSError, asyncssh.Error) as fault:
            raise Unavailable(f"the gate ended the connection: {fault}") from None
        if done.exit_status == 0:
            return msgspec.json.decode(str(done.stdout))
        try:
            error = msgspec.json.decode(str(done.stderr))["error"]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise Unavailable(f"the gate did not answer as a gate does: {str(done.stderr)[:200]}") from None
        refused = WardgateError(str(error["message"]), hint=error.get("hint"))
        refused.code = str(error["code"])
        raise refused

    async def close(self) -> None:
        self._connection.close()
        await self._connection.wait_closed()


async def connect(
    host: str, port: int, name: str, asker: Asker, *, keys: Sequence[Path] = (), trusted: Sequence[str] = (),
    patience: float = CONNECT_TIMEOUT,
) -> GateConnection:  # fmt: skip
    """As `name`, by one of `keys`, the agent's keys or the person's own, and else by what the gate asks for.

    `patience`: seconds that the host has to answer.
    """
    person = Person(asker, trusted, host, known(host, port))
    own = [path for path in keys if path.exists()]
    usual = [path for path in (Path.home() / ".ssh").glob("id_*") if not path.suffix and path.is_file()]
    try:
        # The time to connect is bounded here: asyncssh's own bound would count what a person takes to log in.
        sock = await asyncio.to_thread(socket.create_connection, (host, port), patience)
        sock.setblocking(False)
        connection, _ = await asyncssh.create_connection(
            lambda: person, host, port, sock=sock, username=name, known_hosts=([], [], []), config=None,
            client_keys=[str(path) for path in (*own, *_unlocked(usual))] or (), compression_algs=None,
            preferred_auth="publickey,keyboard-interactive", login_timeout=900,
            x509_trusted_certs=None,
        )  # fmt: skip
    except asyncssh.HostKeyNotVerifiable:
        raise _untrusted(host, person) from None
    except asyncssh.PermissionDenied:
        raise Denied(f"{host} did not let {name} in") from None
    except (OSError, asyncssh.Error) as fault:
        why = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise Unavailable(f"{host}:{port} does not answer: {why[:1].lower() + why[1:]}") from None
    return GateConnection(connection, person)


def _untrusted(host: str, person: Person) -> Denied:
    give = "ask its operator for the host CA's fingerprint, and give it: --fingerprint SHA256:…"
    if person.refused is not None:
        return Denied(
            f"{host} shows {person.refused}", hint=f"somebody may be in between, or the CA was replaced; {give}"
        )
    if person.unknown is None:
        return Denied(f"{host} does not show a key that is trusted", hint=give)
    return Denied(f"{host} shows {person.unknown}, and there is no terminal to ask whether that is right", hint=give)


def _unlocked(paths: Sequence[Path]) -> list[Path]:
    """Those that need no passphrase: the others serve through the ssh-agent."""
    usable = []
    for path in paths:
        try:
            asyncssh.read_private_key(str(path))
        except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            continue
        usable.append(path)
    return usable
