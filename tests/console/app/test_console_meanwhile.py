"""Two operators at the same thing: the second is told, while there is time."""

import msgspec
from channels import a_console, a_terminal, until
from gates import LOCAL, a_console_at, a_gate
from seeded import Seeded

from console.app.memory import MemoryStreams
from console.commandline.face import execute
from model import change as c
from model.records import Device, Role

ENTER = "\r"


def the_device(backend: Seeded, name: str) -> Device:
    return next(device for device in backend.devices.values() if device.name == name)


async def test_who_renames_a_device_is_told_that_another_did() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "desk") as session:
        await session.type("r", "\x15mac")
        device = msgspec.structs.replace(the_device(backend, "desk"), name="tower")
        backend.tell(c.DeviceRenamed(device=device, was="desk"))  # type: ignore[arg-type]
        await session.shows("! somebody renamed it meanwhile, to tower")
        await session.shows("devices rename desk mac")


async def test_who_tags_a_device_is_told_of_tags_that_another_gave_it() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "web-fra-5") as session:
        await session.type("t")
        device = msgspec.structs.replace(the_device(backend, "web-fra-5"), tags=("tag:db",))
        backend.tell(c.DeviceTagged(device=device))
        await session.shows("! somebody tagged web-fra-5 meanwhile: tag:db")


async def test_what_others_do_elsewhere_is_no_matter_of_the_form() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "web-fra-5") as session:
        await session.type("t")
        backend.tell(c.DeviceTagged(device=msgspec.structs.replace(the_device(backend, "desk"), tags=("tag:db",))))
        backend.tell(c.DeviceApproved(device=the_device(backend, "web-fra-5")))
        backend.tell(c.DeviceRemoved(id=the_device(backend, "web-fra-5").id, name="web-fra-5"))  # type: ignore[arg-type]
        await session.shows("! somebody removed web-fra-5 meanwhile")
        assert "tagged" not in session.frame()


async def test_who_gives_a_role_is_told_which_one_another_gave() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "users", "mara") as session:
        await session.type("R")
        mara = next(user for user in backend.users if user.name == "mara@example.com")
        backend.tell(c.UserRoleSet(user=msgspec.structs.replace(mara, role=Role.AUDITOR)))
        await session.shows("! somebody made mara@example.com auditor meanwhile")


async def test_who_changes_a_setting_is_told_that_another_set_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    async with a_gate(tmp_path) as gate, a_console_at(gate, LOCAL, "settings", "login.life") as session:
        await session.type(ENTER)
        await execute(gate, LOCAL, ["settings", "set", "login.life", "12h"], MemoryStreams(b""), a_terminal())
        await session.shows("! somebody set it meanwhile: its row shows to what")
        await until(lambda: "12h" in session.frame())
