"""Colours are turned down for terminals that have fewer."""

import re

import pytest
from channels import a_terminal
from hypothesis import given
from hypothesis import strategies as st

from console.app.sgr import Colours, colours_of, eight_bit, turned_down
from console.app.theme import SIXTEEN, THEMES, Theme

CHANNEL = st.integers(0, 255)


def painted(theme: Theme, role: str, plane: str) -> str:
    from rich.color import ColorSystem

    return theme.style(role, plane).render("x", color_system=ColorSystem.TRUECOLOR)


@given(CHANNEL, CHANNEL, CHANNEL)
def test_two_hundred_and_fifty_six_colours_get_the_fixed_ones(red: int, green: int, blue: int) -> None:
    assert 16 <= eight_bit((red, green, blue)) <= 255


@pytest.mark.parametrize("step", range(24))
def test_a_grey_of_the_ramp_is_that_grey(step: int) -> None:
    grey = 8 + 10 * step
    nearest = eight_bit((grey, grey, grey))
    assert nearest == 232 + step or nearest in {59, 102, 145, 188, 231}


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize("colours", [Colours.EIGHT_BIT, Colours.SIXTEEN, Colours.NONE])
def test_no_truecolor_code_is_left(theme: Theme, colours: Colours) -> None:
    for role in theme.roles:
        for plane in theme.planes:
            text = turned_down(painted(theme, role, plane), colours)
            assert not re.search(r"[34]8;2;", text)


def test_without_colours_only_attributes_are_left() -> None:
    codes = set()
    for role in SIXTEEN.roles:
        for plane in SIXTEEN.planes:
            for found in re.findall(r"\x1b\[([0-9;]*)m", turned_down(painted(SIXTEEN, role, plane), Colours.NONE)):
                codes |= set(found.split(";"))
    assert codes <= {"", "0", "1", "3", "4", "7"}


def test_the_cursor_is_reverse_in_sixteen_colours_and_drops_others() -> None:
    assert turned_down(painted(SIXTEEN, "ok", "cursor"), Colours.SIXTEEN) == "\x1b[7mx\x1b[0m"


def test_plain_text_has_the_terminals_own_colours() -> None:
    assert "3" not in turned_down(painted(SIXTEEN, "text", "bg"), Colours.SIXTEEN).replace("x", "")


def cells(text: str) -> list[tuple[str, frozenset[str]]]:
    """Every letter with the codes that are in force for it, as a terminal would take them."""
    out, attributes, colours = [], set(), {}
    for letter, codes in re.findall(r"([^\x1b])|\x1b\[([0-9;]*)m", text):
        if letter:
            out.append((letter, frozenset(attributes) | frozenset(colours.values())))
            continue
        numbers = (codes or "0").split(";")
        while numbers:
            code = numbers.pop(0)
            if code in {"38", "48"}:
                size = 4 if numbers[0] == "2" else 2
                colours[code] = ";".join([code, *numbers[:size]])
                del numbers[:size]
            elif code == "0":
                attributes, colours = set(), {}
            elif len(code) == 2 and code[0] in "349":
                colours["48" if code[0] == "4" or len(code) == 3 else "38"] = code
            else:
                attributes.add(code)
    return out


STYLES = st.tuples(st.sampled_from(["text", "muted", "accent", "ok"]), st.sampled_from(["bg", "cursor", "raised"]))


@given(st.lists(st.tuples(st.text("ab", max_size=3), STYLES, st.sampled_from(["", "b", "bu"])), max_size=12))
def test_what_is_left_out_changes_no_cell(pieces: list[tuple[str, tuple[str, str], str]]) -> None:
    from rich.color import ColorSystem

    from console.app.theme import DARK

    text = "".join(
        DARK.style(role, plane, attributes).render(letters, color_system=ColorSystem.TRUECOLOR)
        for letters, (role, plane), attributes in pieces
    )
    thin = turned_down(text, Colours.TRUE)
    assert cells(thin) == cells(text)
    assert len(thin) <= len(text)
    assert not cells(thin + "x")[-1][1]


def test_text_in_one_style_has_one_sequence() -> None:
    text = painted(SIXTEEN, "ok", "bg") * 3
    assert turned_down(text, Colours.SIXTEEN) == "\x1b[32mxxx\x1b[0m"


@pytest.mark.parametrize(
    ("term", "environment", "setting", "found"),
    [
        pytest.param("xterm", {}, "auto", Colours.SIXTEEN, id="a-plain-xterm"),
        pytest.param("xterm-256color", {}, "auto", Colours.EIGHT_BIT, id="its-name-says-256"),
        pytest.param("xterm-256color", {"COLORTERM": "truecolor"}, "auto", Colours.TRUE, id="colorterm"),
        pytest.param("xterm-kitty", {}, "auto", Colours.TRUE, id="known-by-name"),
        pytest.param("vt220", {}, "auto", Colours.NONE, id="monochrome"),
        pytest.param("xterm-256color", {"NO_COLOR": "1"}, "auto", Colours.NONE, id="no-color"),
        pytest.param("xterm-256color", {"NO_COLOR": ""}, "auto", Colours.EIGHT_BIT, id="empty-no-color-does-not-count"),
        pytest.param("xterm", {"NO_COLOR": "1"}, "truecolor", Colours.TRUE, id="the-persons-setting-comes-first"),
    ],
)
def test_the_terminals_words_say_what_it_can(term: str, environment: dict[str, str], setting: str, found: int) -> None:
    assert colours_of(a_terminal(term, NONE="", **environment), setting) is found
