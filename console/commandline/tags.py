"""Tags that the policy does not know."""

from __future__ import annotations

from collections.abc import Iterable

from console.commandline.run import Run


def note_unknown(run: Run, tags: Iterable[str]) -> None:
    """Says which of `tags` no rule can name yet, since `tagOwners` does not define them."""
    known = {str(tag) for tag in run.gate.snapshot.compiled.document.tag_owners}
    for tag in tags:
        if tag not in known:
            run.note(f"note: {tag} is not in the policy's tagOwners, so no rule gives it anything yet")
