"""Tags that the policy does not know."""

from __future__ import annotations

from collections.abc import Iterable

from console.commandline.run import Run


def unknown(run: Run, tags: Iterable[str]) -> list[str]:
    """Those of `tags` that no rule can name yet, since `tagOwners` does not define them; people are told."""
    known = {str(tag) for tag in run.gate.snapshot.compiled.document.tag_owners}
    found = [str(tag) for tag in tags if tag not in known]
    for tag in found:
        run.note(f"note: {tag} is not in the policy's tagOwners, so no rule gives it anything yet")
    return found
