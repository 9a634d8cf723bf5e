"""What is said to a provider over HTTP: bounded in size and time, and nothing that was sent is ever repeated."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Awaitable
from typing import Any, TypeVar

import httpx
import msgspec
from authlib.common.errors import AuthlibBaseError

from gate.login.capped import CappedTransport
from gate.login.issuers import Issuer
from model.errors import Unavailable

with warnings.catch_warnings():
    # It announces another package, and makes its filter at import; this one is what it works with.
    import authlib.deprecate  # noqa: F401

    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import AsyncOAuth2Client

T = TypeVar("T")
log = logging.getLogger("wardgate.login")
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each address that it asks, as news

TIMEOUT = 10.0
"""Seconds for one exchange with a provider, all of it."""
DOWN_FOR = 60.0
MEANWHILE = "a registered key gets in meanwhile"


class Exchanges:
    def __init__(self, name: str, issuer: Issuer) -> None:
        self.name = name
        self.issuer = issuer
        self.down_until = 0.0
        """Until when it is taken to be out of reach, by the monotonic clock."""
        self.client: Any = AsyncOAuth2Client(
            issuer.client_id, issuer.client_secret, scope=" ".join(issuer.scopes),
            token_endpoint_auth_method=issuer.authentication, code_challenge_method="S256",
            timeout=httpx.Timeout(TIMEOUT, connect=5.0), follow_redirects=False, trust_env=True,
            transport=CappedTransport(retries=0),
        )  # fmt: skip

    async def close(self) -> None:
        await self.client.aclose()

    async def json(self, method: str, url: str, kind: type[T], **more: Any) -> T:
        async def exchange() -> T:
            response = await self.client.request(method, url, withhold_token=True, **more)
            if response.status_code != 200:
                raise Unavailable(f"{self.name} answers {response.status_code} where it should not")
            return msgspec.json.decode(response.content, type=kind)

        return await self.bounded(exchange())

    async def bounded(self, exchange: Awaitable[T]) -> T:
        """Anything a provider may do wrong, but saying no, is `Unavailable`. Nothing that was sent is repeated."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await exchange
        except (Unavailable, AuthlibBaseError):
            raise
        except TimeoutError:
            self.down_until = time.monotonic() + DOWN_FOR
            raise Unavailable(f"{self.name} did not answer within {TIMEOUT:.0f} s", hint=MEANWHILE) from None
        except httpx.HTTPError as fault:
            log.warning("%s: %s", self.name, type(fault).__name__)
            self.down_until = time.monotonic() + DOWN_FOR
            raise Unavailable(f"{self.name} cannot be reached", hint=MEANWHILE) from None
        except (msgspec.DecodeError, msgspec.ValidationError, ValueError, KeyError, TypeError):
            raise Unavailable(f"{self.name} sent something that is not OpenID Connect", hint=MEANWHILE) from None
