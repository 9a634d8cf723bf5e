"""What hostile policies cost: each is refused by a stated limit, or compiled in the time shown."""

from __future__ import annotations

import json
import time
import tracemalloc

import policy
from bench.policy_network import a_network
from bench.report import Figures, report
from model.errors import PolicyRefused
from model.network import Network

DEVICES = 1_000


def _acl(src: str = "*", dst: str = "*:22") -> dict[str, object]:
    return {"action": "accept", "src": [src], "dst": [dst]}


def _ipset_chain(count: int) -> dict[str, list[str]]:
    """Each of the sets holds all that the one before it holds, and one prefix more."""
    return {
        f"ipset:s{n}": [f"10.{n >> 8}.{n & 255}.0/24", *([f"ipset:s{n - 1}"] if n else [])]
        for n in reversed(range(count))
    }


def policies() -> dict[str, str]:
    addresses = [f"{n >> 16 & 127}.{n >> 8 & 255}.{n & 255}.1" for n in range(150_000)]
    return {
        "100_000_rules": json.dumps({"acls": [_acl() for _ in range(100_000)]}),
        "50_000_short_rules": '{"acls": [' + '{"action":"accept","src":["*"],"dst":["*:1"]},' * 50_000 + "]}",
        "10_000_rules": json.dumps({"acls": [_acl(dst=f"*:{n + 1}") for n in range(10_000)]}),
        "nesting_100_000_deep": "[" * 100_000,
        "ipset_of_150_000": json.dumps({"ipsets": {"ipset:s": addresses}, "acls": [_acl(dst="ipset:s:22")]}),
        "ipset_of_150_000_in_1000_rules": json.dumps({
            "ipsets": {"ipset:s": addresses}, "acls": [_acl(dst="ipset:s:22")] * 1000,
        }),
        "ipset_add_and_remove": json.dumps({
            "ipsets": {"ipset:s": [f"{'remove ' if n % 2 else ''}{address}" for n, address in enumerate(addresses)]},
            "acls": [],
        }),
        "ipsets_in_ipsets": json.dumps({"ipsets": _ipset_chain(10_000), "acls": []}),
        "10_mb_of_comments": "// no\n" * (10 * 2**20 // 6) + "{}",
        "3_mb_of_comments": "// no\n" * (3 * 2**20 // 6) + '{"acls": []}',
        "3_mb_of_stars": "/" + "*" * (3 * 2**20) + '/{"acls": []}',
        "600_000_ports": json.dumps({"acls": [_acl(dst="*:" + ",".join(str(n % 6000 + 1) for n in range(600_000)))]}),
        "number_of_a_million_digits": '{"a": ' + "9" * 1_000_000 + "}",
        "50_000_groups": json.dumps({"groups": {f"group:g{n}": ["a@b"] for n in range(50_000)}, "acls": []}),
        "20_000_tests": json.dumps({
            "acls": [_acl(dst="*:1-65535")],
            "tests": [{"src": "*", "accept": ["100.64.0.1:22"]}] * 20_000,
        }),
    }  # fmt: skip


def _outcome(text: str, network: Network) -> tuple[str, float]:
    begun = time.thread_time()
    try:
        compiled = policy.check(text, network)
        for device in network.devices[:10]:
            compiled.filter(device.id), compiled.peers(device.id), compiled.logins(device.id)
        said = "compiled"
    except PolicyRefused as refused:
        said = f"refused: {refused.message}"
    return said, time.thread_time() - begun


def figures() -> Figures:
    network = a_network(DEVICES)
    out: dict[str, float | int | str] = {}
    for name, text in policies().items():
        said, seconds = _outcome(text, network)
        out[f"{name}_ms"] = seconds * 1e3
        out[f"{name}_outcome"] = said[:60]
    out["worst_ms"] = max(figure for figure in out.values() if isinstance(figure, float))
    tracemalloc.start()
    _outcome(policies()["ipset_of_150_000"], network)
    out["memory_of_ipset_of_150_000_mb"] = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return out


if __name__ == "__main__":
    report("policy_hostile", figures())
