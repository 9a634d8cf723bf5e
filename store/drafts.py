"""A policy that somebody writes and has not set: one a person, kept until it is set or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.ids import UserName
from model.records import PolicyDraft

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction


def get(r: Reader, *, user: UserName | None = None, local: str | None = None) -> PolicyDraft | None:
    """The draft of a user, or of a local owner (`local:UID`); None where there is none."""
    row = r.sql.execute(
        "SELECT based_on, text, kept_at FROM drafts WHERE user IS ? AND local IS ?", (user, local)
    ).fetchone()
    return None if row is None else PolicyDraft(based_on=row[0], text=row[1], kept_at=row[2])


def put(tx: Transaction, draft: PolicyDraft, *, user: UserName | None = None, local: str | None = None) -> None:
    """In place of the one that was there."""
    remove(tx, user=user, local=local)
    tx.db.table("drafts").insert(
        {"user": user, "local": local, "based_on": draft.based_on, "text": draft.text, "kept_at": draft.kept_at}
    )


def remove(tx: Transaction, *, user: UserName | None = None, local: str | None = None) -> None:
    tx.sql.execute("DELETE FROM drafts WHERE user IS ? AND local IS ?", (user, local))
