"""What tests need of the machine, said by the test and checked here; what was skipped for want of it is told last.

@pytest.mark.root                        root, and network namespaces with a TUN device
@pytest.mark.needs("wg", "nft")          programs, or the names in `_CHECKS`
"""

from __future__ import annotations

import functools
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")  # a law holds as well on a machine that is busy

SYSTEM_PATHS = ("/usr/sbin", "/sbin")
"""Where Debian keeps sshd, nft and ip; not on every person's PATH."""

os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_PATHS])


def _is_root() -> bool:
    return os.geteuid() == 0


def _has_namespaces() -> bool:
    if not (_is_root() and shutil.which("unshare") and Path("/dev/net/tun").exists()):
        return False
    return subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode == 0


def _has_faketime() -> bool:
    return bool(glob.glob("/usr/lib/*/faketime/libfaketime.so.1"))


def _has_provider() -> bool:
    node = Path(sys.executable).with_name("node").exists() or shutil.which("node") is not None
    return node and Path(__file__).with_name("oidc").joinpath("node_modules/.installed").exists()


_CHECKS: dict[str, Callable[[], bool]] = {
    "root": _is_root,
    "namespaces": _has_namespaces,
    "faketime": _has_faketime,
    "oidc-provider": _has_provider,
}


@functools.cache
def _has(need: str) -> bool:
    return _CHECKS[need]() if need in _CHECKS else shutil.which(need) is not None


def _packages() -> Iterator[tuple[str, str]]:
    for line in Path(__file__).with_name("packages.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            what, package = line.split()
            yield what, package


def _lacking(item: pytest.Item) -> list[str]:
    needs = [str(need) for mark in item.iter_markers("needs") for need in mark.args]
    if item.get_closest_marker("root"):
        needs += ["root", "namespaces"]
    return [need for need in dict.fromkeys(needs) if not _has(need)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if lacking := _lacking(item):
            item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(lacking)}"))


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Every skipped test by name, under its reason, and what would let it run."""
    skipped: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        skipped.setdefault(_reason(report), []).append(report.nodeid)
    if not skipped:
        return
    terminalreporter.section("not run on this machine")
    for reason, names in sorted(skipped.items()):
        terminalreporter.write_line(f"{reason}:")
        for name in sorted(names):
            terminalreporter.write_line(f"    {name}")
    packages = dict(_packages())
    lacking = {word for reason in skipped if reason.startswith("needs ") for word in reason[6:].split(", ")}
    if wanted := sorted({packages[what] for what in lacking if what in packages}):
        terminalreporter.write_line(f"hint: apt-get install --no-install-recommends {' '.join(wanted)}")
    if lacking & {"root", "namespaces"}:
        terminalreporter.write_line("hint: run make test as root, on Linux with network namespaces")
