"""Keys moved by a person: what is pressed, what is shown, and what stands in the way."""

from pathlib import Path

import pytest
from channels import Session, a_console, until
from gates import LOCAL, a_console_at, a_gate
from hypothesis import given
from hypothesis import strategies as st
from seeded import Seeded

from console.app.actions import Action
from console.app.command import CommandRow
from console.app.filter import FilterRow
from console.app.keymap import FIXED, MOVES, Keymap, Refused
from console.app.modes import Question
from model.records import Role

CTRL_K, ENTER, ESC, DELETE = "\x0b", "\r", "\x1b", "\x1b[3~"


def footer(frame: str) -> str:
    return frame.splitlines()[-1]


async def left(session: Session) -> None:
    """Esc, which is told from the beginning of a sequence by waiting."""
    mode, view = session.app.mode, session.app.view
    await session.type(ESC)
    await until(lambda: (session.app.mode, session.app.view) != (mode, view))
    await session.type("")


def actions(**labels: str) -> list[Action]:
    return [Action(key=key, label=label, run=lambda: None) for key, label in labels.items()]


async def test_a_moved_key_does_it_and_the_old_one_does_nothing() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        await session.type("/state:pending", ENTER, CTRL_K, "approve", ENTER, "A")
        await until(lambda: backend.saved.get("keys") == "Devices:a=A")
        await left(session)
        assert "A approve" in footer(session.frame())
        await session.type("a")
        assert not backend.ran
        await session.type("A")
        await until(lambda: backend.ran)
    assert backend.ran[0][:2] == ("devices", "approve")


async def test_help_and_palette_show_the_keys_as_they_are_now() -> None:
    async with a_console(Seeded(size=40), "devices", keys="Devices:a=A *:z=U") as session:
        await session.type("?")
        lines = [line.split() for line in session.frame().splitlines()]
        assert any(line[:2] == ["A", "approve:"] for line in lines)
        assert any("U" in line and "undo:" in line for line in lines)
        await left(session)
        await session.type("\x10", "approve")
        await session.shows("A        approve")


async def test_undo_is_offered_by_its_own_key() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices", keys="*:z=U") as session:
        await session.type("d", "D")
        await session.shows("U undoes")
        await session.type("z")
        assert len(backend.ran) == 1
        await session.type("U")
        await until(lambda: len(backend.ran) == 2)


@pytest.mark.parametrize(
    ("wanted", "new", "why"),
    [
        ("approve", "x", '"remove" already'),
        ("approve", "j", "j means the same on every screen: down"),
        ("approve", "3", "3 means the same on every screen"),
        ("approve", "z", '"undo" already'),
        ("approve", ":", '"command" already'),
        ("undo take", "a", '"approve" already'),
        ("undo take", "N", '"new generation" already'),
    ],
)
async def test_a_key_that_is_something_elses_is_refused_with_what_it_is(wanted: str, new: str, why: str) -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        await session.type(CTRL_K, wanted, ENTER, new)
        await session.shows(why)
        assert "keys" not in backend.saved


async def test_a_key_goes_back_to_where_it_was_made() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices", keys="Devices:a=A") as session:
        await session.type(CTRL_K, "approve")
        await session.shows("was a")
        await session.type(DELETE)
        await left(session)
        assert "a approve" in footer(session.frame())
    assert not backend.saved["keys"]


async def test_a_place_that_was_left_is_free() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        await session.type(CTRL_K, "approve", ENTER, "A")
        await left(session)
        await session.type(CTRL_K, "rename", ENTER, "a")
        await left(session)
        await session.type("a")
        await session.shows("Rename")


async def test_what_is_typed_into_the_policy_stays_what_it_is() -> None:
    async with a_console(Seeded(size=40), "access", keys="Access:m=q Access:ctrl+s=ctrl+w *:z=Z") as session:
        await session.type("i", "mqzZ")
        assert "mqzZ" in session.app.view.editor.buffer.text  # type: ignore[attr-defined]
        assert "ctrl+w apply" in footer(session.frame())
        await session.type("\x17")
        await session.shows("Set this policy over version 87?")


async def test_no_screen_has_a_key_that_everywhere_has() -> None:
    for role, me in ((Role.OWNER, "alice"), (Role.MEMBER, "mara")):
        async with a_console(Seeded(size=40, role=role, me=me)) as session:
            with session.app._context():
                everywhere = {action.key for action in session.app.global_actions()}
            for _, title in session.app.screens():
                with session.app._context():
                    here = {action.key for action in session.app.view_of(title).actions()}
                assert not everywhere & here, title


