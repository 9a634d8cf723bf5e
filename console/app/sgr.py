"""Colours for terminals that have fewer: the app always paints truecolor, and what leaves is turned down here.

Style caches ignore the colour system, so two clients with different terminals would see each other's codes otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from gate.faces import Terminal

RGB = tuple[int, int, int]


class Colours(IntEnum):
    NONE = 0
    SIXTEEN = 16
    EIGHT_BIT = 256
    TRUE = 1 << 24


_TRUE_TERMS = ("kitty", "alacritty", "ghostty", "wezterm", "foot", "-direct", "iterm")
_MONOCHROME_TERMS = frozenset({"vt52", "vt100", "vt102", "vt220", "vt320", "xterm-mono", "ansi-mono"})
_SETTINGS = {"none": Colours.NONE, "16": Colours.SIXTEEN, "256": Colours.EIGHT_BIT, "truecolor": Colours.TRUE}


def colours_of(terminal: Terminal, setting: str = "auto") -> Colours:
    """What the client's terminal can show, by its own words; an operator's setting comes before them.

    NO_COLOR (https://no-color.org) counts when it is not empty.
    """
    if setting in _SETTINGS:
        return _SETTINGS[setting]
    if terminal.environment.get("NO_COLOR"):
        return Colours.NONE
    term = terminal.term.lower()
    if terminal.environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or any(
        part in term for part in _TRUE_TERMS
    ):
        return Colours.TRUE
    if "256color" in term:
        return Colours.EIGHT_BIT
    return Colours.NONE if term in _MONOCHROME_TERMS else Colours.SIXTEEN


_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_CUBE = (0, 95, 135, 175, 215, 255)
_SIXTEEN: Mapping[RGB, int] = {
    (0, 0, 0): 30, (205, 0, 0): 31, (0, 205, 0): 32, (205, 205, 0): 33, (0, 0, 238): 34, (205, 0, 205): 35,
    (0, 205, 205): 36, (229, 229, 229): 37, (127, 127, 127): 90, (255, 0, 0): 91, (0, 255, 0): 92,
    (255, 255, 0): 93, (92, 92, 255): 94, (255, 0, 255): 95, (0, 255, 255): 96, (255, 255, 255): 97,
}  # fmt: skip
_CHOSEN: Mapping[RGB, int] = {(42, 60, 91): 237, (58, 33, 38): 52, (116, 74, 0): 58}
"""Of the themes: the dark cursor, the dark plane of what is bad, the light warning. The nearest takes contrast away."""
BLACK, WHITE, BRIGHT = (0, 0, 0), (229, 229, 229), (255, 255, 255)


class Pen(NamedTuple):
    """What text is written with: codes of attributes, foreground and background, each as parameters of SGR."""

    attributes: str = ""
    foreground: str = ""
    background: str = ""


PLAIN = Pen()


def turned_down(text: str, colours: Colours) -> str:
    """`text` with its SGR sequences replaced by ones that `colours` can show, and only what changes between them.

    It may begin with any colours in force, and leaves none.
    """
    parts = _SGR.split(text)
    out = [parts[0]]
    wanted = now = PLAIN
    for at in range(1, len(parts), 2):
        wanted = _pen(parts[at], colours)
        if parts[at + 1]:
            out.append(_change(now, wanted))
            out.append(parts[at + 1])
            now = wanted
    if now is not PLAIN and now != PLAIN:
        out.append("\x1b[0m")
    return "".join(out)


@lru_cache(maxsize=4096)
def _pen(parameters: str, colours: Colours) -> Pen:
    """Every sequence of Rich's says all, after a reset."""
    numbers = [int(part or 0) for part in parameters.split(";")][:32]
    attributes, foreground, background = _parts(numbers)
    kept = [code for code in attributes if code]
    if colours is Colours.TRUE:
        shown = [f"38;2;{';'.join(map(str, foreground))}"] if foreground else [""]
        shown += [f"48;2;{';'.join(map(str, background))}"] if background else [""]
    elif colours is Colours.EIGHT_BIT:
        shown = [f"38;5;{eight_bit(foreground)}"] if foreground else [""]
        shown += [f"48;5;{eight_bit(background)}"] if background else [""]
    else:
        kept, *shown = _sixteen(kept, foreground, background, colours)
    return Pen(";".join(map(str, kept)), *shown)


@lru_cache(maxsize=8192)
def _change(now: Pen, wanted: Pen) -> str:
    """The shortest sequence from one to the other; empty where they are the same."""
    if now == wanted:
        return ""
    lost = any(had and not has for had, has in zip(now, wanted, strict=True))
    if now.attributes != wanted.attributes or lost:
        codes = ["0", *wanted] if now != PLAIN else list(wanted)
    else:
        codes = [has for had, has in zip(now, wanted, strict=True) if has != had]
    return f"\x1b[{';'.join(code for code in codes if code)}m"


def _parts(numbers: list[int]) -> tuple[list[int], RGB | None, RGB | None]:
    """Attributes as they are, and the truecolor foreground and background."""
    attributes: list[int] = []
    colours: dict[int, RGB] = {}
    at = 0
    while at < len(numbers):
        code = numbers[at]
        if code in {38, 48} and numbers[at + 1 : at + 2] == [2] and at + 4 < len(numbers):
            red, green, blue = numbers[at + 2 : at + 5]
            colours[code] = (red, green, blue)
            at += 5
        else:
            attributes.append(code)
            at += 1
    return attributes, colours.get(38), colours.get(48)


def _sixteen(
    kept: list[int], foreground: RGB | None, background: RGB | None, colours: Colours
) -> tuple[list[int], str, str]:
    """Black and white are the terminal's own two, so that dark and light terminals both stay readable."""
    if background == WHITE:
        return [*kept, 7], "", ""
    if colours is Colours.NONE:
        return kept, "", ""
    coloured = foreground and foreground not in {WHITE, BRIGHT}
    laid = background and background != BLACK
    return (
        kept,
        str(_nearest_sixteen(foreground)) if coloured and foreground else "",
        str(_nearest_sixteen(background) + 10) if laid and background else "",
    )


def _nearest_sixteen(colour: RGB) -> int:
    found = _SIXTEEN.get(colour)
    return found if found is not None else _SIXTEEN[min(_SIXTEEN, key=lambda other: _distance(colour, other))]


@lru_cache(maxsize=1024)
def eight_bit(colour: RGB) -> int:
    """The nearest of the 240 fixed colours: the cube's, or a grey."""
    if colour in _CHOSEN:
        return _CHOSEN[colour]
    steps = [min(range(6), key=lambda step, part=part: abs(_CUBE[step] - part)) for part in colour]  # type: ignore[misc]
    cube = tuple(_CUBE[step] for step in steps)
    grey_step = max(0, min(23, round((sum(colour) / 3 - 8) / 10)))
    grey = 8 + 10 * grey_step
    if _distance(colour, (grey, grey, grey)) < _distance(colour, (cube[0], cube[1], cube[2])):
        return 232 + grey_step
    return 16 + 36 * steps[0] + 6 * steps[1] + steps[2]


def _distance(one: RGB, other: RGB) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
