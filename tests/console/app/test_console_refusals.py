"""What the gate refuses is told whole, and costs nobody what they typed or selected."""

from channels import a_console, a_terminal
from seeded import Seeded

from console.app.backend import Outcome

ENTER, ESC, TAB = "\r", "\x1b", "\t"
LONG = "the record is not one that can be; A takes an IPv4 address, AAAA an IPv6 address, CNAME a name, TXT some text"


def refusing(error: str, hint: str = "") -> Seeded:
    backend = Seeded(size=60)
    backend.refusal = Outcome(status=1, error=error, hint=hint)
    return backend


def words(frame: str) -> str:
    """What stands there, wherever its lines end."""
    return " ".join(frame.replace("▌", " ").split())


async def test_a_form_that_is_refused_comes_back_with_what_was_typed_and_why() -> None:
    async with a_console(refusing("no such person", "users list names them"), "keys") as session:
        await session.type("n", "\x15carl", ENTER)
        await session.shows("× no such person; users list names them")
        await session.type("a", ENTER)
        await session.shows("The key, shown this once:")
        created = [ran for ran in session.app.backend.ran if ran[0] == "enrollment-keys"]  # type: ignore[attr-defined]
        assert [ran[3] for ran in created] == ["carl", "carla"]


async def test_the_next_key_takes_the_reason_out_of_the_form() -> None:
    async with a_console(refusing("no such person"), "keys") as session:
        await session.type("n", ENTER)
        await session.shows("no such person")
        await session.type(TAB)
        assert "no such person" not in session.frame()
        assert "Make an enrollment key" in session.frame()


async def test_a_form_does_not_come_back_over_what_was_opened_since() -> None:
    async with a_console(refusing("no such person"), "keys") as session:
        await session.type(f"n{ENTER}3")
        await session.shows("× no such person")
        assert session.app.mode is None


async def test_what_was_selected_is_selected_still_where_the_deed_is_refused() -> None:
    async with a_console(refusing("no such device"), "devices") as session:
        await session.type("/state:pending\r", "v", "G", "a")
        await session.shows("no such device")
        await session.type("o")
        await session.shows("2 selected")


async def test_a_refusal_is_read_whole_where_the_status_row_is_too_short_for_it() -> None:
    for columns, rows in ((120, 36), (80, 24), (40, 12)):
        backend = refusing(LONG, "names set --help")
        terminal = a_terminal(columns=columns, rows=rows)
        async with a_console(backend, "devices", "ci-fra-7", terminal=terminal) as session:
            await session.type("a")
            await session.shows("--help")
            assert f"{LONG}; names set --help" in words(session.frame())
            await session.type("j")
            assert "--help" not in session.frame()


async def test_a_name_is_looked_up_without_taking_out_the_one_under_the_cursor() -> None:
    async with a_console(Seeded(size=60), "names") as session:
        await session.type("L", "wiki", ENTER, "L", ENTER)
        looked = [ran for ran in session.app.backend.ran if ran[:2] == ("names", "lookup")]  # type: ignore[attr-defined]
        assert looked[0][2] == "wiki"
        assert "." in looked[1][2]
