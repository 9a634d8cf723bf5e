"""`wardgate down`: takes back all that `up` did to this machine; its keys and its place in the network stay."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from agent.keeper import undo
from agent.linux import Machine, check_machine
from agent.options import DEFAULT_STATE
from agent.state import AgentState
from model.errors import Conflict

STOP_TIMEOUT = 30


async def down(state: Path = DEFAULT_STATE, report: Callable[[str], None] = lambda _: None) -> int:
    """Ends the agent that runs on `state`, if one does, and undoes what it, or one that died, left behind.

    Returns 0, also where there was nothing to do. `Conflict` where the agent does not end.
    """
    check_machine()
    kept = AgentState(state)
    kept.prepare()
    was_running = await _stop_running(kept)
    with kept.hold():
        applied = kept.applied()
        machine = Machine(applied.interface or "", applied.nft_table or "", Path())
        undone = await asyncio.to_thread(undo, kept, machine, report)
    report("down" if undone or was_running else "nothing to undo: the network was not up")
    return 0


async def _stop_running(kept: AgentState) -> bool:
    """Whether an agent ran. It is known by the lock that it holds, so no other process is ever signalled."""
    holder = kept.holder()
    if holder is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(holder, signal.SIGTERM)
    end = time.monotonic() + STOP_TIMEOUT
    while kept.holder() == holder:
        if time.monotonic() > end:
            raise Conflict(f"the agent (process {holder}) does not end", hint=f"kill -9 {holder}, then try again")
        await asyncio.sleep(0.05)
    return True
