"""Times as people read them."""

import pytest

from console.app.times import DAY, HOUR, ago

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("at", "says"),
    [(NOW, "now"), (NOW - 5, "5 s ago"), (NOW - 3 * HOUR, "3 h ago"), (NOW - 61 * DAY, "15 Nov 2026")],
)
def test_what_was_just_now_and_what_has_a_date_is_not_said_to_be_ago(at: int, says: str) -> None:
    assert ago(at, NOW) == says
