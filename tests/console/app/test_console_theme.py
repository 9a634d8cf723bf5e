"""Every text can be read on every plane it may stand on."""

import pytest

from console.app.glyphs import ASCII, UNICODE
from console.app.row import get_character_cell_size
from console.app.sgr import eight_bit
from console.app.theme import DARK, LIGHT, SIXTEEN, Theme

READ = ("text", "bright", "muted", "accent", "ok", "warn", "bad")
PLANES = ("bg", "surface", "raised", "select", "cursor", "ok", "warn", "bad")


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2, section 1.4.3."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("role", READ)
def test_text_is_readable_on_every_plane(theme: Theme, role: str) -> None:
    worst = min(contrast(theme.roles[role], theme.planes[plane]) for plane in PLANES)
    assert worst >= 4.5


def of_256(colour: str) -> str:
    """As a terminal with 256 colours shows it."""
    number = eight_bit((int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)))
    if number >= 232:
        return f"#{8 + 10 * (number - 232):02x}" + f"{8 + 10 * (number - 232):02x}" * 2
    steps = (0, 95, 135, 175, 215, 255)
    cell = number - 16
    return f"#{steps[cell // 36]:02x}{steps[cell // 6 % 6]:02x}{steps[cell % 6]:02x}"


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("role", READ)
def test_text_is_readable_on_every_plane_in_256_colours(theme: Theme, role: str) -> None:
    worst = min((contrast(of_256(theme.roles[role]), of_256(theme.planes[plane])), plane) for plane in PLANES)
    assert worst >= (4.5, "")


@pytest.mark.parametrize("role", READ)
def test_text_is_readable_in_16_colours(role: str) -> None:
    assert contrast(SIXTEEN.roles[role], SIXTEEN.planes["bg"]) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_what_is_inverse_is_readable_on_the_accent(theme: Theme) -> None:
    assert contrast(theme.roles["inverse"], theme.planes["accent"]) >= 4.5


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_glyph_is_one_cell(glyphs: object) -> None:
    for name in glyphs.__struct_fields__:  # type: ignore[attr-defined]
        value = getattr(glyphs, name)
        if name not in {"moves"}:
            assert all(get_character_cell_size(char) == 1 for char in value), name


def test_the_ascii_set_is_ascii_and_tells_states_apart() -> None:
    states = [ASCII.on, ASCII.off, ASCII.waiting, ASCII.ending, ASCII.bad, ASCII.disabled, ASCII.trusted, ASCII.done]
    assert all(value.isascii() for value in ASCII.__struct_fields__)
    assert len(set(states)) == len(states)
