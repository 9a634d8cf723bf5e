"""Only the cells that changed go out: Textual would send each row that has some from its first column on."""

from __future__ import annotations

from rich.console import Console
from textual._compositor import ChopsUpdate

MERGED = 12
"""Cells between two that changed, below which they are sent along: a move and the colours anew take as much."""


class Spans(ChopsUpdate):
    """The update, written span by span."""

    def __init__(self, update: ChopsUpdate) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        out = []
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                start, stop = max(x, first), min(end, last)
                if strip is not None and start < stop:
                    out.append(f"\x1b[{y + 1};{start + 1}H{strip.crop(start - x, stop - x).render(console)}")
        return "".join(out)
