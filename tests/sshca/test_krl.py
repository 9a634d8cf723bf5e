"""KRLs as OpenSSH reads them, entry by entry."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from certificate_builders import NOW, a_key, a_revocation, a_signer, a_spec, ssh_keygen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.errors import Invalid
from model.ids import GenerationID, Serial
from model.keys import SSHKey
from model.records import Revocation
from sshca import LONG_OVER, issue, krl, parse, read_krl, still_needed
from sshca.revocation import RevokedSerials
from sshca.serialsets import LONG_RUN, MarkedSerials, SortedSerials

USER_1, USER_2 = GenerationID("user-1"), GenerationID("user-2")
CA_KEYS = {USER_1: a_signer().key, USER_2: a_signer(name="second").key}


def a_krl(*revocations: Revocation, version: int = 1) -> bytes:
    return krl(version=version, generated_at=NOW, comment="net.example.com", revocations=revocations, ca_keys=CA_KEYS)


def of_serials(serials: Collection[int]) -> bytes:
    return a_krl(*(a_revocation(serial=Serial(serial), generation=USER_1) for serial in serials))


def is_revoked(data: bytes, line: str, folder: Path) -> bool:
    """What `ssh-keygen -Q` says of a key or certificate."""
    (folder / "list.krl").write_bytes(data)
    (folder / "asked.pub").write_text(f"{line}\n")
    answer = ssh_keygen("-Q", "-f", folder / "list.krl", folder / "asked.pub", check=False)
    assert answer.returncode in {0, 1}, answer.stderr
    assert ("REVOKED" in answer.stdout) == (answer.returncode == 1), answer.stdout + answer.stderr
    return answer.returncode == 1


SPEC = a_spec(serial=Serial(1042), key=a_key())
ENTRIES = {
    "serial": a_revocation(serial=Serial(1042), generation=USER_1),
    "serial-of-any-ca": a_revocation(serial=Serial(1042)),
    "serial-of-a-ca-that-is-not-known": a_revocation(serial=Serial(1042), generation=GenerationID("user-9")),
    "key": a_revocation(key=SPEC.key),
    "key-id": a_revocation(key_id=SPEC.key_id),
    "fingerprint": a_revocation(fingerprint=SPEC.key.fingerprint),
    "ca-key": a_revocation(key=a_signer().key),
    "row-of-serials": a_revocation(serial=Serial(1000), through=Serial(1042)),
}
OTHERS = {
    "other-row-of-serials": a_revocation(serial=Serial(1043), through=Serial(2**40)),
    "other-serial": a_revocation(serial=Serial(1041), generation=USER_1),
    "serial-of-another-ca": a_revocation(serial=Serial(1042), generation=USER_2),
    "other-key": a_revocation(key=a_key()),
    "other-key-id": a_revocation(key_id="alice@example.com/laptop/104"),
    "other-fingerprint": a_revocation(fingerprint=a_key().fingerprint),
    "other-ca-key": a_revocation(key=a_signer(name="second").key),
}

needs_ssh_keygen = pytest.mark.needs("ssh-keygen")


@needs_ssh_keygen
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_each_kind_of_entry_revokes_the_certificate(entry: Revocation, tmp_path: Path) -> None:
    assert is_revoked(a_krl(entry), issue(a_signer(), SPEC), tmp_path)


@needs_ssh_keygen
@pytest.mark.parametrize("entry", OTHERS.values(), ids=OTHERS)
def test_an_entry_for_another_leaves_the_certificate(entry: Revocation, tmp_path: Path) -> None:
    assert not is_revoked(a_krl(entry), issue(a_signer(), SPEC), tmp_path)


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["key", "fingerprint"])
def test_a_revoked_key_is_revoked_without_a_certificate_too(kind: str, tmp_path: Path) -> None:
    assert is_revoked(a_krl(ENTRIES[kind]), SPEC.key.line, tmp_path)


@needs_ssh_keygen
def test_all_kinds_of_entries_stand_in_one_list(tmp_path: Path) -> None:
    data = a_krl(*ENTRIES.values(), *OTHERS.values())
    assert is_revoked(data, issue(a_signer(), SPEC), tmp_path)
    assert not is_revoked(data, a_key().line, tmp_path)


@needs_ssh_keygen
def test_a_list_of_nothing_is_not_empty_and_revokes_nothing(tmp_path: Path) -> None:
    data = a_krl()
    assert len(data) > 40
    assert not is_revoked(data, issue(a_signer(), SPEC), tmp_path)


SHAPES: dict[str, list[int]] = {
    "one": [7],
    "largest": [2**64 - 1],
    "smallest-and-largest": [1, 2**64 - 1],
    "all-the-largest": list(range(2**64 - 100, 2**64)),
    "range": list(range(5000, 15000)),
    "scattered": [n * n * 1_000_003 for n in range(1, 200)],
    "dense": [n for n in range(1, 3000) if n % 3],
    "bitmap-at-its-limit": [1, *range(3, 16384, 7), 16384],
    "bitmap-over-its-limit": [1, *range(3, 16385, 7), 16385],
    "long-bitmap": list(range(1, 70_000, 5)),
    "byte-borders": [8, 15, 16, 23, 31, 32, 39],
    "ranges-with-holes": [n for n in range(1, 20_000) if n % 500],
    "mixture": [*range(10, 400), 777, *range(5000, 9000, 11), 10**12, *range(10**13, 10**13 + 500)],
}


@needs_ssh_keygen
@pytest.mark.parametrize("serials", SHAPES.values(), ids=SHAPES)
def test_openssh_reads_every_shape_as_meant(serials: list[int], tmp_path: Path) -> None:
    data = of_serials(serials)
    within = [serials[0], serials[len(serials) // 2], serials[-1]]
    around = {n + step for n in within for step in (-1, 1)} - set(serials) - {0, 2**64}
    for serial in within:
        assert is_revoked(data, issue(a_signer(), a_spec(serial=Serial(serial))), tmp_path), serial
    for serial in around:
        assert not is_revoked(data, issue(a_signer(), a_spec(serial=Serial(serial))), tmp_path), serial


@needs_ssh_keygen
@pytest.mark.parametrize("serials", SHAPES.values(), ids=SHAPES)
def test_no_list_is_longer_than_openssh_makes_it(serials: list[int], tmp_path: Path) -> None:
    (tmp_path / "ca.pub").write_text(a_signer().key.line)
    (tmp_path / "serials").write_text("".join(f"serial: {serial}\n" for serial in serials))
    ssh_keygen("-k", "-f", tmp_path / "theirs", "-s", tmp_path / "ca.pub", tmp_path / "serials")
    ours = krl(
        version=1, generated_at=NOW, comment="", revocations=[
            a_revocation(serial=Serial(serial), generation=USER_1) for serial in serials
        ], ca_keys=CA_KEYS,
    )  # fmt: skip
    theirs = (tmp_path / "theirs").read_bytes()
    pieces = max(serials) // 16384 + 1 if max(serials) < 10**6 else 1
    assert len(ours) <= len(theirs) + 18 * (pieces - 1)


serial = st.one_of(
    st.integers(1, 3000), st.integers(1, 2**64 - 1), st.integers(2**64 - 3000, 2**64 - 1), st.integers(10**6, 10**6 + 9)
)
runs = st.tuples(serial, st.integers(1, 200)).map(lambda run: set(range(run[0], min(run[0] + run[1], 2**64))))
serial_sets = st.lists(st.one_of(serial.map(lambda one: {one}), runs), max_size=60).map(lambda sets: set().union(*sets))


@given(serial_sets)
@settings(deadline=None)
def test_exactly_the_given_serials_are_read_back(serials: set[int]) -> None:
    read = read_krl(of_serials(sorted(serials, reverse=True)))
    assert {number for section in read.serials for number in section} == serials
    assert all(section.ca_key == CA_KEYS[USER_1] for section in read.serials)


@given(serial_sets)
@settings(deadline=None)
def test_no_plainer_way_is_shorter(serials: set[int]) -> None:
    empty = len(of_serials(()))
    head = 5 + 4 + len(CA_KEYS[USER_1].blob) + 4
    ordered = sorted(serials)
    starts = [n for n in ordered if n - 1 not in serials]
    listed, ranges = head + 5 + 8 * len(ordered), head + 21 * len(starts)
    if ordered:
        assert len(of_serials(serials)) - empty <= min(listed, ranges)
        if ordered[-1] - ordered[0] < 16384:
            assert len(of_serials(serials)) - empty <= head + 18 + (ordered[-1] - ordered[0] + 8) // 8


@given(serial_sets, st.integers(0, 300))
@settings(deadline=None)
def test_marks_and_order_tell_the_same_of_a_set(serials: set[int], around: int) -> None:
    near = {number for number in serials if number < 10**7} | {7}
    marked, ordered = MarkedSerials(near, 0, max(near)), SortedSerials(near, max(near))
    assert marked.blocks() == ordered.blocks()
    for first, last, count, row in ordered.blocks():
        assert list(marked.values(first, last)) == list(ordered.values(first, last))
        assert len(ordered.values(first, last)) == count
        assert row == (count == last - first + 1 >= LONG_RUN)
        assert marked.bits(first, last - first + 1) == ordered.bits(first, last - first + 1)
        assert marked.after(last + around) == ordered.after(last + around)


revocations = st.builds(
    lambda what, name, number, generation: a_revocation(
        **{
            "serial": {"serial": Serial(number), "generation": generation},
            "key_id": {"key_id": name},
            "key": {"key": SSHKey(CA_KEYS[USER_1].blob[:-8] + number.to_bytes(8, "big"))},
            "fingerprint": {"fingerprint": SSHKey(number.to_bytes(8, "big")).fingerprint},
        }[what]
    ),
    st.sampled_from(["serial", "key_id", "key", "fingerprint"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40),
    serial,
    st.sampled_from([None, USER_1, USER_2]),
)


@given(st.lists(revocations, max_size=40), st.integers(0, 2**63), st.text(max_size=30))
@settings(deadline=None)
def test_everything_that_is_revoked_is_read_back(listed: list[Revocation], version: int, comment: str) -> None:
    comment = comment.encode("utf-8", "ignore").decode()
    data = krl(version=version, generated_at=NOW, comment=comment, revocations=listed, ca_keys=CA_KEYS)
    read = read_krl(data)
    assert (read.version, read.generated_at, read.comment) == (version, NOW, comment)
    assert read.keys == {entry.key for entry in listed if entry.key}
    assert {name for _, name in read.key_ids} == {entry.key_id for entry in listed if entry.key_id}
    assert read.fingerprints == {entry.fingerprint for entry in listed if entry.fingerprint}
    wanted = {
        (CA_KEYS[entry.generation] if entry.generation else None, int(entry.serial)) for entry in listed if entry.serial
    }
    assert {(section.ca_key, number) for section in read.serials for number in section} == wanted


@needs_ssh_keygen
@given(st.lists(revocations, max_size=12))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_openssh_reads_any_list_whole(tmp_path: Path, listed: list[Revocation]) -> None:
    (tmp_path / "any.krl").write_bytes(a_krl(*listed))
    (tmp_path / "asked.pub").write_text(a_key().line)
    answer = ssh_keygen("-Q", "-l", "-f", tmp_path / "any.krl", tmp_path / "asked.pub", check=False)
    if any(entry.key for entry in listed):
        return  # made-up keys, which OpenSSH may well refuse
    assert answer.returncode == 0, answer.stderr


@given(st.binary(max_size=300))
def test_noise_is_no_list(noise: bytes) -> None:
    with pytest.raises(Invalid):
        read_krl(noise)


@given(st.integers(0, 400), serial_sets)
@settings(deadline=None)
def test_a_list_that_is_cut_short_is_refused_or_says_less(cut: int, serials: set[int]) -> None:
    whole = of_serials(serials)
    short = whole[: max(0, len(whole) - 1 - cut)]
    try:
        read = read_krl(short)
    except Invalid:
        return
    assert not read.serials


def test_the_same_revocations_give_the_same_bytes() -> None:
    entries = [*ENTRIES.values(), *OTHERS.values()]
    assert a_krl(*entries) == a_krl(*reversed(entries))


def test_ten_thousand_in_a_row_take_few_bytes() -> None:
    assert len(of_serials(range(1, 10_001))) < 150


@pytest.mark.parametrize("number", [0, 2**64], ids=["zero", "too-large"])
def test_a_serial_that_no_certificate_has_is_refused(number: int) -> None:
    with pytest.raises(Invalid, match="serials from 1"):
        of_serials([number])


@pytest.mark.parametrize("fingerprint", ["", "MD5:aa:bb", "SHA256:AAAA", "SHA256:!!!!", "SHA1:AAAA"])
def test_what_is_no_fingerprint_is_refused(fingerprint: str) -> None:
    with pytest.raises(Invalid, match="not a fingerprint"):
        a_krl(a_revocation(fingerprint=fingerprint or "SHA256"))


def test_a_key_id_that_would_cut_the_list_short_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot stand in a KRL"):
        a_krl(a_revocation(key_id="alice\0"))


def test_ranges_are_asked_for_membership() -> None:
    section = RevokedSerials(None, ((1, 3), (7, 7)))
    assert 2 in section
    assert 7 in section
    assert 5 not in section


def test_a_certificate_revoked_by_serial_is_the_one_that_was_signed(tmp_path: Path) -> None:
    line = issue(a_signer(), SPEC)
    assert parse(line).serial in read_krl(of_serials([1042])).serials[0]


def ended(number: int, at: int, until: int) -> Revocation:
    return a_revocation(number=number, serial=Serial(number), at=at, until=until)


def test_a_serial_leaves_the_list_long_after_its_certificate_is_over() -> None:
    gone, stays = ended(1, NOW, NOW + 60), ended(2, NOW, NOW + 61)
    newest = ended(3, NOW + 60 + LONG_OVER, NOW + 90 * 86400)
    assert still_needed([gone, stays]) == (gone, stays)
    assert still_needed([gone, stays, newest]) == (stays, newest)


@given(st.lists(st.tuples(st.integers(0, 90 * 86400), st.integers(60, 40 * 86400)), max_size=30))
def test_nothing_is_taken_back_while_a_certificate_could_live(steps: list[tuple[int, int]]) -> None:
    at, made, before = NOW, [], ()
    for number, (later, life) in enumerate(steps, 1):
        at += later
        made.append(ended(number, at, at + life))
        listed = still_needed(made)
        assert {one for one in made if one.until + LONG_OVER > at} == set(listed)
        assert set(listed) - {made[-1]} <= set(before)  # who left does not come back
        before = listed


def test_keys_and_serials_without_a_known_end_stay_for_good() -> None:
    key = a_revocation(number=1, key=a_key())
    unknown = a_revocation(number=2, serial=Serial(2))
    last = ended(3, NOW + 1000 * 86400, NOW + 1001 * 86400)
    assert still_needed([key, unknown, last]) == (key, unknown, last)
