"""What is said at the keyboard before someone is let in: a generator of challenges, without any I/O of SSH in it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

import msgspec

from gate.login.desk import Applicant, Desk, Proof

PASSWORD = "Password: "  # noqa: S105 - the prompt


class Challenge(msgspec.Struct, frozen=True):
    """Prompts with whether what is typed shows; none at all only keeps the client waiting."""

    prompts: tuple[tuple[str, bool], ...] = ()


Step = Challenge | Proof
"""A `Proof` is the last step; a generator that ends without one refuses."""
Answers = tuple[str, ...]


async def dialogue(desk: Desk, applicant: Applicant) -> AsyncGenerator[Step, Answers]:
    """The conversation with one applicant. Raises `Limited` where they must wait.

    Its first step is the same for all names.
    """
    answers = yield Challenge(((PASSWORD, False),))
    if len(answers) == 1:
        proof = await by_password(desk, applicant, answers[0])
        if proof:
            yield proof


async def by_password(desk: Desk, applicant: Applicant, password: str) -> Proof | None:
    right = await desk.password_right(applicant, password)
    if not right or applicant.user is None:
        return None
    return Proof(user=applicant.user.name, method="password", factors=("password",), login_at=int(time.time()))
