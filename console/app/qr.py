"""QR codes in half blocks: two modules a cell, so that they are square, and light on dark with a quiet zone."""

from __future__ import annotations

import segno

_HALVES = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}


def half_blocks(text: str, *, dark: bool = True) -> list[str]:
    """Lines of cells, light where no module is set, for a `dark` ground or a light one."""
    matrix = [
        [int(bool(module) is dark) for module in row]
        for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)
    ]
    if len(matrix) % 2:
        matrix.append([int(not dark)] * len(matrix[0]))
    return [
        "".join(_HALVES[upper, lower] for upper, lower in zip(matrix[at], matrix[at + 1], strict=True))
        for at in range(0, len(matrix), 2)
    ]
