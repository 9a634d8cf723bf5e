"""Rows of cells, columns that align and drop in order, charts."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.app import chart
from console.app.columns import GUTTER, Cell, Column, place
from console.app.glyphs import UNICODE
from console.app.row import Row, aligned, fit, fit_middle
from console.app.theme import DARK

WIDE = st.text(alphabet=st.sampled_from("ab1 é漢字🙂"), max_size=40)


@given(WIDE, st.integers(-5, 50), st.integers(0, 40))
def test_a_row_is_always_as_wide_as_it_was_made(text: str, x: int, width: int) -> None:
    row = Row(width)
    row.put(x, text)
    assert cell_len(str(row)) == width
    assert row.strip(DARK).cell_length == width


@given(st.lists(st.tuples(WIDE, st.integers(-5, 50)), max_size=5), st.integers(0, 40))
def test_text_over_text_leaves_no_half_of_a_wide_letter(texts: list[tuple[str, int]], width: int) -> None:
    row = Row(width)
    for text, x in texts:
        row.put(x, text)
    assert cell_len(str(row)) == width


@given(WIDE, st.integers(0, 40))
def test_fitted_text_fits(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) <= max(width, 0)


def test_a_key_loses_its_middle() -> None:
    assert fit_middle("SHA256:Vb0T7cAAAAAAAAAA9qEx", 16) == "SHA256:Vb0T…9qEx"


def test_text_put_to_the_right_ends_there() -> None:
    row = Row(10)
    assert row.right(9, "abc") == 6
    assert str(row) == "      abc "


def test_a_link_is_where_its_text_is() -> None:
    row = Row(10)
    row.put(2, "abc", link=lambda: None)
    assert [(start, stop) for start, stop, _ in row.links] == [(2, 5)]


def a_column(head: str, least: int, drop: int = 0, weight: int = 1) -> Column:
    return Column(head=head, cell=lambda row, context: Cell(""), least=least, most=least + 4, weight=weight, drop=drop)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), min_size=1, max_size=8), st.integers(4, 200))
def test_columns_never_overlap_nor_leave_the_list(shape: list[tuple[int, int]], width: int) -> None:
    columns = [a_column(str(at), least, drop) for at, (least, drop) in enumerate(shape)]
    placed = place(columns, 6, 6 + width)
    for one, other in pairwise(placed):
        assert one.x + one.width + GUTTER == other.x
    if sum(item.width for item in placed) > len(placed):
        assert placed[-1].x + placed[-1].width <= 6 + width


def test_the_column_with_the_highest_number_drops_first() -> None:
    columns = [a_column("name", 10), a_column("owner", 10, drop=1), a_column("agent", 10, drop=2)]
    assert [item.column.head for item in place(columns, 0, 25)] == ["name", "owner"]
    assert [item.column.head for item in place(columns, 0, 12)] == ["name"]


def test_a_column_waits_for_its_width() -> None:
    late = Column(head="late", cell=lambda row, context: Cell(""), least=5, most=5, since=100)
    assert [item.column.head for item in place([a_column("name", 10), late], 0, 90)] == ["name"]


def test_the_newest_sample_is_the_last_bar() -> None:
    assert chart.resample([1, 2, 3], 5)[-1] == 3
    assert chart.resample(list(range(1000)), 10)[-1] == 999


@given(st.lists(st.integers(0, 10**6), max_size=200), st.integers(1, 80), st.integers(1, 10))
def test_a_chart_keeps_its_size_and_scale(samples: list[int], width: int, height: int) -> None:
    rows = chart.draw(samples, width, height, UNICODE)
    assert [cell_len(str(row)) for row in rows] == [width] * height
    assert chart.nice_ceiling(max(samples, default=0)) >= max(samples, default=0)


def test_a_name_has_room_before_a_column_that_may_drop() -> None:
    columns = [a_column("name", 10), a_column("seen", 8, drop=1), a_column("expires", 8, drop=2)]
    columns[0] = msgspec.structs.replace(columns[0], most=32)
    placed = place(columns, 0, 40, {"name": 22})
    assert placed[0].width >= 22
    assert [item.column.head for item in placed] == ["name", "seen"]
    assert [item.column.head for item in place(columns, 0, 40, {"name": 9})] == ["name", "seen", "expires"]


def test_what_follows_names_of_any_width_stands_in_one_column() -> None:
    padded = aligned(["web", "データ", "a-name-that-is-too-long"], 8)
    assert [cell_len(text) for text in padded[:2]] == [8, 8]
    assert padded[2] == "a-name-that-is-too-long"
    assert aligned([], 8) == []
