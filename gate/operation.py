"""Operations: what services offer, each a function of one transaction, named like the command that reaches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, Protocol, TypeVar

import msgspec

from gate import present
from gate.actor import Actor
from gate.roles import PERMISSIONS, Permission
from model.errors import Denied
from model.records import Role
from store import Reader, Transaction

if TYPE_CHECKING:
    from gate.connections import Connections
    from gate.presence import Presence
    from gate.signers import Signers
    from gate.snapshot import Snapshot
from gate.watch import Watch

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S", bound=Reader)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One operation being performed: by whom, how far it may reach, and what it may look at beside the store."""

    actor: Actor
    operation: str
    own: bool
    """The actor's role lets them do this to their own things alone."""
    snapshot: Snapshot
    presence: Presence
    signers: Signers
    connections: Connections
    state: Path
    watch: Watch

    def audit(
        self,
        tx: Transaction,
        subject: str,
        *,
        before: dict[str, object] | None = None,
        after: dict[str, object] | None = None,
    ) -> None:
        tx.audit(self.actor.name, self.operation, subject, before=before, after=after, source=self.actor.source)


class Prepared(Protocol):
    """What was made before a transaction, for it to record."""

    def drop(self) -> None:
        """Undoes it, where the transaction came to nothing."""


First = Callable[..., Prepared]
"""Called with a `Reader`, the `Call` and the operation's arguments, once the actor is authorized, in a thread of
`gate.heavy`: for what takes too long for a transaction. The operation gets the outcome as `prepared`."""


class Operation(Generic[S, P, T_co]):
    """A service's function with its name and the permission that the table gives it."""

    def __init__(
        self,
        name: str,
        run: Callable[Concatenate[S, Call, P], T_co],
        *,
        reads: bool,
        first: First | None = None,
        repeatable: bool = False,
        heavy: bool = False,
    ) -> None:
        self.name = name
        self.run = run
        self.reads = reads
        self.first = first
        self.repeatable = repeatable
        self.heavy = heavy
        self.permission: Permission = PERMISSIONS["agent" if name.startswith("agent ") else name]
        self.__doc__ = run.__doc__

    def authorize(self, r: Reader, actor: Actor, snapshot: Snapshot) -> tuple[Actor, bool]:
        """The actor with the role of this moment, and whether only their own things are open to them.

        Raises `Denied`. A person is looked up anew: one disabled or demoted since they logged in is so at once.
        """
        if actor.user is not None:
            role = present.active_role(r, snapshot, actor.user)
            if role is None:
                raise Denied(f"{actor.user} is disabled or removed", hint="ask an operator of this network")
            if role is not actor.role:
                actor = msgspec.structs.replace(actor, role=role)
        if actor.role in self.permission.network:
            return actor, False
        if actor.role in self.permission.own and actor.user is not None:
            return actor, True
        raise Denied(
            f"{self.name} needs the role {self.permission.least()}; {actor.name} is {_article(actor.role)}",
            hint=f"an admin changes roles: users set-role {actor.name} ROLE",
        )


def _article(role: Role) -> str:
    return f"{'an' if role.value[0] in 'aeiou' else 'a'} {role.value}"


def reads(
    name: str, *, heavy: bool = False
) -> Callable[[Callable[Concatenate[Reader, Call, P], T]], Operation[Reader, P, T]]:
    """Declares an operation that changes nothing; it runs on a read connection.

    `heavy` is one that may take seconds: it is done once at a time for each person (`gate.heavy`).
    """
    return lambda run: Operation(name, run, reads=True, heavy=heavy)


def writes(
    name: str, first: First | None = None, *, repeatable: bool = False
) -> Callable[[Callable[Concatenate[Transaction, Call, P], T]], Operation[Transaction, P, T]]:
    """Declares an operation that runs on the writer, all of it in one transaction, after `first`.

    `repeatable` is one that many ask for at once, and that `Store.write` may do twice.
    """
    return lambda run: Operation(name, run, reads=False, first=first, repeatable=repeatable)
