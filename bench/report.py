"""How a bench tells its figures: a table for a person, then one JSON line for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping

Figures = Mapping[str, float | int | str]
"""A name that ends in its unit (`sign_us`, `per_second`, `ratio`) -> the figure."""


def _plain(figure: float | int | str) -> str:
    if isinstance(figure, float):
        return f"{figure:,.3g}" if abs(figure) < 100 else f"{figure:,.0f}"
    return f"{figure:,}" if isinstance(figure, int) else figure


def report(name: str, figures: Figures) -> None:
    width = max(len(key) for key in figures)
    print(f"\n{name}")
    for key, figure in figures.items():
        print(f"  {key.replace('_', ' '):<{width}}  {_plain(figure):>12}")
    print(json.dumps({"bench": name, "figures": dict(figures)}), flush=True)
