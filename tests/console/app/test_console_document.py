"""docs/console.md lists every key that the console has."""

import re
from pathlib import Path

import pytest
from channels import a_console
from seeded import Seeded

from model.records import Role

DOCUMENT = (Path(__file__).parents[3] / "docs" / "console.md").read_text()


def section(title: str) -> str:
    return re.split(rf"^## {re.escape(title)}$", DOCUMENT, flags=re.MULTILINE)[1].split("\n## ")[0]


async def test_every_key_is_listed_under_its_screen() -> None:
    async with a_console(Seeded(size=40)) as session:
        lists = DOCUMENT.split("In lists:")[1].split("\n## ")[0]
        for _, title in session.app.screens():
            session.app.go(title)
            await session.type("")
            for action in session.app.view.actions():
                cap = f"`{action.keycap}`"
                assert cap in section(title) or cap in lists, f"{title}: {action.keycap} {action.label}"


async def test_every_key_of_everywhere_is_listed() -> None:
    async with a_console(Seeded(size=40)) as session:
        for action in session.app.global_actions():
            if not action.key.isdigit():
                assert f"`{action.keycap}`" in section("Keys everywhere"), action.label


@pytest.mark.parametrize("title", ["Overview", "Keys"])
async def test_members_keys_are_listed(title: str) -> None:
    async with a_console(Seeded(size=40, role=Role.MEMBER, me="mara")) as session:
        session.app.go(title)
        await session.type("")
        for action in session.app.view.actions():
            assert f"`{action.keycap}`" in section("For members"), action.label


async def test_the_editors_keys_are_listed() -> None:
    async with a_console(Seeded(size=40), "access") as session:
        await session.type("i")
        for action in session.app.view.actions():
            assert f"`{action.keycap}`" in section("Access"), action.label
