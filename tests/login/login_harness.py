"""A real provider, a person with a browser for it, and a fake for what no honest provider does."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

OIDC = Path(__file__).resolve().parent.parent / "oidc"
NODE = next((str(path) for path in [Path(sys.executable).with_name("node")] if path.exists()), "node")
"""The one that bin/provider put into .venv, where the machine's own is too old or not there."""


class RealProvider:
    """The certified oidc-provider, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0
        self.key = "first"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process_id(self) -> int:
        assert self._process
        return self._process.pid

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            NODE, str(OIDC / "provider.mjs"), str(self.port), str(self._folder / f"{self.key}.jwks"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=OIDC,
        )  # fmt: skip
        self.port = (await self._answer())["port"]

    async def stop(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None

    async def tell(self, id: str, **what: Any) -> None:
        assert self._process
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"id": id, **what}).encode() + b"\n")
        await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process
        assert self._process.stdout
        while True:
            line = await asyncio.wait_for(self._process.stdout.readline(), 30)
            assert line, "the provider did not start"
            if line.startswith(b"{"):
                return json.loads(line)  # type: ignore[no-any-return]

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"example": {"issuer": self.issuer, "client_id": "wardgate"} | more}


@contextlib.asynccontextmanager
async def a_provider(folder: Path) -> AsyncIterator[RealProvider]:
    provider = RealProvider(folder)
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()


_FORM = re.compile(r"<form[^>]*?action=\"([^\"]+)\"[^>]*>(.*?)</form>", re.DOTALL)
_INPUT = re.compile(r"<input[^>]*>")
_ATTRIBUTE = re.compile(r"(\w+)=\"([^\"]*)\"")


class Browser:
    """A person who goes through the provider's pages as `login`."""

    def __init__(self, login: str) -> None:
        self._login = login
        self._client = httpx.AsyncClient(timeout=20)

    async def go(self, address: str, *, until: str = "", abort: bool = False, **fields: str) -> str:
        """Fills what forms come until one leads to `until`, or there is none; the last address or page."""
        response = await self._client.get(address)
        for _ in range(20):
            if response.is_redirect:
                address = urljoin(str(response.url), response.headers["location"])
                if until and address.startswith(until):
                    return address
                response = await self._client.get(address)
                continue
            forms = _FORM.findall(response.text)
            if not forms:
                return response.text
            action, body = forms[0]
            sent = self._filled(body, fields)
            no = abort and 'name="abort"' in response.text
            if no:
                sent["abort"] = "yes"
            response = await self._client.post(urljoin(str(response.url), html.unescape(action)), data=sent)
            if no:
                return response.text
        raise AssertionError("the provider's pages have no end")

    def _filled(self, body: str, fields: dict[str, str]) -> dict[str, str]:
        sent = {}
        for tag in _INPUT.findall(body):
            found = dict(_ATTRIBUTE.findall(tag))
            name = found.get("name")
            if name:
                sent[name] = html.unescape(found.get("value", ""))
        typed = {"login": self._login, "password": "any"} | fields
        return sent | {name: value for name, value in typed.items() if name in sent}

    async def close(self) -> None:
        await self._client.aclose()


class FakeProvider:
    """Answers what a test says; `tokens` makes the token endpoint's answers in turn."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[bytes], tuple[int, bytes]]] = {}
        self.asked: list[str] = []
        self.port = 0

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, path: str, value: object, status: int = 200) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.answers[path] = lambda _: (status, body)

    def metadata(self, **more: object) -> dict[str, object]:
        return {
            "issuer": self.issuer, "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks",
            "authorization_endpoint": f"{self.issuer}/auth", "device_authorization_endpoint": f"{self.issuer}/device",
        } | more  # fmt: skip

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                path = head.split(b" ", 2)[1].decode().partition("?")[0]
                self.asked.append(path)
                answer = self.answers.get(path)
                status, sent = answer(body) if answer else (404, b"{}")
                if status == 0:
                    await asyncio.sleep(60)
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                    % (status, len(sent))
                    + sent
                )
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def a_fake_provider() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    fake.says("/.well-known/openid-configuration", fake.metadata())
    try:
        yield fake
    finally:
        server.close()
