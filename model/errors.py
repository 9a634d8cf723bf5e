"""What can go wrong, as a caller tells it apart.

    WardgateError             code
    ├── Invalid               invalid        input breaks a rule of its kind
    │   └── PolicyRefused     policy         a policy breaks the language, or its own tests
    ├── NotFound              not-found      nothing has that name
    ├── Ambiguous             ambiguous      several things have that name
    ├── Conflict              conflict       taken, changed by another, or not possible in this state
    ├── Denied                denied         the actor's role does not reach that far
    ├── Limited               limited        too many, too much or too fast; try later
    └── Unavailable           unavailable    a part that is needed cannot serve now

A message is lower case, without a full stop, and names what was refused and why. A hint says what to do.
"""

from __future__ import annotations


class WardgateError(Exception):
    """A refusal that a person or a program is told. Nothing was changed."""

    code = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_json(self) -> dict[str, object]:
        """The body of ``{"error": ...}``; `hint` is null where there is none."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class Invalid(WardgateError):
    code = "invalid"


class PolicyRefused(Invalid):
    """`line` and `column` count from 1 and point into the policy's text; None where no place is to blame."""

    code = "policy"

    def __init__(
        self, message: str, *, line: int | None = None, column: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column

    def as_json(self) -> dict[str, object]:
        return {**super().as_json(), "line": self.line, "column": self.column}


class NotFound(WardgateError):
    code = "not-found"


class Ambiguous(WardgateError):
    code = "ambiguous"


class Conflict(WardgateError):
    code = "conflict"


class Denied(WardgateError):
    code = "denied"


class Limited(WardgateError):
    code = "limited"


class Unavailable(WardgateError):
    code = "unavailable"
