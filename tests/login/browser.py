"""A browser for `wardgate login`: goes through the provider's pages as the person that PERSON names."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parent))

import httpx
from login_harness import Browser


async def main(address: str) -> None:
    browser = Browser(os.environ["PERSON"])
    (redirect,) = parse_qs(urlsplit(address).query)["redirect_uri"]
    back = await browser.go(address, until=redirect)
    async with httpx.AsyncClient() as client:
        await client.get(back)
    await browser.close()


asyncio.run(main(sys.argv[1]))
