"""Colours by role and plane. Contrast of every role on every plane is held by a test.

One accent, three state colours, planes instead of boxes. A plane never carries meaning alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec
from rich.style import Style

Role = Literal["text", "bright", "muted", "accent", "ok", "warn", "bad", "thumb", "chart", "line", "inverse"]
Plane = Literal["bg", "surface", "raised", "select", "cursor", "ok", "warn", "bad", "accent", "editor"]


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    dark: bool
    roles: dict[str, str]
    planes: dict[str, str]
    flat: bool = False
    """All planes are the terminal's own background; the cursor is reverse, and drops other colours."""

    def style(self, role: str, plane: str = "bg", attributes: str = "") -> Style:
        """`attributes` holds b (bold), u (underline), i (italic)."""
        return _style(self.name, role, plane, attributes)


DARK = Theme(
    name="dark",
    dark=True,
    roles={
        "text": "#d3d9e2", "bright": "#f5f7fa", "muted": "#9da7b8", "accent": "#8fb5f7", "ok": "#86c998",
        "warn": "#e5ba6a", "bad": "#f79490", "thumb": "#6c778a", "chart": "#4a6799", "line": "#3b4452",
        "inverse": "#13161b",
    },
    planes={
        "bg": "#13161b", "surface": "#1a1e25", "raised": "#232935", "select": "#1d283a", "cursor": "#2a3c5b",
        "ok": "#182a20", "warn": "#30281a", "bad": "#3a2126", "accent": "#8fb5f7", "editor": "#f5f7fa",
    },
)  # fmt: skip
LIGHT = Theme(
    name="light",
    dark=False,
    roles={
        "text": "#262d38", "bright": "#0b0f15", "muted": "#525c6c", "accent": "#1c50ac", "ok": "#17602f",
        "warn": "#744a00", "bad": "#a8231c", "thumb": "#7f8998", "chart": "#6d93d6", "line": "#bfc6d1",
        "inverse": "#fbfbf9",
    },
    planes={
        "bg": "#fbfbf9", "surface": "#f0f1f3", "raised": "#e5e8ed", "select": "#e6edf9", "cursor": "#cfdff8",
        "ok": "#e1f2e6", "warn": "#f8edd5", "bad": "#fbe4e2", "accent": "#1c50ac", "editor": "#0b0f15",
    },
)  # fmt: skip
SIXTEEN = Theme(
    name="sixteen",
    dark=True,
    roles={
        "text": "#e5e5e5", "bright": "#ffffff", "muted": "#7f7f7f", "accent": "#00cdcd", "ok": "#00cd00",
        "warn": "#cdcd00", "bad": "#ff0000", "thumb": "#7f7f7f", "chart": "#00cdcd", "line": "#7f7f7f",
        "inverse": "#000000",
    },
    planes={
        "bg": "#000000", "surface": "#000000", "raised": "#000000", "select": "#000000", "cursor": "#e5e5e5",
        "ok": "#000000", "warn": "#000000", "bad": "#000000", "accent": "#e5e5e5", "editor": "#e5e5e5",
    },
    flat=True,
)  # fmt: skip
"""In the colours of a stock xterm, which leave the gate as SGR 30 to 97, or none for its two defaults."""

THEMES = {theme.name: theme for theme in (DARK, LIGHT, SIXTEEN)}


@lru_cache(maxsize=2048)
def _style(name: str, role: str, plane: str, attributes: str) -> Style:
    theme = THEMES[name]
    background = theme.planes[plane]
    foreground = theme.planes["bg"] if theme.flat and background == theme.planes["cursor"] else theme.roles[role]
    return Style(
        color=foreground,
        bgcolor=background,
        bold="b" in attributes or (role == "bright" and theme.flat) or None,
        underline="u" in attributes or None,
        italic="i" in attributes or None,
    )
