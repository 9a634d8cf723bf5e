"""A policy's own tests, each with what came of it."""

from __future__ import annotations

import policy
from gate.operation import Call, reads
from gate.snapshot import policy_network
from policy.outcomes import TestOutcome, outcomes
from store import Reader


@reads("policy check", heavy=True)
def run_tests(r: Reader, call: Call, *, text: str) -> tuple[TestOutcome, ...]:
    """Against this network as it is. Raises `PolicyRefused` where `text` is no policy; a failing test is no refusal."""
    found = call.snapshot
    network = policy_network(found.users, found.devices, found.network, found.standby)
    return outcomes(policy.compile(policy.read(text), network, over=found.compiled))
