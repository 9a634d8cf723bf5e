"""The last deed, and the command that takes it back where there is one. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from gate.roles import PERMISSIONS
from model.records import Role

MOST_WORDS = 3
"""Of the longest operation's name."""


class Deed(msgspec.Struct, frozen=True):
    done: str
    """As the toast said it."""
    undo: Sequence[str] = ()


def deed_of(words: Sequence[str], done: str = "", undo: Sequence[str] = ()) -> Deed | None:
    """What the command was as a deed; None where it changes nothing: what an auditor may run."""
    names = (" ".join(words[:size]) for size in range(1, MOST_WORDS + 1))
    known = next((PERMISSIONS[name] for name in names if name in PERMISSIONS), None)
    reads = known is not None and Role.AUDITOR in known.network
    return None if reads else Deed(done or shlex.join(words[: MOST_WORDS + 1]), undo)
