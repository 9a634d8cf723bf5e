"""HuJSON: what is read, what is refused, and where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import PolicyRefused
from policy import hujson, read
from policy.fault import Fault
from policy.hujson import parse

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_json_is_read_as_json(value, ascii_only, indent):
    assert parse(json.dumps(value, ensure_ascii=ascii_only, indent=indent)) == value


def test_comments_stand_wherever_blanks_do():
    assert parse('/* a */ // b\n{ /* c */ "x" /**/ : // d\n [1, /* * / ** */ 2] /***/ } // end') == {"x": [1, 2]}


def test_one_trailing_comma_is_fine():
    assert parse('{"a": [1, 2,], "b": {"c": 3,},}') == {"a": [1, 2], "b": {"c": 3}}


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        pytest.param("", "the policy is empty", 1, 1, id="empty"),
        pytest.param(" // nothing\n", "the policy is empty", 1, 1, id="comments-alone"),
        pytest.param("[,]", '"," stands where a value should be', 1, 2, id="comma-alone"),
        pytest.param('{"a": 1,,}', '"," stands where a name in double quotes should be', 1, 9, id="two-commas"),
        pytest.param("{a: 1}", '"a" stands where a name in double quotes should be', 1, 2, id="unquoted-name"),
        pytest.param("{'a': 1}", '"\'" stands where a name in double quotes should be', 1, 2, id="single-quotes"),
        pytest.param('{"a": 0x10}', '"0" stands where a value should be', 1, 7, id="hex-number"),
        pytest.param('{"a": 01}', '"0" stands where a value should be', 1, 7, id="leading-zero"),
        pytest.param('{"a": NaN}', '"N" stands where a value should be', 1, 7, id="not-a-number"),
        pytest.param('{"a": trueish}', '"t" stands where a value should be', 1, 7, id="a-longer-word"),
        pytest.param('{\n "a": 1\n "b": 2}', '"\\"" stands where a "," or "}" should be', 3, 2, id="no-comma"),
        pytest.param('{"a" 1}', '"1" stands where a ":" should be', 1, 6, id="no-colon"),
        pytest.param('{"a": 1', "the end stands where", 1, 8, id="unclosed-object"),
        pytest.param('{"a": "x', "a string is not closed", 1, 7, id="unclosed-string"),
        pytest.param('{"a": "x\n"}', "a string is not closed", 1, 7, id="line-break-in-string"),
        pytest.param('{"a": "\\q"}', "\\q is not an escape in a string", 1, 8, id="unknown-escape"),
        pytest.param('{"a": "\\ud800"}', "half of a surrogate pair", 1, 8, id="half-a-character"),
        pytest.param("{} /* on and on", "a comment is not closed", 1, 4, id="unclosed-comment"),
        pytest.param("{} {}", "something after the end", 1, 4, id="two-values"),
        pytest.param("[]", "a policy is one object", 1, 1, id="an-array"),
        pytest.param('{"a":\u00a01}', '"\\u00a0" stands where a value should be', 1, 6, id="exotic-blank"),
        pytest.param('{"groups": {},\n  "groups": {}}', 'duplicate object member name "groups"', 2, 3, id="twice"),
        pytest.param('{"acls": [], "ACLs": []}', 'duplicate object member name "ACLs"', 1, 14, id="twice-in-two-cases"),
        pytest.param('{"acls": [{"src": ["*"],\n"sorc": []}]}', 'unknown field: "sorc"', 2, 1, id="unknown-field"),
        pytest.param('{"ssh": {}}', '"ssh" must be an array of objects', 1, 2, id="wrong-type"),
        pytest.param('{"acls": [{"src": "*"}]}', '"src" must be an array of strings', 1, 12, id="not-an-array"),
        pytest.param('{"acls": [7]}', '"acls" must be an array of objects', 1, 10, id="a-number-for-a-rule"),
    ],
)
def test_what_is_no_policy_is_refused_where_it_goes_wrong(text, message, line, column):
    with pytest.raises(PolicyRefused) as refused:
        read(text)
    assert message in refused.value.message
    assert (refused.value.line, refused.value.column) == (line, column)


def test_an_unknown_section_is_refused_with_the_nearest_known_one():
    with pytest.raises(PolicyRefused) as refused:
        read('{"tagOwner": {}}')
    assert refused.value.hint == 'did you mean "tagOwners"?'


def test_sections_match_in_any_case_and_null_counts_as_absent():
    document = read('{"ACLs": null, "tagowners": {"tag:a": []}, "SSH": null}')
    assert document.acls is None
    assert list(document.tag_owners) == ["tag:a"]


def test_escaped_halves_make_one_character():
    assert parse('"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_a_raw_surrogate_is_no_text():
    with pytest.raises(PolicyRefused, match="not valid UTF-8"):
        read('{"\ud800": 1}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("//" + "x" * hujson.MAX_BYTES + "\n{}", "longer than", id="too-long"),
        pytest.param("[" * 100_000, "nests deeper than", id="too-deep"),
        pytest.param("[" + "1," * hujson.MAX_VALUES + "]", "more than 200000 values", id="too-many"),
        pytest.param('{"a": ' + "9" * 100 + "}", "more than 32 characters", id="too-long-a-number"),
    ],
)
def test_what_goes_beyond_a_limit_is_refused(text, message):
    with pytest.raises(PolicyRefused, match=message):
        read(text)


def test_a_value_knows_where_it_begins():
    found = parse('{"a": ["x", "y\\n"]}')
    assert isinstance(found, hujson.Object)
    array = found[next(iter(found))]
    assert isinstance(array, hujson.Array)
    assert [getattr(item, "at", None) for item in array] == [7, 12]


def test_a_refusal_inside_reading_is_a_fault_with_an_offset():
    with pytest.raises(Fault) as fault:
        parse("{} x")
    assert fault.value.at == 3
