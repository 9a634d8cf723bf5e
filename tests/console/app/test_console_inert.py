"""Text from outside can neither steer a terminal nor reorder a line."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.app.inert import inert, inert_lines


@given(st.text())
def test_nothing_that_steers_or_hides_is_left(text: str) -> None:
    shown = inert(text)
    assert all(unicodedata.category(char)[0] not in "CZ" or char == " " for char in shown)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\x1b[2Jb", "a\\x1b[2Jb", id="escape-sequence"),
        pytest.param("a\u202eb", "a\\u202eb", id="right-to-left-override"),
        pytest.param("a\u200bb", "a\\u200bb", id="zero-width-space"),
        pytest.param("a\nb\tc", "a\\x0ab\\x09c", id="line-end-and-tab"),
        pytest.param("[red]not markup[/]", "[red]not markup[/]", id="brackets-are-brackets"),
        pytest.param("caf\u0065\u0301", "caf\u0065\u0301", id="accents-stay"),
        pytest.param("\x9b31m", "\\x9b31m", id="c1-control"),
    ],
)
def test_what_steers_is_written_out(text: str, shown: str) -> None:
    assert inert(text) == shown


def test_a_tower_of_marks_is_cut() -> None:
    assert inert("a" + "\u0301" * 9).count("\u0301") == 4


def test_lines_are_inert_one_by_one() -> None:
    assert inert_lines("a\n\x1bb\tc") == ["a", "\\x1bb  c"]
