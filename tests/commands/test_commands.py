"""The commands by their words: what callers rely on, as text and as JSON."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import command_harness as h
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
import gate_builders as build

from console.commandline.face import parse
from console.commandline.render import Column, table
from model.records import Role

DEVICE_FIELDS = {
    "id", "name", "user", "tags", "ipv4", "ipv6", "wireguard_key", "state", "online", "last_seen", "expires_at",
    "endpoints", "routes", "os", "agent_version",
}  # fmt: skip
CERTIFICATE_FIELDS = {
    "serial", "kind", "key_id", "device", "principals", "valid_after", "valid_before", "source_addresses",
    "fingerprint", "state", "generation",
}  # fmt: skip
AUDIT_FIELDS = {"number", "at", "actor", "action", "subject", "before", "after", "source", "hash"}


async def test_a_device_has_the_fields_that_callers_rely_on(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        added = await h.run(
            gate, "devices", "add", "db-1", "--tag", "tag:db", "--wireguard-key", build.a_wireguard_key(), "--json"
        )
        assert added.status == 0
        assert set(added.document) >= DEVICE_FIELDS
        assert (added.document["state"], added.document["online"], added.document["tags"]) == (
            "approved", False, ["tag:db"],
        )  # fmt: skip
        listed = await h.run(gate, "devices", "list", "--json")
        assert [device["name"] for device in listed.document] == ["db-1"]


async def test_a_route_is_a_prefix_and_a_state(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "gw-1")
        shown = await h.run(gate, "devices", "routes", "gw-1", "--approve", "10.1.0.0/16", "--json")
        assert shown.document == [{"prefix": "10.1.0.0/16", "state": "withdrawn"}]


async def test_a_user_has_the_fields_that_callers_rely_on(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        added = await h.run(gate, "users", "add", "Bob", "--role", "operator", "--email", "bob@example.com", "--json")
        assert {key: added.document[key] for key in ("name", "email", "role", "state")} == {
            "name": "bob@net.example.com", "email": "bob@example.com", "role": "operator", "state": "active",
        }  # fmt: skip


async def test_a_certificate_over_the_command_has_its_fields_and_reads_as_one(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        alice = build.as_actor("alice", Role.OWNER)
        key = build.an_ssh_key().line
        line = await h.run(gate, "cert", "--ttl", "1h", actor=alice, stdin=key)
        assert line.out.startswith("ssh-ed25519-cert-v01@openssh.com ")
        listed = await h.run(gate, "certs", "list", "--json")
        assert set(listed.document[0]) >= CERTIFICATE_FIELDS
        assert (listed.document[0]["kind"], listed.document[0]["state"]) == ("user", "valid")
        serial = listed.document[0]["serial"]
        assert (await h.run(gate, "certs", "revoke", str(serial))).status == 0
        again = await h.run(gate, "certs", "show", str(serial), "--json")
        assert again.document["state"] == "revoked"


async def test_an_enrollment_key_is_printed_alone_and_its_hash_never(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        made = await h.run(gate, "enrollment-keys", "create", "--user", "alice")
        assert made.out.startswith("wge_")
        assert made.out.count("\n") == 1
        shaped = await h.run(gate, "enrollment-keys", "create", "--user", "alice", "--json")
        assert {"id", "key"} <= set(shaped.document)
        listed = await h.run(gate, "enrollment-keys", "list", "--json")
        assert all("key" not in one and "hash" not in one for one in listed.document)


async def test_an_audit_entry_has_its_fields_and_times_are_rfc_3339(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        listed = await h.run(gate, "audit", "list", "--json")
        assert set(listed.document[0]) >= AUDIT_FIELDS
        assert listed.document[0]["at"].endswith("Z")
        assert len(listed.document[0]["at"]) == len("2026-01-01T00:00:00Z")


async def test_the_trail_is_asked_for_a_person_by_their_bare_name(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice = build.as_actor("alice", Role.OWNER)
        await h.run(gate, "users", "add", "bob", actor=alice)
        bare = await h.run(gate, "audit", "list", "--actor", "alice", "--json")
        assert [entry["action"] for entry in bare.document] == ["users add"]


async def test_the_krl_is_written_as_it_is(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        got = await h.run(gate, "certs", "krl")
        assert got.raw.startswith(b"SSHKRL\n\0")
        assert base64.b64encode(got.raw).decode() == gate.snapshot.krl


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["nonsense"], 2, "no such command"),
        (["devices", "frobnicate"], 2, "no such command"),
        (["devcies"], 2, "'devices'"),
        (["devices", "add"], 2, "missing"),
        (["devices", "show", "missing"], 1, "no device"),
        (["users", "add", "a b"], 1, "not a user name"),
        (["users", "add", "alice"], 1, "taken"),
        (["users", "set-role", "alice", "king"], 2, "king"),
        (["policy", "set", "/etc/passwd"], 1, "not read from here"),
        (["policy", "check", "-"], 1, ""),
        (["names", "set", "x", "A", "nonsense"], 1, "not a value of type A"),
        (["certs", "revoke"], 1, "name what to revoke"),
        (["certs", "revoke", "0"], 1, "not a serial"),
        (["enrollment-keys", "create", "--expires", "soon", "--user", "alice"], 2, "not a duration"),
        (["devices", "list", "--sort", "nonsense"], 1, ""),
        (["cert"], 1, "belongs to a person"),
    ],
)
async def test_what_is_refused_is_refused_with_one_line_and_its_status(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    async with build.a_gate(tmp_path) as gate:
        before = gate.snapshot.version
        answer = await h.run(gate, *words)
        assert answer.status == status
        assert answer.err.startswith("error: ")
        assert said.lower() in answer.err.lower()
        assert len(answer.err.splitlines()) <= 2
        assert (answer.out, gate.snapshot.version) == ("", before)


async def test_an_error_as_json_has_code_message_and_hint(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, "devices", "show", "missing", "--json")
        assert answer.error["code"] == "not-found"
        assert set(answer.error) == {"code", "message", "hint"}
        usage = await h.run(gate, "devices", "show", "--json")
        assert usage.error["code"] == "usage"


async def test_help_is_a_word_as_well_and_what_was_typed_commands_no_terminal(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        assert (await h.run(gate, "help", "devices")).out == (await h.run(gate, "devices", "--help")).out
        answer = await h.run(gate, "devices", "list", "\x1b[31m\nok")
        assert "\x1b" not in answer.err
        assert answer.err.count("\n") == 2


@pytest.mark.parametrize(
    "words",
    ["certs revoke 9223372036854775808", f"audit show {'9' * 30}", f"policy rollback {'9' * 30}",
     "devices expire laptop --in 999999999999w"],
)  # fmt: skip
async def test_a_number_beyond_all_bounds_is_refused_and_breaks_nothing(tmp_path: Path, words: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        answer = await h.run(gate, *words.split(), "--json")
        assert (answer.status, answer.error["code"]) == (1, "invalid")
        assert (await h.run(gate, "devices", "list")).status == 0


async def test_help_names_role_and_examples_and_is_no_error(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        answer = await h.run(gate, "devices", "expire", "--help")
        assert answer.status == 0
        assert "Role:" in answer.out
        assert "wardgate devices expire laptop --in 30d" in answer.out


async def test_a_table_fits_the_terminal_and_is_whole_when_piped(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "a-device-with-a-rather-long-name-indeed-it-is", tags=["tag:db", "tag:web"])
        narrow = await h.run(gate, "devices", "list", columns=60)
        assert all(len(line) <= 60 for line in narrow.out.splitlines())
        piped = await h.run(gate, "devices", "list")
        assert "a-device-with-a-rather-long-name-indeed-it-is" in piped.out


async def test_a_long_list_is_one_document_however_it_is_written(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        for number in range(60):
            await build.a_device(gate, f"device-{number:02}", tags=["tag:db"])
        told = (await h.run(gate, "devices", "list", "--json")).out
        assert [one["name"] for one in json.loads(told)] == [f"device-{number:02}" for number in range(60)]
        assert told == json.dumps(json.loads(told), indent=2, ensure_ascii=False) + "\n"
        rows = (await h.run(gate, "devices", "list")).out.splitlines()
        assert [row.split()[0] for row in rows] == ["NAME", *(f"device-{number:02}" for number in range(60))]


def test_the_widest_column_gives_way_first() -> None:
    columns = [Column("KEY"), Column("VALUE", flexible=True), Column("MEANING", flexible=True)]
    (_, row) = table(
        columns, [["domain", "net.example.com", "what device names stand under, whichever"]], 50
    ).splitlines()
    assert row == "domain  net.example.com  what device names stand …"


async def test_text_from_devices_is_shown_inert(tmp_path: Path) -> None:
    from gate.services import agents

    async with build.a_gate(tmp_path) as gate:
        device = await build.a_device(gate, "laptop")
        await gate.perform(agents.report, build.LOCAL, device=device.id, os="Evil \x1b[31m\u202eOS", agent_version="1")
        shown = await h.run(gate, "devices", "show", "laptop")
        assert "\x1b" not in shown.out
        assert "\u202e" not in shown.out


async def test_a_refused_policy_is_told_with_its_place(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        refused = await h.run(gate, "policy", "set", "-", stdin='{\n  "aclz": [],\n}')
        assert refused.err.startswith("error: line 2, column 3: ")


async def test_a_service_user_that_is_to_be_invited_is_not_added(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        assert (await h.run(gate, "users", "add", "ci", "--service", "--invite")).status == 1
        assert (await h.run(gate, "users", "show", "ci")).status == 1


async def test_an_invitation_names_people_of_the_network_without_its_domain(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        own = await h.run(gate, "users", "add", "bob", "--invite", "--json")
        assert " bob@" in own.document["command"]
        assert "@" not in own.document["command"].partition(" bob@")[2]
        other = await h.run(gate, "users", "add", "eve@elsewhere.test", "--invite", "--json")
        assert " eve@elsewhere.test@" in other.document["command"]


async def test_a_device_alone_is_not_told_that_it_reaches_itself(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        reach = await h.run(gate, "policy", "reach", "laptop", "--json")
        assert (reach.document["outgoing"], reach.document["incoming"]) == ([], [])


async def test_every_command_of_the_contract_is_there() -> None:
    from console.commandline.command import HelpWanted
    from console.commandline.face import parse

    contract = {
        "users": "list show add set-role disable enable remove set-password keys",
        "devices": "list show add approve rename tag set expire disable enable remove routes config",
        "enrollment-keys": "list create revoke",
        "policy": "show check set history rollback confirm",
        "names": "list set remove lookup",
        "certs": "list show sign revoke krl",
        "ca": "show rotate promote retire trust",
        "settings": "list show set apply",
        "audit": "list show verify follow",
        "gate": "status backup doctor metrics",
    }
    for noun, verbs in contract.items():
        for verb in verbs.split():
            with pytest.raises(HelpWanted):
                parse([noun, verb, "--help"])


async def test_a_configuration_too_long_for_a_qr_code_is_refused_and_comes_as_a_file(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        for number in range(40):
            await build.a_device(gate, f"device-{number}", user="alice")
        refused = await h.run(gate, "devices", "config", "device-0", "--qr")
        assert (refused.status, refused.out) == (1, "")
        assert "39 peers are more than a QR code holds" in refused.err
        assert (await h.run(gate, "devices", "config", "device-0")).out.count("[Peer]") == 39


async def test_a_key_that_lets_nobody_in_any_more_is_not_called_open(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await h.run(gate, "enrollment-keys", "create", "--tag", "tag:ci", "--uses", "3")
        await gate.store.write(lambda tx: tx.sql.execute("UPDATE enrollment_keys SET uses_left = 0"))
        assert (await h.run(gate, "enrollment-keys", "list")).out.rstrip().endswith("used up")
        assert [key["state"] for key in (await h.run(gate, "enrollment-keys", "list", "--json")).document] == [
            "used-up"
        ]


async def test_a_route_that_is_approved_ahead_is_not_called_withdrawn(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "gw-1", tags=["tag:router"])
        said = await h.run(gate, "devices", "routes", "gw-1", "--approve", "10.20.0.0/16")
        assert said.out.splitlines()[1] == "10.20.0.0/16  approved, not offered"
        kept = await h.run(gate, "devices", "routes", "gw-1", "--json")
        assert kept.document == [{"prefix": "10.20.0.0/16", "state": "withdrawn"}]


CLAIMS = '[{"kind": "user", "role": "owner", "approval": 3600}]'


async def test_a_setting_is_got_alone_and_json_is_set_from_standard_input(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        quoted = await h.run(gate, "settings", "set", "certificates.claims", "[{kind: user}]")
        assert "give - and send it on stdin" in quoted.err
        assert (await h.run(gate, "settings", "set", "certificates.claims", "-", stdin=CLAIMS + "\n")).status == 0
        assert (await h.run(gate, "settings", "get", "certificates.claims", "--json")).document[0]["approval"] == 3600
        assert (await h.run(gate, "settings", "get", "devices.approval")).out == "by-role\n"


async def test_a_consent_that_nobody_could_give_is_warned_of(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alone = await h.run(gate, "settings", "set", "certificates.claims", CLAIMS)
        assert "there is no second operator" in alone.err
        await build.a_user(gate, "bob", Role.OPERATOR)
        assert (await h.run(gate, "settings", "set", "certificates.claims", CLAIMS)).err == ""


def test_a_setting_from_standard_input_reaches_a_gate_that_runs() -> None:
    assert parse(["settings", "set", "certificates.claims", "-"]).reads_stdin
    assert not parse(["settings", "set", "login.life", "8h"]).reads_stdin
