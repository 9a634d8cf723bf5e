"""Of a row that changed, the cells that changed go out: and what stands then is the row."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from console.app.row import Row
from console.app.spans import MERGED, Spans
from console.app.theme import DARK

WIDTH = 40
words = st.lists(
    st.tuples(
        st.integers(0, WIDTH - 1), st.text("ab 界ü…", min_size=1, max_size=8), st.sampled_from(["text", "muted"])
    ),
    max_size=4,
)


def a_row(parts: list[tuple[int, str, str]]) -> Row:
    row = Row(WIDTH)
    for x, text, role in parts:
        row.put(x, text, role)
    return row


def cells(row: Row) -> list[tuple[str, object]]:
    """Each with its style; the second half of a wide character is empty."""
    strip = row.strip(DARK)
    found = []
    for at in range(WIDTH):
        one = strip.crop(at, at + 1)
        found.append((row._chars[at], one._segments[0].style if one._segments else None))
    return found


@given(words, words)
def test_what_changed_laid_over_what_stood_gives_the_row(before: list, after: list) -> None:  # type: ignore[type-arg]
    was, now = a_row(before), a_row(after)
    stands, wanted = cells(was), cells(now)
    for start, stop in now.difference(was):
        stands[start:stop] = wanted[start:stop]
    assert stands == wanted


@given(words, words)
def test_no_range_halves_a_wide_character(before: list, after: list) -> None:  # type: ignore[type-arg]
    was, now = a_row(before), a_row(after)
    for start, stop in now.difference(was):
        assert now._chars[start] != ""
        assert stop == WIDTH or now._chars[stop] != ""


@given(words, words)
def test_ranges_stand_apart(before: list, after: list) -> None:  # type: ignore[type-arg]
    found = a_row(after).difference(a_row(before))
    assert all(later[0] - earlier[1] >= MERGED for earlier, later in itertools.pairwise(found))


def test_a_row_that_is_the_same_differs_nowhere() -> None:
    assert a_row([(3, "ab", "text")]).difference(a_row([(3, "ab", "text")])) == []


def test_a_span_in_the_middle_is_sent_alone() -> None:
    update = ChopsUpdate([{0: Strip([Segment("abcdef")], 6)}], [(0, 2, 4)], [[6]])
    assert Spans(update).render_segments(Console()) == "\x1b[1;3Hcd"


def test_a_span_over_two_widgets_is_sent_in_two_parts() -> None:
    line = {0: Strip([Segment("abc")], 3), 3: Strip([Segment("def")], 3)}
    update = ChopsUpdate([line], [(0, 1, 5)], [[3, 6]])
    assert Spans(update).render_segments(Console()) == "\x1b[1;2Hbc\x1b[1;4Hde"
