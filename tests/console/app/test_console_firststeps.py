"""What a member types first, whole and with the place of this gate."""

from pathlib import Path

from gates import LOCAL, a_console_at, a_gate, a_person

from gate.services import settings
from model.records import Role


async def test_a_member_without_a_certificate_is_told_the_command_for_one(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(
            settings.set_setting, LOCAL, key="gate.addresses", value="gate.example.com:2299", anyway=True
        )  # fmt: skip
        async with a_console_at(gate, await a_person(gate, "bob", Role.MEMBER)) as session:
            await session.shows("none yet: wardgate login bob@gate.example.com:2299 signs one")
