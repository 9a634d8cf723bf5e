"""Runs the benches, each in a process of its own: `python -m bench` all of them, `python -m bench NAME ...` some.

A bench is a module here that has `figures()`; run as a program it prints what `bench.report` says.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def _is_bench(path: Path) -> bool:
    body = ast.parse(path.read_text()).body
    return any(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name == "figures" for part in body)


def benches() -> list[str]:
    return sorted(path.stem for path in HERE.glob("[a-z]*.py") if _is_bench(path))


def _run(name: str) -> bool:
    return subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode == 0


def main(wanted: list[str]) -> int:
    known = benches()
    if unknown := [name for name in wanted if name not in known]:
        print(f"error: no bench is called {', '.join(unknown)}\nhint: there are {', '.join(known)}", file=sys.stderr)
        return 2
    if failed := [name for name in wanted or known if not _run(name)]:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
