"""QR codes in half blocks: two modules a cell, so that they are square, and light on dark with a quiet zone."""

from __future__ import annotations

import segno

_HALVES = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}


def half_blocks(text: str) -> list[str]:
    """Lines of cells; a set module is the terminal's background, so it reads on dark ground."""
    matrix = [
        [1 if module else 0 for module in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)
    ]
    if len(matrix) % 2:
        matrix.append([0] * len(matrix[0]))
    return [
        "".join(_HALVES[upper, lower] for upper, lower in zip(matrix[at], matrix[at + 1], strict=True))
        for at in range(0, len(matrix), 2)
    ]
