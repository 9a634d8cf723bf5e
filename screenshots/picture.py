"""A frame of the console as SVG: cells on a grid, with block and line glyphs drawn as shapes, so that they meet."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.cells import get_character_cell_size
from rich.style import Style
from textual.strip import Strip

CELL, LINE, SIZE = 12.2, 24.4, 20.264
"""Of DejaVu Sans Mono at this size, the advance is one cell."""
_BASELINE = 18.6
_SHAPES: dict[str, tuple[float, float, float, float]] = {
    "▌": (0, 0, 0.5, 1), "▎": (0, 0, 0.25, 1), "█": (0, 0, 1, 1), "▀": (0, 0, 1, 0.5), "▄": (0, 0.5, 1, 0.5),
    "│": (0.46, 0, 0.08, 1), "┃": (0.4, 0, 0.2, 1), "━": (0, 0.44, 1, 0.12), "─": (0, 0.48, 1, 0.05),
} | {glyph: (0, 1 - part / 8, 1, part / 8) for part, glyph in enumerate("▁▂▃▄▅▆▇", 1)}  # fmt: skip
"""Left, top, width and height, in parts of a cell."""


def svg(strips: Sequence[Strip], background: str) -> str:
    width = max(strip.cell_length for strip in strips) * CELL
    height = len(strips) * LINE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.1f}" height="{height:.1f}" '
        f'font-family="DejaVu Sans Mono" font-size="{SIZE}" shape-rendering="crispEdges">',
        f'<rect width="100%" height="100%" fill="{background}"/>',
    ]
    for y, strip in enumerate(strips):
        out += _line(strip, y * LINE, background)
    return "\n".join([*out, "</svg>"])


def _line(strip: Strip, y: float, background: str) -> list[str]:
    planes, texts, x = [], [], 0.0
    for segment in strip:
        style = segment.style or Style()
        size = segment.cell_length * CELL
        plane = _colour(style, "bgcolor")
        if plane and plane != background:
            planes.append(
                f'<rect x="{x:.2f}" y="{y:.2f}" width="{size + 0.05:.2f}" height="{LINE + 0.05:.2f}" fill="{plane}"/>'
            )
        texts += _text(segment.text, x, y, style)
        x += size
    return planes + texts


def _text(text: str, x: float, y: float, style: Style) -> list[str]:
    colour = _colour(style, "color") or "#ffffff"
    out, run, start = [], "", x
    for char in text:
        shape = _SHAPES.get(char)
        if shape is not None or not char.strip():
            out += _run(run, start, y, style, colour)
            run = ""
            if shape is not None:
                left, top, wide, high = shape
                out.append(
                    f'<rect x="{x + left * CELL:.2f}" y="{y + top * LINE:.2f}" width="{wide * CELL + 0.05:.2f}" '
                    f'height="{high * LINE + 0.05:.2f}" fill="{colour}"/>'
                )
        else:
            if not run:
                start = x
            run += char
        x += get_character_cell_size(char) * CELL
    return out + _run(run, start, y, style, colour)


def _run(text: str, x: float, y: float, style: Style, colour: str) -> list[str]:
    if not text:
        return []
    look = ' font-weight="bold"' if style.bold else ""
    look += ' font-style="italic"' if style.italic else ""
    look += ' text-decoration="underline"' if style.underline else ""
    return [
        f'<text x="{x:.2f}" y="{y + _BASELINE:.2f}" fill="{colour}"{look} xml:space="preserve">{escape(text)}</text>'
    ]


def _colour(style: Style, which: str) -> str | None:
    colour = getattr(style, which)
    triplet = getattr(colour, "triplet", None)
    return triplet.hex if triplet else None


def png(drawing: str, path: Path) -> None:
    """Converts by rsvg-convert (Debian's librsvg2-bin), with fonts-dejavu; pngquant leaves the colours that count."""
    drawn = subprocess.run(["rsvg-convert", "-z", "1.5"], input=drawing.encode(), check=True, capture_output=True)
    small = ["pngquant", "--speed", "1", "--nofs", "--strip", "64", "-"]
    path.write_bytes(subprocess.run(small, input=drawn.stdout, check=True, capture_output=True).stdout)
