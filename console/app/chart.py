"""A bar chart in eighths of a cell: one column a sample, the last one in the accent."""

from __future__ import annotations

from collections.abc import Sequence

from console.app.glyphs import Glyphs
from console.app.row import Row


def resample(samples: Sequence[int], columns: int) -> list[int]:
    """`samples` in `columns` steps, each the last of its part, so that the newest always shows."""
    if not samples or columns <= 0:
        return []
    return [samples[min(len(samples) - 1, (at + 1) * len(samples) // columns - 1 if len(samples) >= columns
                        else at * len(samples) // columns)] for at in range(columns)]  # fmt: skip


def nice_ceiling(value: int) -> int:
    """The next round number: 1, 2, 5 times a power of ten, or between."""
    if value <= 5:
        return max(1, value)
    power = int(10 ** (len(str(value)) - 1))
    steps = [power * part // 10 for part in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)]
    return min(step for step in steps if step >= value)


def nice_floor(low: int, top: int) -> int:
    """Where the axis begins: 0, or a round number below all samples where they would fill the chart."""
    if low * 10 < top * 6 or top < 20:
        return 0
    step = top // 10
    return (low // step - 1) * step


def draw(
    samples: Sequence[int], width: int, height: int, glyphs: Glyphs, plane: str = "bg", floor: int = 0
) -> list[Row]:
    """`height` rows of `width` cells, the lowest at `floor`."""
    rows = [Row(width, plane) for _ in range(height)]
    columns = resample(samples, width)
    top = nice_ceiling(max(columns, default=0))
    for x, value in enumerate(columns):
        eighths = round(max(0, value - floor) * height * 8 / max(1, top - floor))
        if value and not eighths:
            eighths = 1
        role = "accent" if x == len(columns) - 1 else "chart"
        for y in range(height):
            part = max(0, min(8, eighths - 8 * (height - 1 - y)))
            if part:
                rows[y].put(x, glyphs.blocks[part], role)
    return rows
