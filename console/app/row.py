"""One line of cells: text is put at columns, planes are laid under ranges, and a `Strip` comes out."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from textual.strip import Strip

from console.app.spans import MERGED
from console.app.theme import Theme

Link = Callable[[], object]


class Row:
    """Columns count from 0; what falls outside is cut. Text must be inert already (`console.app.inert`)."""

    __slots__ = ("_chars", "_planes", "_styles", "links", "width")

    def __init__(self, width: int, plane: str = "bg") -> None:
        self.width = width
        self._chars = [" "] * width
        self._styles: list[tuple[str, str]] = [("text", "")] * width
        self._planes = [plane] * width
        self.links: list[tuple[int, int, Link]] = []

    def put(self, x: int, text: str, role: str = "text", attributes: str = "", link: Link | None = None) -> int:
        """Puts `text` at `x`; the column after it."""
        start = x
        if 0 < x < self.width and self._chars[x] == "":
            self._chars[x - 1] = self._chars[x] = " "  # half of a wide character is none
        if text.isascii():
            if x < 0:
                text, x = text[-x:], 0
            text = text[: max(0, self.width - x)]
            end = x + len(text)
            self._chars[x:end] = text
        else:
            end = self._put_wide(x, text)
        first = max(0, x)
        if first < end < self.width and self._chars[end] == "":
            self._chars[end] = " "
        if end > first:
            self._styles[first:end] = [(role, attributes)] * (end - first)
        if link is not None and end > start:
            self.links.append((start, end, link))
        return end

    def _put_wide(self, x: int, text: str) -> int:
        for char in text:
            size = get_character_cell_size(char)
            if size == 0:
                if 0 < x <= self.width:
                    self._chars[x - 1] += char
            elif x + size > self.width:
                break
            elif x >= 0:
                self._chars[x] = char
                if size == 2:
                    self._chars[x + 1] = ""
                x += size
            else:
                x += size
                if x > 0 and self._chars:
                    self._chars[0] = " "  # its other half is beyond the edge
        return x

    def right(self, end: int, text: str, role: str = "text", attributes: str = "", link: Link | None = None) -> int:
        """Puts `text` so that it ends before column `end`; the column where it begins."""
        start = end - cell_len(text)
        self.put(start, text, role, attributes, link)
        return start

    def plane(self, plane: str, start: int = 0, end: int | None = None) -> None:
        stop = self.width if end is None else min(end, self.width)
        start = max(0, start)
        if stop > start:
            self._planes[start:stop] = [plane] * (stop - start)

    def tint(self, start: int, end: int, role: str, attributes: str = "") -> None:
        """Gives text that stands already another style."""
        stop = min(end, self.width)
        if stop > start >= 0:
            self._styles[start:stop] = [(role, attributes)] * (stop - start)

    def lift(self, start: int, end: int) -> None:
        """Muted text becomes text, as under a cursor."""
        stop = min(end, self.width)
        self._styles[start:stop] = [
            ("text", look) if role == "muted" else (role, look) for role, look in self._styles[start:stop]
        ]

    def lay(self, x: int, other: Row) -> None:
        """Another row over this one, from column `x` on."""
        end = min(self.width, x + other.width)
        span = end - x
        if span <= 0:
            return
        self._chars[x:end] = other._chars[:span]
        self._styles[x:end] = other._styles[:span]
        self._planes[x:end] = other._planes[:span]
        self.links += [(x + start, x + stop, link) for start, stop, link in other.links]

    def replace(self, signs: Mapping[str, str]) -> None:
        """Each cell that holds one of `signs` gets what stands for it."""
        self._chars = [signs.get(char, char) for char in self._chars]

    def same(self, other: Row) -> bool:
        """Whether it looks the same."""
        return self._chars == other._chars and self._styles == other._styles and self._planes == other._planes

    def difference(self, other: Row) -> list[tuple[int, int]]:
        """Where it looks otherwise than `other`, which is as wide, in ranges that halve no wide character."""
        if self.same(other):
            return []
        mine = zip(self._chars, self._styles, self._planes, strict=True)
        theirs = zip(other._chars, other._styles, other._planes, strict=True)
        found: list[tuple[int, int]] = []
        for at, (now, was) in enumerate(zip(mine, theirs, strict=True)):
            if now == was:
                continue
            start, stop = self._whole(at)
            if found and start - found[-1][1] < MERGED:
                found[-1] = found[-1][0], max(stop, found[-1][1])
            else:
                found.append((start, stop))
        return found

    def _whole(self, at: int) -> tuple[int, int]:
        """The columns of the character at one."""
        wide = at + 1 < self.width and self._chars[at + 1] == ""
        return at - (at > 0 and self._chars[at] == ""), at + 1 + wide

    def strip(self, theme: Theme) -> Strip:
        segments = []
        at = 0
        for (style, plane), group in groupby(zip(self._styles, self._planes, strict=True)):
            size = sum(1 for _ in group)
            text = "".join(self._chars[at : at + size])
            segments.append(Segment(text, theme.style(style[0], plane, style[1])))
            at += size
        return Strip(segments, self.width)

    def __str__(self) -> str:
        return "".join(self._chars)


def fit(text: str, width: int) -> str:
    """`text` in at most `width` cells; what is cut ends in `…`."""
    if len(text) <= width and text.isascii():
        return text
    if cell_len(text) <= width:
        return text
    if width <= 0:
        return ""
    cut = text[:width]
    while cell_len(cut) > width - 1:
        cut = cut[:-1]
    return cut + "…"


def wrapped(text: str, width: int, lines: int) -> list[str]:
    """At most so many lines; the last ends in an ellipsis where there is more."""
    text = text[: max(1, width) * (lines + 2)]  # of thousands of names the most are not looked at
    found = textwrap.wrap(text, max(1, width), break_on_hyphens=False) or [""]
    return [*found[: lines - 1], fit(" ".join(found[lines - 1 :]), max(1, width))] if len(found) > lines else found


def aligned(texts: Sequence[str], most: int) -> list[str]:
    """Each as wide as the widest of them, or as `most`: what follows them stands in one column."""
    width = min(most, max(map(cell_len, texts), default=0))
    return [text + " " * (width - cell_len(text)) for text in texts]


def fit_middle(text: str, width: int) -> str:
    """The same for keys and fingerprints, which lose their middle."""
    if len(text) <= width:
        return text
    if width < 5:
        return fit(text, width)
    tail = min(4, (width - 1) // 2)
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"
