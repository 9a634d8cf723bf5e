"""What the documents say is so."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from console.__main__ import PROGRAMS
from console.commandline import face
from console.commandline.local import without_state

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


ELSEWHERE = {"help", *PROGRAMS}
"""Commands that are programs of their own, not commands of the gate."""


def the_gates_commands(text: str) -> list[list[str]]:
    """Those that a document shows in blocks of shell, without what surrounds them in the shell."""
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text.replace("\\\n", " "), re.DOTALL)
    found = []
    for line in (line for block in blocks for line in block.splitlines()):
        shown = re.search(r"(?:^|[ /(])wardgate ([a-z].*)$|\w@gate\.example\.com ([a-z].*)$", line)
        if shown is None or "[OPTIONS]" in line or "…" in line or "$(" in line:
            continue
        lexer = shlex.shlex(shown[1] or shown[2], posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, "#"
        try:
            words = list(itertools.takewhile(lambda word: not set(word) & set("|<>&;()"), lexer))
        except ValueError:  # a quoted word that goes on in the next line
            continue
        if words and words[0] not in ELSEWHERE and "--network" not in words:
            found.append(without_state(words)[0])
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_document_shows_only_commands_that_are_taken_as_they_stand(document: Path) -> None:
    refused = []
    for words in the_gates_commands((TOP / document).read_text()):
        try:
            face.parse(words)
        except click.UsageError as fault:
            refused.append(f"{shlex.join(words)}: {fault.format_message()}")
    assert refused == []


def test_the_documents_show_commands() -> None:
    assert sum(len(the_gates_commands((TOP / document).read_text())) for document in DOCUMENTS) > 100


@pytest.mark.parametrize("target", ["run", "test", "setup", "bench", "screenshots", "docs", "lint"])
def test_make_has_the_target(target: str) -> None:
    plan = subprocess.run(["make", "--dry-run", target], cwd=TOP, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stderr
