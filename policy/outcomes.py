"""Every test of a policy with what came of it, at its line: what a person reads who works on the tests."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from policy.compiled import Compiled
from policy.document import SSHTest, Test
from policy.fault import Fault, line_and_column, located
from policy.tests import failures


class Miss(msgspec.Struct, frozen=True):
    """`line` and `column` count from 1."""

    line: int
    column: int
    why: str


class TestOutcome(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """`tests[3]`, `sshTests[0]`."""
    line: int
    claims: str
    misses: tuple[Miss, ...] = ()
    """Empty where it passes."""


def outcomes(compiled: Compiled) -> tuple[TestOutcome, ...]:
    """In the order of the document. Raises `PolicyRefused` where a test is none."""
    document = compiled.document
    try:
        failed = failures(compiled)
    except Fault as fault:
        raise located(fault, document.text) from None
    by_name: defaultdict[str, list[Miss]] = defaultdict(list)
    for at, why in failed:
        name, _, said = why.partition(": ")
        by_name[name].append(Miss(*line_and_column(document.text, at), said))
    named: list[tuple[str, Test | SSHTest]] = [(f"tests[{test.index}]", test) for test in document.tests]
    named += [(f"sshTests[{test.index}]", test) for test in document.ssh_tests]
    return tuple(
        TestOutcome(
            name=name, line=line_and_column(document.text, test.at)[0], claims=_claims(test),
            misses=tuple(by_name[name]),
        )
        for name, test in named
    )  # fmt: skip


def _claims(test: Test | SSHTest) -> str:
    verbs = {"reaches": test.accept, "not": test.deny}
    if isinstance(test, SSHTest):
        verbs = {"logs in as": test.accept, "after a check as": test.check, "not as": test.deny}
    said = "; ".join(f"{verb} {', '.join(words)}" for verb, words in verbs.items() if words)
    where = f" at {', '.join(test.dst)}" if isinstance(test, SSHTest) else ""
    return f"{', '.join(test.src) or '–'} {said}{where}"
