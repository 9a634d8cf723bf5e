"""What the documents say is so."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())
DOCUMENTS = [path.relative_to(TOP) for path in (*TOP.glob("*.md"), *TOP.glob("docs/*.md"), *TOP.glob("bench/*.md"))]


def _distribution(requirement: str) -> str:
    return re.split(r"[<>=~!\[ ]", requirement)[0].lower()


def _required() -> list[str]:
    project = PROJECT["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    return [_distribution(one) for one in (*project["dependencies"], *extras)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    text = (TOP / document).read_text()
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    assert [target for target in targets if not (TOP / document.parent / target).exists()] == []


def test_every_dependency_says_why_it_is_there() -> None:
    table = (TOP / "docs/architecture.md").read_text().partition("## Dependencies")[2]
    assert [name for name in _required() if name not in table] == []


def test_constraints_name_every_dependency() -> None:
    lines = (TOP / "constraints.txt").read_text().lower().splitlines()
    held = {line.partition("==")[0].replace("_", "-") for line in lines if not line.startswith("#")}
    wanted = {*_required(), *map(_distribution, PROJECT["dependency-groups"]["dev"])}
    assert wanted - held == set()


def test_the_architecture_lists_every_room() -> None:
    rooms = (TOP / "docs/architecture.md").read_text().partition("## Rooms")[2]
    listed = re.findall(r"^(\w+)/ ", rooms, re.MULTILINE)
    assert listed == PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_list_of_commands_is_current() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "console.commandline.docs"], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert (TOP / "docs/commands.md").read_text() == made.stdout, "make docs writes it anew"


def test_the_readme_names_only_commands_that_exist() -> None:
    commands = (TOP / "docs/commands.md").read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", (TOP / "README.md").read_text(), re.DOTALL))
    named = re.findall(r"(?:wardgate|alice@gate\.example\.com) ([a-z-]+(?: [a-z-]+)?)", blocks)
    assert named
    assert [words for words in named if words not in commands and words.split()[0] not in commands] == []


@pytest.mark.parametrize("target", ["run", "test", "setup", "bench", "screenshots", "docs", "lint"])
def test_make_has_the_target(target: str) -> None:
    plan = subprocess.run(["make", "--dry-run", target], cwd=TOP, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stderr
