"""What the `:` row offers for the last word: of a command what it takes, of things their names."""

from pathlib import Path

import pytest
from gates import LOCAL, a_gate, a_person, a_wireguard_key

from console.app.completion import complete
from console.app.gatebackend import me
from gate.services import devices, names, policies
from model.records import NameType, Role

POLICY = '{"tagOwners": {"tag:db": [], "tag:web": []}, "acls": []}'


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("dev", ["devices"]),
        ("devices re", ["rename", "remove"]),
        ("devices tag lap", ["laptop"]),
        ("devices tag laptop tag:", ["tag:db", "tag:old", "tag:web"]),
        ("enrollment-keys create --tag tag:w", ["tag:web"]),
        ("users set-role alice@example.com a", ["admin", "auditor", "alice@example.com"]),
        ("users add bob --role op", ["operator"]),
        ("devices list --fi", ["--filter"]),
        ("settings set certificates.cl", ["certificates.claims"]),
        ("ca rotate us", ["user", "user-1"]),
        ("frobnicate ", []),
    ],
)
async def test_the_last_word_may_become(tmp_path: Path, typed: str, offered: list[str]) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(devices.add, LOCAL, name="laptop", wireguard=a_wireguard_key(), user="alice")
        await gate.perform(devices.add, LOCAL, name="old", wireguard=a_wireguard_key(), tags=["tag:old"])
        await gate.perform(policies.set_policy, LOCAL, text=POLICY)
        assert sorted(complete(typed.split(" "), gate.snapshot, me(gate, LOCAL))) == sorted(offered)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("devices show ", ["phone"]),
        ("certs list --user ", ["bob@example.com"]),
        ("audit list --actor ", ["bob@example.com"]),
        ("users show ", ["bob@example.com"]),
        ("users set-role bob ", [*Role, "bob@example.com"]),
        ("enrollment-keys create --tag ", []),
        ("devices tag phone tag:", []),
        ("names remove ", []),
    ],
)
async def test_a_member_is_offered_nothing_that_their_lists_do_not_show(
    tmp_path: Path, typed: str, offered: list[str]
) -> None:
    async with a_gate(tmp_path) as gate:
        bob = await a_person(gate, "bob", Role.MEMBER)
        await gate.perform(devices.add, LOCAL, name="phone", wireguard=a_wireguard_key(), user="bob")
        await gate.perform(devices.add, LOCAL, name="old", wireguard=a_wireguard_key(), tags=["tag:old"])
        await gate.perform(policies.set_policy, LOCAL, text=POLICY)
        await gate.perform(names.set_name, LOCAL, name="secret", type=NameType.A, value="10.0.0.9")
        assert sorted(complete(typed.split(" "), gate.snapshot, me(gate, bob))) == sorted(offered)
