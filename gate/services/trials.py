"""A policy's own tests, each with what came of it."""

from __future__ import annotations

import policy
from gate.operation import Call, reads
from gate.services.checked import network
from policy.outcomes import TestOutcome, outcomes
from store import Reader


@reads("policy check", heavy=True)
def run_tests(r: Reader, call: Call, *, text: str) -> tuple[TestOutcome, ...]:
    """Against this network as it is. Raises `PolicyRefused` where `text` is no policy; a failing test is no refusal."""
    return outcomes(policy.compile(policy.read(text), network(call), over=call.snapshot.compiled))
