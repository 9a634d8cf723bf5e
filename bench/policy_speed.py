"""The policy compiler: compiling, one device's part of its NetMap, a changed device, memory, for three sizes.

One network has 100 groups, 100 tags and 100 rules; figures of 10,000 devices stand first, those of 1,000 and 100,000
say how it grows. Times are of the thread's own processor time. A NetMap's policy part is its filter, its peers with
what is routed to each, and its logins.
"""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable

import msgspec

import policy
from bench.policy_network import a_network, a_policy
from bench.report import Figures, report
from model.ids import DeviceID, Tag
from model.network import Network
from policy import Compiled, advance

SIZES = (10_000, 1_000, 100_000)
ROUNDS = 7


def _seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median of some rounds."""
    taken = []
    for _ in range(rounds):
        begun = time.thread_time()
        work()
        taken.append(time.thread_time() - begun)
    return statistics.median(taken)


def _told(compiled: Compiled, id: DeviceID) -> object:
    return compiled.filter(id), compiled.peers(id), compiled.logins(id)


def _first(text: str, network: Network, over: Compiled, some: list[DeviceID]) -> float:
    """Median seconds of the first device that is served after a policy change."""
    taken = []
    for id in some[:ROUNDS]:
        compiled = policy.check(text, network, over=over)
        begun = time.thread_time()
        _told(compiled, id)
        taken.append(time.thread_time() - begun)
    return statistics.median(taken)


def _changes(network: Network, compiled: Compiled, count: int = 200) -> tuple[float, float, float]:
    """Median seconds of a device's new tag, with the device named and without, and how many devices it touches."""
    named, found, touched = [], [], []
    ids = [device.id for device in network.devices if device.tags][:: max(1, len(network.devices) // count)]
    for place, id in enumerate(ids):
        at = int(id) - 1
        moved = msgspec.structs.replace(network.devices[at], tags=(Tag(f"tag:t{place % 99}"),))
        after = msgspec.structs.replace(
            network, devices=(*network.devices[:at], moved, *network.devices[at + 1 :])
        )  # fmt: skip
        begun = time.thread_time()
        _, affected = advance(compiled, after, changed=[id])
        named.append(time.thread_time() - begun)
        begun = time.thread_time()
        advance(compiled, after)
        found.append(time.thread_time() - begun)
        touched.append(len(affected))
    return statistics.median(named), statistics.median(found), statistics.median(touched)


def _memory(text: str, network: Network) -> float:
    """Megabytes of a compilation that every device was served from once, the network's records not counted."""
    gc.collect()
    tracemalloc.start()
    compiled = policy.check(text, network)
    for device in network.devices[:: max(1, len(network.devices) // 1000)]:
        _told(compiled, device.id)
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / 1e6


def _size(count: int) -> dict[str, float | int | str]:
    network = a_network(count)
    text = a_policy(network)
    compiled = policy.check(text, network)
    gc.collect()
    gc.freeze()
    again = _seconds(lambda: policy.check(text, network, over=compiled))
    anew = _seconds(lambda: policy.check(text, network), 3)
    compiled = policy.check(text, network, over=compiled)
    some = [device.id for device in network.devices[:: max(1, count // 2000)]]
    first = _first(text, network, compiled, some)
    sight = _seconds(lambda: [compiled.visible_from(id) for id in some[:100]]) / 100
    begun = time.thread_time()
    for id in some:
        _told(compiled, id)
    bulk = (time.thread_time() - begun) / len(some)
    peers = statistics.mean(len(compiled.peers(id)) for id in some)
    named, found, touched = _changes(network, compiled)
    gc.unfreeze()
    return {
        "compile_after_policy_change_ms": again * 1e3, "compile_with_network_ms": anew * 1e3,
        "netmap_part_first_ms": first * 1e3, "netmap_part_bulk_us": bulk * 1e6, "peers_a_device": peers,
        "who_sees_a_device_us": sight * 1e6, "device_change_us": named * 1e6,
        "device_change_unnamed_us": found * 1e6, "devices_touched": touched,
        "memory_mb": _memory(text, network),
    }  # fmt: skip


def figures() -> Figures:
    out: dict[str, float | int | str] = {}
    for count in SIZES:
        for name, figure in _size(count).items():
            out[f"{name}_at_{count}"] = figure
    for name in ("compile_after_policy_change_ms", "netmap_part_bulk_us", "device_change_us", "memory_mb"):
        small, large = out[f"{name}_at_10000"], out[f"{name}_at_100000"]
        assert isinstance(small, float)
        assert isinstance(large, float)
        out[f"growth_of_{name.rpartition('_')[0]}_10000_to_100000"] = large / small
    return out


if __name__ == "__main__":
    report("policy_speed", figures())
