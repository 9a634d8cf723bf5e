"""The policy's editor: the text, the way back, colours and comparison."""

from hypothesis import given
from hypothesis import strategies as st

from console.app import linediff
from console.app.backend import Fault
from console.app.editor import Editor
from console.app.highlight import Highlighter
from console.app.lineedit import LineEdit
from console.app.textbuffer import TextBuffer

LINES = st.text(alphabet='ab {}[]"\n', max_size=60)
STEPS = st.lists(
    st.sampled_from(["type", "newline", "backspace", "delete", "kill", "left", "right", "up", "down", "end"])
)


def done(buffer: TextBuffer, step: str) -> None:
    {
        "type": lambda: buffer.insert("x"),
        "newline": buffer.newline,
        "backspace": buffer.backspace,
        "delete": buffer.delete,
        "kill": buffer.kill_line,
        "left": lambda: buffer.move(columns=-1),
        "right": lambda: buffer.move(columns=1),
        "up": lambda: buffer.move(lines=-1),
        "down": lambda: buffer.move(lines=1),
        "end": lambda: buffer.to(buffer.line, 10_000),
    }[step]()


@given(LINES, STEPS)
def test_undoing_everything_gives_the_text_back(text: str, steps: list[str]) -> None:
    buffer = TextBuffer(text)
    for step in steps:
        done(buffer, step)
        assert 0 <= buffer.line < len(buffer.lines)
        assert 0 <= buffer.column <= len(buffer.lines[buffer.line])
    after = buffer.text
    while buffer.undo():
        pass
    assert buffer.text == text
    while buffer.redo():
        pass
    assert buffer.text == after


def test_a_new_line_keeps_the_indent_and_goes_in_after_a_bracket() -> None:
    buffer = TextBuffer('  "acls": [')
    buffer.to(0, 99)
    buffer.newline()
    assert buffer.lines == ['  "acls": [', "    "]


def test_words_typed_in_one_go_are_undone_in_one_go() -> None:
    buffer = TextBuffer("")
    for char in "abc":
        buffer.insert(char)
    buffer.undo()
    assert buffer.text == ""


def pieces(text: str) -> dict[str, tuple[str, str]]:
    lines = text.split("\n")
    colours = Highlighter()
    colours.sync(lines)
    out = {}
    for number, line in enumerate(lines):
        for start, end, role, attributes in colours.pieces(number):
            out[line[start:end].strip()] = (role, attributes)
    return out


def test_sections_keys_references_and_comments_have_their_colours() -> None:
    found = pieces('{\n  "acls": [ // why\n    {"src": ["tag:web", "plain", "a@b.c"]}]}')
    assert found['"acls"'] == ("bright", "b")
    assert found["// why"] == ("muted", "i")
    assert found['"src"'] == ("muted", "")
    assert found['"tag:web"'] == ("accent", "")
    assert found['"a@b.c"'] == ("accent", "")
    assert found['"plain"'] == ("text", "")


def test_a_block_comment_colours_the_lines_it_spans() -> None:
    found = pieces('{ /* one\ntwo */ "acls": []}')
    assert found["two */"] == ("muted", "i")
    assert found['"acls"'] == ("bright", "b")


@given(LINES, LINES)
def test_colours_after_an_edit_are_those_of_a_fresh_look(before: str, after: str) -> None:
    kept, fresh = Highlighter(), Highlighter()
    kept.sync(before.split("\n"))
    kept.pieces(len(before.split("\n")) - 1)
    lines = after.split("\n")
    kept.sync(lines)
    fresh.sync(lines)
    assert [kept.pieces(at) for at in range(len(lines))] == [fresh.pieces(at) for at in range(len(lines))]


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.sampled_from("abc"), max_size=30))
def test_a_comparison_holds_what_went_and_what_came(old: list[str], new: list[str]) -> None:
    lines = linediff.compare(old, new)
    came, went = linediff.counts(lines)
    assert len(old) - went == len(new) - came
    assert [line.text for line in lines if line.sign == "-"] == [
        old[line.old - 1] for line in lines if line.sign == "-"
    ]


def test_the_hint_is_taken_in_place_of_what_was_written() -> None:
    editor = Editor('{"src": ["group:oncal"]}')
    editor.faults = (Fault(message='no group "group:oncal"', line=1, column=10, hint="did you mean group:oncall?"),)
    editor.take_hint()
    assert editor.buffer.text == '{"src": ["group:oncall"]}'


def test_next_error_goes_round() -> None:
    editor = Editor("a\nb\nc")
    editor.faults = (Fault(message="x", line=1, column=1), Fault(message="y", line=3, column=1))
    editor.next_fault()
    assert editor.buffer.line == 2
    editor.next_fault()
    assert editor.buffer.line == 0


def test_a_paste_from_outside_is_inert() -> None:
    editor = Editor("")
    editor.paste("a\x1b[2J\r\nb")
    assert editor.buffer.text == "a\\x1b[2J\nb"


def test_a_line_is_edited_as_in_a_shell() -> None:
    edit = LineEdit("devices approve db-1")
    edit.key("ctrl+w", None)
    assert edit.text == "devices approve "
    edit.key("ctrl+a", None)
    edit.key("x", "x")
    edit.key("ctrl+k", None)
    assert edit.text == "x"
