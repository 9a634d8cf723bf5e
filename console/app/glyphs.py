"""The signs of states, each one cell wide. `ASCII` is for terminals without the others; a set is chosen whole."""

from __future__ import annotations

import msgspec


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    on: str = "●"
    off: str = "○"
    waiting: str = "◐"
    ending: str = "◔"
    bad: str = "×"
    disabled: str = "⊘"
    trusted: str = "◑"
    done: str = "✓"
    cursor: str = "▌"
    flash: str = "▎"
    up: str = "▲"
    down: str = "▼"
    crumb: str = "›"
    fold: str = "▸"
    plus: str = "+"
    minus: str = "−"
    changed: str = "~"
    caution: str = "!"
    bar: str = "━"
    rest: str = "─"
    track: str = "│"
    thumb: str = "┃"
    absent: str = "–"
    none: str = "·"
    more: str = "…"
    to: str = "→"
    back: str = "←"
    moves: str = "↑↓"
    blocks: str = " ▁▂▃▄▅▆▇█"
    """Eighths of a cell, from none to all."""


UNICODE = Glyphs()
ASCII = Glyphs(
    on="*", off="o", waiting="?", ending="!", bad="x", disabled="-", trusted="t", done="+", cursor=">", flash="|",
    up="^", down="v", crumb=">", fold=">", plus="+", minus="-", changed="~", caution="!", bar="=", rest="-", track="|",
    thumb="#", absent="-", none=".", more="~", to=">", back="<", moves="up/down", blocks=" ..::###@",
)  # fmt: skip


PUNCTUATION = {
    "–": "-", "…": "~", "·": ".", "•": "*", "‹": "<", "›": ">", "←": "<", "→": ">", "↑": "^", "↓": "v", "−": "-",
    "—": "-", "×": "x", "█": "#", "▀": "^", "▄": "_",
}  # fmt: skip
"""What else the console writes that is not ASCII, for the same terminals."""


def glyphs_for(term: str, encoding: str, setting: str = "auto") -> Glyphs:
    """The Linux console's font lacks half of them; and a client that says it has no UTF-8 is believed."""
    if setting in {"ascii", "unicode"}:
        return ASCII if setting == "ascii" else UNICODE
    locale = encoding.upper().replace("-", "")
    return ASCII if term == "linux" or (locale and "UTF8" not in locale) else UNICODE
