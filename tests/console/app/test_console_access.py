"""Access: tests with their outcomes, folds, drafts that stay, and what happens when another was first."""

from pathlib import Path

from channels import Session, a_console, a_terminal, until
from gates import LOCAL, a_console_at, a_gate, a_person, a_wireguard_key
from hypothesis import example, given
from hypothesis import strategies as st
from seeded import Seeded

from console.app import folding
from console.app.editor import Editor
from console.app.highlight import Highlighter
from console.app.screens.access import AccessView
from gate.gate import Gate
from gate.services import devices, drafts, policies
from model.records import Role

RIGHT, ENTER, ESC, CTRL_S, F7 = "\x1b[C", "\r", "\x1b", "\x13", "\x1b[18~"
POLICY = """{
  "tagOwners": {"tag:db": []},
  "acls": [
    {"action": "accept", "src": ["alice@example.com"], "dst": ["tag:db:5432"]},
  ],
  "tests": [
    {"src": "alice@example.com", "accept": ["tag:db:5432"], "deny": ["tag:db:22"]},
    {"src": "alice@example.com", "deny": ["tag:db:443"]},
  ],
}"""


async def a_policy(gate: Gate, text: str = POLICY) -> None:
    if not gate.snapshot.devices:
        await gate.perform(devices.add, LOCAL, name="laptop", wireguard=a_wireguard_key(), user="alice")
        await gate.perform(devices.add, LOCAL, name="db-1", wireguard=a_wireguard_key(), tags=["tag:db"])
    await gate.perform(policies.set_policy, LOCAL, text=text)


def view(session: Session) -> AccessView:
    found = session.app.view
    assert isinstance(found, AccessView)
    return found


async def left(session: Session) -> None:
    state = (view(session).editing, session.app.mode)
    await session.type(ESC)
    await until(lambda: (view(session).editing, session.app.mode) != state)
    await session.type("")


async def test_tests_are_shown_with_what_came_of_them_and_lead_to_their_lines(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await a_policy(gate)
        async with a_console_at(gate, LOCAL, "access", "tests") as session:
            await session.shows("✓    7     alice@example.com reaches tag:db:5432; not tag:db:22")
            view(session).editor.buffer.to(3, 0)
            await session.type("\x1b[D\x1b[D", "i")
            view(session).editor.buffer.replace(3, 0, 99, POLICY.split("\n")[3].replace("5432", "443"))
            view(session)._typed()
            await session.shows("2 errors")
            await session.shows("Tests 0 ×2")
            await left(session)
            await session.type(RIGHT, RIGHT)
            await session.shows("may not reach tag:db:5432")
            await session.type("j", ENTER)
            await until(lambda: view(session).editing and view(session).editor.buffer.line == 7)


async def test_a_draft_is_there_on_the_next_connection_with_what_it_is_based_on(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await a_policy(gate)
        alice = await a_person(gate, "alice", Role.OWNER)
        async with a_console_at(gate, alice, "access") as session:
            await session.type("i", "// mine ")
        await until(lambda: gate.store.read(lambda r: _draft(r, alice.user)) is not None)
        async with a_console_at(gate, alice, "access") as session:
            await session.shows("is back, based on version 2")
            await session.shows("// mine {")
            await session.shows("draft on version 2")
        async with a_console_at(gate, LOCAL, "access") as session:
            assert "// mine" not in session.frame()


def _draft(r: object, user: object) -> object:
    from store import drafts as rows

    return rows.get(r, user=user)  # type: ignore[arg-type]


async def test_a_draft_that_is_set_or_dropped_is_kept_no_more(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await a_policy(gate)
        async with a_console_at(gate, LOCAL, "access") as session:
            await session.type("i", "// mine\r")
            await left(session)
            await until(lambda: gate.store.read(_local) is not None)
            await session.type(CTRL_S)
            await session.shows("Set this policy over version 2?")
            await session.type("J")
            await until(lambda: gate.store.read(_local) is None)
            await session.type("i", "// more\r")
            await left(session)
            await until(lambda: gate.store.read(_local) is not None)
            await session.type("X", "D")
            await until(lambda: gate.store.read(_local) is None)


def _local(r: object) -> object:
    from store import drafts as rows

    return rows.get(r, local=LOCAL.name)  # type: ignore[arg-type]


async def test_who_was_overtaken_sees_what_the_other_changed_and_may_keep_theirs(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await a_policy(gate)
        alice = await a_person(gate, "alice", Role.OWNER)
        await gate.perform(drafts.keep, alice, text=f"// mine\n{POLICY}", based_on=2)
        await a_policy(gate, f"// theirs\n{POLICY}")
        async with a_console_at(gate, alice, "access") as session:
            await session.shows("version 3 by local:0 is in force, yours is on 2")
            await session.type(CTRL_S)
            await session.shows("Version 3 by local:0 came first")
            await session.shows("+ // theirs")
            assert "// mine" not in session.frame()
            await session.type("K")
            await session.shows("draft on version 3")
            await session.shows("+ // mine")
            await session.shows("− // theirs")
            await session.type(CTRL_S)
            await session.shows("Set this policy over version 3?")


async def test_sections_fold_and_open() -> None:
    async with a_console(Seeded(size=40), "access") as session:
        await session.type("f")
        await session.shows("lines")
        folded = session.frame()
        assert 'group:eng": [' not in folded
        await session.type("f")
        assert session.frame() != folded
        await session.type("i", F7)
        await session.shows("▸")
        await session.type("\x1b[B")
        caret = view(session).editor.buffer.line
        assert caret in view(session).editor.visible()


async def test_a_long_line_has_the_whole_width_when_wanted() -> None:
    backend = Seeded(size=40)
    line = '{"' + "x" * 100 + '": []}'
    backend._do_policy_set(stdin=line)
    async with a_console(backend, "access", terminal=a_terminal(columns=140)) as session:
        assert line[:80] in session.frame()
        await session.type("w")
        assert line in session.frame()
        assert "Who reaches what" not in session.frame()


TEXTS = st.text(alphabet='{}[]"/ ab\n', max_size=80)


@given(TEXTS)
def test_what_folds_begins_before_it_ends_and_nests(text: str) -> None:
    colours = Highlighter()
    lines = text.split("\n")
    colours.sync(lines)
    depths = colours.depths()
    assert len(depths) == len(lines) + 1
    found = folding.regions(depths)
    for start, end in found.items():
        assert start < end < len(lines)
        assert all(not start < other <= end < found[other] for other in found)


@given(
    TEXTS, st.lists(st.sampled_from(["fold", "all", "up", "down", "x", "enter", "kill", "{", "}", "undo"]), max_size=20)
)
@example("x{\n}", ["fold", "down"])
def test_the_caret_is_always_on_a_line_that_shows(text: str, steps: list[str]) -> None:
    from textual.events import Key

    editor = Editor(text)
    keys = {"fold": "f6", "all": "f7", "kill": "ctrl+k", "undo": "ctrl+z", "{": "left_curly_bracket"}
    for step in steps:
        editor.key(Key(keys.get(step, step), step if len(step) == 1 else None))
        shown = editor.visible()
        assert editor.buffer.line in shown
        assert shown == sorted(set(shown))
        assert shown[-1] < len(editor.buffer.lines)
