"""From a document, or its text, to what it means in a network."""

from __future__ import annotations

from model.network import Network
from policy import tests
from policy.advance import advance, is_another
from policy.compiled import Compiled
from policy.document import Document
from policy.fault import Fault, located
from policy.program import program
from policy.reading import read
from policy.step import moved_to
from policy.world import world


def compile(document: Document, network: Network, *, run_tests: bool = False, over: Compiled | None = None) -> Compiled:
    """What `document` means in `network`. Raises `PolicyRefused`, with line and column.

    `over` is a compilation of any policy for this network or an earlier one, whose index is used again.
    """
    indexed = moved_to(over.world, network) if over is not None else world(network)
    try:
        checked = program(document, indexed.internet, indexed.domain())
        compiled = Compiled(checked, indexed)
        if run_tests:
            tests.run_tests(compiled)
        return compiled
    except Fault as fault:
        raise located(fault, document.text) from None


def check(text: str, network: Network, *, over: Compiled | None = None) -> Compiled:
    """`text` read, compiled for `network`, and held to its own tests. Raises `PolicyRefused`."""
    return compile(read(text), network, run_tests=True, over=over)


def check_again(before: Compiled, network: Network) -> Compiled:
    """A policy that was checked, held to its own tests in the network as it is now. Raises `PolicyRefused`.

    Only what changed since is worked out anew.
    """
    if is_another(before.world, network):
        return compile(before.document, network, run_tests=True, over=before)
    after, _ = advance(before, network)
    try:
        tests.run_tests(after)
    except Fault as fault:
        raise located(fault, before.document.text) from None
    return after