async def test_moved_keys_are_there_in_the_next_session_of_a_local_owner_too(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        async with a_console_at(gate, LOCAL, "devices") as session:
            await session.type(CTRL_K, "pause", ENTER, "ö")
        async with a_console_at(gate, LOCAL) as session:
            await session.type("ö")
            await session.shows("paused")


KEYS = st.sampled_from([*"abcdxyzABC", "ctrl+x", "f5"])


@given(st.lists(st.tuples(st.sampled_from(["Devices", "*"]), KEYS, KEYS), max_size=12))
def test_whatever_was_moved_each_action_has_one_key_and_no_key_two_actions(moves: list[tuple[str, str, str]]) -> None:
    here, everywhere = actions(a="approve", x="remove", B="bring"), actions(z="undo", c="copy", f5="again")
    keymap = Keymap()
    for scope, old, new in moves:
        own, others = (here, everywhere) if scope == "Devices" else (everywhere, here)
        other = "*" if scope == "Devices" else "Devices"
        if old in {action.key for action in own}:
            try:
                keymap = keymap.moving(scope, old, new, own, keymap.shown(other, others))
            except Refused:
                continue
    shown = [*keymap.shown("Devices", here), *keymap.shown("*", everywhere)]
    assert len({action.key for action in shown}) == len(shown)
    assert Keymap.read(keymap.text()) == keymap
    made = {action.key for action in here}
    for action, was in zip(shown, [*here, *everywhere], strict=True):
        assert keymap.pressed("Devices", action.key, made.__contains__) == was.key


@given(st.text(max_size=60))
def test_any_text_reads_as_keys_that_leave_the_fixed_ones_alone(text: str) -> None:
    for pairs in Keymap.read(text).moved.values():
        assert not {*pairs, *pairs.values()} & FIXED


def test_what_moves_the_cursor_is_never_taken() -> None:
    for key in MOVES:
        with pytest.raises(Refused):
            Keymap().moving("Devices", "a", key, actions(a="approve"), [])


@pytest.mark.parametrize(
    ("screen", "keys", "text"),
    [
        ("devices", "Devices:n=A", "A makes an enrollment key"),
        ("enrollment-keys", "Keys:n=A", "A makes an enrollment key"),
        ("overview", "Overview:S=A", "A  fills it with sample data"),
    ],
)
async def test_words_on_a_screen_name_the_key_as_it_is_now(screen: str, keys: str, text: str) -> None:
    async with a_console(Seeded(empty=True), screen, keys=keys) as session:
        await session.shows(text)


@pytest.mark.parametrize("after", [":", "/", "x", "X", "1", "é"])
@pytest.mark.parametrize("cut", [False, True], ids=["one packet", "two packets"])
async def test_escape_and_the_key_after_it_are_two_keys_however_they_come(after: str, cut: bool) -> None:
    async with a_console(Seeded(size=40), "devices") as session:
        await session.type(":web")
        await session.type(*((ESC, after) if cut else (ESC + after,)))
        mode = {":": CommandRow, "/": FilterRow, "x": Question, "X": type(None), "1": type(None), "é": type(None)}[
            after
        ]
        await until(lambda: type(session.app.mode) is mode)
        assert session.app.view.title == ("Overview" if after == "1" else "Devices")


async def test_an_escape_before_enter_leaves_a_form_and_does_nothing() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        await session.type("r", "x", ESC + ENTER)
        await until(lambda: session.app.mode is None)
    assert not backend.ran


async def test_a_key_with_alt_is_one_where_somebody_has_it() -> None:
    backend = Seeded(size=40)
    async with a_console(backend, "devices") as session:
        await session.type(CTRL_K, "rename", ENTER, ESC + "w")
        await until(lambda: backend.saved.get("keys") == "Devices:r=alt+w")
        await left(session)
        await session.type(ESC + "w")
        await session.shows("Rename ")


async def test_words_are_stepped_over_with_alt_while_one_types() -> None:
    async with a_console(Seeded(size=40), "access") as session:
        await session.type("i", "\x1bf")
        await until(lambda: session.app.view.editor.buffer.column or session.app.view.editor.buffer.line)  # type: ignore[attr-defined]
        assert session.app.view.typing
