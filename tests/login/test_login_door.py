"""Logins as a person does them: the real ssh on a terminal, the gate's prompts, codes typed."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import asyncssh
import msgspec
import pyotp
import pytest
from doors_harness import House, InTerminal, a_house, a_terminal, eventually

from gate.actor import GATE, Actor
from gate.login.desk import LOCKS_AT_ONCE, Applicant
from gate.login.guesses import FREE
from gate.login.passwords import hash_password, matches
from gate.services import certificates as certificate_operations
from gate.services import logins as login_operations
from gate.services import settings
from gate.services import users as user_operations
from model.errors import Denied, Invalid
from model.records import Role
from store import Query, audit, logins, totp, user_keys, users

PASSWORD = "correct horse battery"
WORDS = ("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=3")


async def with_password(house: House, name: str, role: Role = Role.MEMBER, password: str = PASSWORD) -> None:
    await house.a_user(name, role)
    await house.gate.perform(
        user_operations.set_password, GATE, name=name, password_hash=hash_password(password)
    )  # fmt: skip


async def setting(house: House, key: str, value: object) -> None:
    await house.gate.perform(settings.set_setting, GATE, key=key, value=value)


async def with_totp(house: House, name: str) -> pyotp.TOTP:
    """Set up and confirmed long ago, so that the code of this moment is unused."""
    made = await house.gate.perform(login_operations.set_up_totp, GATE, name=name)
    user = house.gate.snapshot.user(name).name
    await house.gate.store.write(lambda tx: totp.use_step(tx, user, 1))
    return pyotp.TOTP(str(made.secret).replace(" ", ""))


async def typed(terminal: InTerminal, prompt: bytes, answer: str) -> None:
    await terminal.until(prompt)
    await terminal.type(answer.encode() + b"\r")


class Asked(asyncssh.SSHClient):
    """A client that answers prompts in turn, and keeps them."""

    def __init__(self, answers: list[str]) -> None:
        self.answers, self.prompts, self.methods = answers, [], ()

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
        self.prompts += [prompt for prompt, _ in prompts]
        if len(self.answers) < len(prompts):
            return None
        return [self.answers.pop(0) for _ in prompts]


async def asked(house: House, name: str, client: asyncssh.SSHClient) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1", house.server.port, username=name, known_hosts=None, client_factory=lambda: client,
        client_keys=None, config=None, agent_path=None, preferred_auth="keyboard-interactive",
    )  # fmt: skip


async def answering(house: House, name: str, *answers: str) -> tuple[asyncssh.SSHClientConnection, Asked]:
    client = Asked(list(answers))
    return await asked(house, name, client), client


async def refused(house: House, name: str, *answers: str) -> str:
    with pytest.raises(asyncssh.Error) as fault:
        await answering(house, name, *answers)
    return str(fault.value)


def trail(house: House) -> list[str]:
    entries = house.gate.store.read(lambda r: audit.page(r, Query(sort="number", descending=True))).rows
    return [f"{entry.actor} {entry.action} {entry.subject}" for entry in entries]  # type: ignore[attr-defined]


# Passwords.


async def test_a_password_typed_at_the_prompt_gets_in(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        async with a_terminal(house, "me", user="bob", key=None, options=WORDS) as terminal:
            await typed(terminal, b"Password: ", PASSWORD)
            await terminal.until(b"bob@net.test member")
        assert house.faces.actors[0].method == "password"
        assert house.faces.actors[0].fresh_at is None
        await eventually(lambda: "bob@net.test login bob@net.test" in trail(house))


async def test_the_password_method_alone_is_enough_where_a_password_is(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        connection = await asyncssh.connect(
            "127.0.0.1", house.server.port, username="bob", password=PASSWORD, known_hosts=None, client_keys=None,
            config=None, agent_path=None, preferred_auth="password",
        )  # fmt: skip
        assert (await connection.run("me")).exit_status == 0
        connection.close()


async def test_unknown_disabled_service_and_wrong_are_asked_and_answered_alike(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await with_password(house, "gone")
        await house.gate.perform(user_operations.disable, GATE, names=["gone"])
        await house.a_user("robot", service=True)
        seen = set()
        for name in ("bob", "gone", "robot", "nobody", "no@where.test"):
            client = Asked(["wrong wrong wrong"])
            with pytest.raises(asyncssh.PermissionDenied) as fault:
                await asyncssh.connect(
                    "127.0.0.1", house.server.port, username=name, known_hosts=None, client_keys=None, config=None,
                    agent_path=None, preferred_auth="keyboard-interactive", client_factory=lambda c=client: c,
                )  # fmt: skip
            seen.add((tuple(client.prompts), str(fault.value).replace(name, "")))
        assert len(seen) == 1


async def test_a_password_is_hashed_for_nobody_as_for_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str | None] = []

    def counted(kept: str | None, password: str) -> bool:
        hashed.append(kept)
        return matches(kept, password)

    monkeypatch.setattr("gate.login.passwords.matches", counted)
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await with_password(house, "gone")
        await house.gate.perform(user_operations.disable, GATE, names=["gone"])
        for name in ("bob", "gone", "nobody"):
            await refused(house, name, "wrong wrong wrong")
            assert len(hashed) == 1
            hashed.clear()


@pytest.mark.parametrize("name", ["gone", "robot", "nobody"])
async def test_who_may_not_log_in_does_not_with_the_right_password_either(tmp_path: Path, name: str) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "gone")
        await house.gate.perform(user_operations.disable, GATE, names=["gone"])
        await house.a_user("robot", service=True)
        await refused(house, name, PASSWORD)


async def test_a_second_answer_before_the_first_is_looked_at_gets_nobody_in(tmp_path: Path) -> None:
    """Each challenge is consumed by its first answer; what comes after it is an answer to nothing."""
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")

        class Twice(Asked):
            async def kbdint_challenge_received(self, name, instructions, lang, prompts):  # type: ignore[no-untyped-def]
                packet = b"\x00\x00\x00\x01" + len(b"wrong").to_bytes(4, "big") + b"wrong"
                self.connection._auth.send_packet(61, packet)
                await asyncio.sleep(0.02)
                return [PASSWORD]

            def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
                self.connection = conn

        client = Twice([])
        with pytest.raises((asyncssh.Error, OSError)):
            await asyncssh.connect(
                "127.0.0.1", house.server.port, username="bob", known_hosts=None, client_keys=None, config=None,
                agent_path=None, preferred_auth="keyboard-interactive", client_factory=lambda: client,
            )  # fmt: skip


async def test_too_many_guesses_wait_and_a_key_still_gets_in(tmp_path: Path) -> None:
    async with a_house(tmp_path, attempts=50) as house:
        await with_password(house, "bob")
        await house.gate.perform(user_operations.add_key, GATE, name="bob", key=house.key("bob"))
        for _ in range(5):
            await refused(house, "bob", "wrong wrong wrong")
        assert "too many wrong logins; try again in" in await refused(house, "bob", PASSWORD)
        assert "too many wrong logins" in await refused(house, "bob", PASSWORD)
        assert (await house.run("bob", "me", key="bob")).status == 0
        await eventually(lambda: any("login locked bob@net.test" in line for line in trail(house)))
        assert house.gate.locked("bob@net.test") > 0
        await house.gate.perform(login_operations.unlock, GATE, name="bob")
        assert house.gate.locked("bob@net.test") == 0
        connection, _ = await answering(house, "bob", PASSWORD)
        connection.close()


async def test_a_storm_of_locks_fills_no_audit_trail(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        desk = house.server.keeper.desk
        for number in range(300):
            applicant = Applicant(name=f"user-{number}@net.test", user=None, source=f"10.0.{number % 256}.1")
            for _ in range(FREE):
                desk.count_guess(applicant)
        written = lambda: house.gate.store.read(  # noqa: E731
            lambda r: r.count("SELECT count(*) FROM audit WHERE action = 'login locked'")
        )
        await eventually(lambda: written() >= LOCKS_AT_ONCE)
        assert written() <= LOCKS_AT_ONCE + 5


async def test_failed_proofs_on_one_connection_are_counted(tmp_path: Path) -> None:
    async with (
        a_house(tmp_path, attempts=3) as house,
        a_terminal(house, "me", user="bob", key=None, options=("-o", "NumberOfPasswordPrompts=9")) as terminal,
    ):
        for _ in range(3):
            await typed(terminal, b"Password: ", "wrong wrong wrong")
        await terminal.until(b"too many failed logins on this connection")


async def test_without_passwords_and_providers_only_keys_are_offered(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await setting(house, "login.passwords", "off")
        ran = await house.run("bob", "me")
        assert "Permission denied (publickey)" in ran.err


async def test_a_login_ends_with_its_time(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await setting(house, "login.life", 60)
        connection, _ = await answering(house, "bob", PASSWORD)
        login = next(iter(house.server.keeper.people.of("bob@net.test"))).login  # type: ignore[arg-type]
        assert 0 < login._expiry.when() - asyncio.get_running_loop().time() <= 60  # type: ignore[union-attr]
        connection.close()


# The second factor.


async def test_password_and_code_get_in_and_are_fresh(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        generator = await with_totp(house, "bob")
        async with a_terminal(house, "me", user="bob", key=None, options=WORDS) as terminal:
            await typed(terminal, b"Password: ", PASSWORD)
            await typed(terminal, b"Code of your authenticator", f" {generator.now()} ")
            await terminal.until(b"bob@net.test member")
        actor = house.faces.actors[0]
        assert actor.fresh_at is not None
        assert abs(actor.fresh_at - time.time()) < 30
        await eventually(lambda: house.gate.store.read(lambda r: logins.newest(r, actor.user)) is not None)  # type: ignore[arg-type]
        record = house.gate.store.read(lambda r: logins.newest(r, actor.user))  # type: ignore[arg-type]
        assert record is not None
        assert record.factors == ("password", "totp")


async def test_a_code_serves_once_also_when_two_logins_race(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        code = (await with_totp(house, "bob")).now()
        tried = await asyncio.gather(
            *(answering(house, "bob", PASSWORD, code) for _ in range(4)), return_exceptions=True
        )
        inside = [one for one in tried if not isinstance(one, BaseException)]
        assert len(inside) == 1
        for connection, _ in inside:
            connection.close()


async def test_a_wrong_code_is_asked_again_a_few_times_and_then_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await with_totp(house, "bob")
        client = Asked([PASSWORD, "000000", "000 000", "x"])
        with pytest.raises(asyncssh.Error):
            await asyncssh.connect(
                "127.0.0.1", house.server.port, username="bob", known_hosts=None, client_keys=None, config=None,
                agent_path=None, preferred_auth="keyboard-interactive", client_factory=lambda: client,
            )  # fmt: skip
        assert sum("Code" in prompt for prompt in client.prompts) == 3


async def test_the_password_method_does_not_pass_the_second_factor_by(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await with_totp(house, "bob")
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "127.0.0.1", house.server.port, username="bob", password=PASSWORD, known_hosts=None, client_keys=None,
                config=None, agent_path=None, preferred_auth="password",
            )  # fmt: skip


async def test_a_right_password_does_not_buy_more_guesses_at_codes(tmp_path: Path) -> None:
    async with a_house(tmp_path, attempts=100) as house:
        await with_password(house, "bob")
        await with_totp(house, "bob")
        told = ""
        for _ in range(4):
            told = await refused(house, "bob", PASSWORD, "000000", "111111", "222222")
            if "too many" in told:
                break
        assert "too many wrong logins" in told


async def test_a_recovery_code_serves_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        made = await house.gate.perform(login_operations.set_up_totp, GATE, name="bob")
        await house.gate.store.write(lambda tx: totp.use_step(tx, "bob@net.test", 1))  # type: ignore[arg-type]
        code = str(made.recovery_codes[3])
        connection, _ = await answering(house, "bob", PASSWORD, code)
        connection.close()
        await refused(house, "bob", PASSWORD, code)


async def test_where_a_second_factor_is_demanded_it_is_set_up_at_the_first_login(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob", Role.OPERATOR)
        await setting(house, "login.second-factor", "operators")
        async with a_terminal(house, "me", user="bob", key=None, options=WORDS) as terminal:
            await typed(terminal, b"Password: ", PASSWORD)
            await terminal.until(b"Add this secret to your authenticator app: ")
            secret = (await terminal.until(b"(q for a QR code)")).decode()
            await typed(terminal, b"Code: ", "q")
            await terminal.until("█".encode())
            await typed(terminal, b"Code: ", pyotp.TOTP(re.sub(r"\s", "", secret)).now())
            await terminal.until(b"Keep them:")
            await typed(terminal, b"Enter: ", "")
            await terminal.until(b"bob@net.test operator")
        about = await house.gate.perform(login_operations.about, GATE, name="bob")
        assert (about.has_totp, about.recovery_codes_left) == (True, 10)


async def test_who_waits_with_a_stolen_password_replaces_no_authenticator(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await setting(house, "login.second-factor", "all")
        async with a_terminal(house, "me", user="bob", key=None, options=WORDS) as stranger:
            await typed(stranger, b"Password: ", PASSWORD)
            shown = await stranger.until(b"Code: ")
            secret = re.search(rb"app: ([A-Z2-7 ]+)", shown)
            assert secret
            generator = await with_totp(house, "bob")
            await stranger.type(pyotp.TOTP(secret[1].decode().replace(" ", "")).now().encode() + b"\r")
            await typed(stranger, b"Enter: ", "")
            await stranger.until(b"an authenticator was set up meanwhile")
        connection, _ = await answering(house, "bob", PASSWORD, generator.now())
        connection.close()


async def test_a_second_factor_that_is_not_confirmed_counts_for_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        made = await house.gate.perform(login_operations.set_up_totp, GATE, name="bob")
        connection, client = await answering(house, "bob", PASSWORD)
        assert client.prompts == ["Password: "]
        connection.close()
        with pytest.raises(Invalid):
            await house.gate.perform(login_operations.confirm_totp, GATE, name="bob", code="000000")
        code = pyotp.TOTP(str(made.secret).replace(" ", "")).now()
        await house.gate.perform(login_operations.confirm_totp, GATE, name="bob", code=code)
        await refused(house, "bob", PASSWORD, code)


# Invitations.


async def test_an_invitation_sets_a_password_and_serves_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        async with a_terminal(house, "me", user="bob", key=None, options=WORDS) as terminal:
            await typed(terminal, b"Password: ", code)
            await typed(terminal, b"Press Enter to set a password, k to register an SSH key: ", "")
            await typed(terminal, b"10 to 256 characters. New password: ", "too")
            await typed(terminal, b"Again: ", "too")
            await typed(terminal, b"a password has 10 to 256 characters. New password: ", PASSWORD)
            await typed(terminal, b"Again: ", PASSWORD + "x")
            await typed(terminal, b"They differ. New password: ", PASSWORD)
            await typed(terminal, b"Again: ", PASSWORD)
            await typed(terminal, b"y or n: ", "n")
            await terminal.until(b"bob@net.test member")
        connection, _ = await answering(house, "bob", PASSWORD)
        connection.close()
        await refused(house, "bob", code)
        assert any(line == "bob@net.test invitation used bob@net.test" for line in trail(house))
        assert not any(code in line or PASSWORD in line for line in trail(house))


@pytest.mark.parametrize("name", ["carol", "nobody"])
async def test_an_invitation_is_for_its_own_person(tmp_path: Path, name: str) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        await house.a_user("carol")
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        await refused(house, name, code, "", PASSWORD, PASSWORD, "n")


async def test_one_of_two_who_use_an_invitation_at_once_wins(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        tried = await asyncio.gather(
            *(answering(house, "bob", code, "", one, one, "n") for one in ("first password", "second password")),
            return_exceptions=True,
        )
        inside = [one for one in tried if not isinstance(one, BaseException)]
        assert len(inside) == 1
        inside[0][0].close()


async def test_a_newer_invitation_replaces_the_older(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        older = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        newer = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        await refused(house, "bob", older)
        connection, _ = await answering(house, "bob", newer, "", PASSWORD, PASSWORD, "n")
        connection.close()


@pytest.mark.parametrize("passwords", [pytest.param(True, id="of-two-ways"), pytest.param(False, id="the-only-way")])
async def test_an_invitation_registers_a_key(tmp_path: Path, passwords: bool) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        await setting(house, "login.issuers", NO_PROVIDER_OF_BOBS)
        await setting(house, "login.passwords", passwords)
        line = f"{house.key('new').line} bob@laptop"
        connection, client = await answering(house, "bob", code, "k", "rubbish", line)
        connection.close()
        assert client.prompts[1].endswith("an SSH key: ")
        assert client.prompts[3].startswith('"rubbish" is not a key type that is taken. Your public key')
        assert (await house.run("bob", "me", key="new")).status == 0
        (kept,) = house.gate.store.read(lambda r: user_keys.of(r, house.gate.snapshot.user("bob").name))
        assert kept.comment == "bob@laptop"
        await refused(house, "bob", code, "k", line)


NO_PROVIDER_OF_BOBS = {"other": {"issuer": "https://idp.test", "client_id": "wardgate", "domains": ["elsewhere.test"]}}
"""Keyboards are offered where someone may need one."""


@pytest.mark.parametrize("whose", ["the CA's", "a device's"])
async def test_a_key_that_is_something_else_uses_no_invitation_up(tmp_path: Path, whose: str) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        device = await house.a_device("db-1")
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        key = house.gate.snapshot.generations[0].key if whose == "the CA's" else house.key(device.name)
        assert "this" in await refused(house, "bob", code, "k", key.line)
        connection, _ = await answering(house, "bob", code, "", PASSWORD, PASSWORD, "n")
        connection.close()


# Logins as records.


def somebody(house: House, name: str, method: str = "password", fresh_at: int | None = None) -> Actor:
    user = house.gate.snapshot.user(name)
    return Actor(
        name=user.name, user=user.name, role=user.role, source="192.0.2.1", login_at=int(time.time()),
        method=method, fresh_at=fresh_at,
    )  # fmt: skip


async def test_a_key_for_the_time_of_a_login_is_as_old_and_fresh_as_that_login(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        actor = somebody(house, "bob", fresh_at=int(time.time()) - 500)
        await house.gate.perform(login_operations.add_login_key, actor, key=house.key("bob"))
        assert (await house.run("bob", "me", key="bob")).status == 0
        seen = house.faces.actors[-1]
        assert (seen.login_at, seen.fresh_at, seen.method) == (actor.login_at, actor.fresh_at, "password")


async def test_a_key_for_the_time_of_a_login_outlives_it_neither_by_certificates_nor_by_further_keys(
    tmp_path: Path,
) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        await house.a_device("bobs", user="bob@net.test")
        life = int(str(house.gate.snapshot.settings["login.life"]))
        late = msgspec.structs.replace(somebody(house, "bob"), login_at=int(time.time()) - life + 1000)
        end = (late.login_at or 0) + life
        await house.gate.perform(login_operations.add_login_key, late, key=house.key("bob"))
        assert (await house.run("bob", "me", key="bob")).status == 0
        by_key = house.faces.actors[-1]
        another = await house.gate.perform(login_operations.add_login_key, by_key, key=house.key("second"))
        issued = await house.gate.perform(certificate_operations.for_myself, by_key, key=house.key("third"))
        assert another.expires_at == end
        assert issued.valid_before <= end


async def test_a_registered_key_makes_no_key_for_the_time_of_a_login(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        for method in ("key", "local"):
            with pytest.raises(Denied, match="needs a login"):
                await house.gate.perform(
                    login_operations.add_login_key, somebody(house, "bob", method), key=house.key("bob")
                )


async def test_a_second_factor_is_replaced_over_a_login_with_it_alone(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob", Role.ADMIN)
        await with_totp(house, "bob")
        now = int(time.time())
        for fresh_at in (None, now - 1000):
            thief = somebody(house, "bob", fresh_at=fresh_at)
            for operation in (
                login_operations.set_up_totp, login_operations.remove_totp, login_operations.invite,
            ):  # fmt: skip
                with pytest.raises(Denied, match="second factor"):
                    await house.gate.perform(operation, thief, name="bob")
        await house.gate.perform(login_operations.set_up_totp, somebody(house, "bob", fresh_at=now - 10), name="bob")
        await house.gate.perform(login_operations.set_up_totp, somebody(house, "bob"), name="bob")


async def test_logging_out_closes_what_a_login_opened(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await house.gate.perform(login_operations.add_login_key, somebody(house, "bob"), key=house.key("bob"))
        connection, _ = await answering(house, "bob", PASSWORD)
        await eventually(lambda: len(house.gate.store.read(lambda r: logins.running(r, "bob@net.test"))) == 2)  # type: ignore[arg-type]
        await house.gate.perform(login_operations.logout, somebody(house, "bob"))
        await asyncio.wait_for(connection.wait_closed(), 10)
        assert (await house.run("bob", "me", key="bob")).status == 255
        assert house.gate.store.read(lambda r: logins.running(r, "bob@net.test")) == ()  # type: ignore[arg-type]


async def test_a_script_that_comes_every_minute_is_one_login(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        for _ in range(3):
            await house.run("alice", "me", key="alice")
        await eventually(lambda: "alice@net.test login alice@net.test" in trail(house))
        assert sum(line == "alice@net.test login alice@net.test" for line in trail(house)) == 1


async def test_the_key_for_emergencies_rings_through_the_audit(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=house.key("sealed"), break_glass=True)
        for _ in range(2):
            await house.run("alice", "me", key="sealed")
        rings = "alice@net.test login by break-glass key alice@net.test"
        await eventually(lambda: sum(line == rings for line in trail(house)) == 2)


async def test_secrets_reach_neither_log_nor_audit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(10)
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        generator = await with_totp(house, "bob")
        code = generator.now()
        connection, _ = await answering(house, "bob", PASSWORD, code)
        connection.close()
        await refused(house, "bob", "another secret guess", "x")
        written = caplog.text + "".join(trail(house))
        kept = house.gate.store.read(lambda r: users.password(r, house.gate.snapshot.user("bob").id))
        for secret in (PASSWORD, "another secret guess", generator.secret, str(kept)):
            assert secret not in written


async def test_disabling_a_person_ends_their_logins_for_good(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        await house.gate.perform(login_operations.add_login_key, somebody(house, "bob"), key=house.key("bob"))
        await house.gate.perform(user_operations.disable, GATE, names=["bob"])
        await house.gate.perform(user_operations.enable, GATE, names=["bob"])
        assert (await house.run("bob", "me", key="bob")).status == 255


@pytest.mark.parametrize("follow", ["on", "off"])
async def test_devices_follow_the_last_login_where_settings_say_so(tmp_path: Path, follow: str) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob")
        device = await house.a_device("bobs", user="bob@net.test")
        await setting(house, "devices.follow-login", follow)
        since = int(time.time()) - 5
        await house.gate.store.write(
            lambda tx: logins.start(
                tx,
                user="bob@net.test",
                method="password",
                factors=(),
                source="x",
                ends_at=tx.now,  # type: ignore[arg-type]
            )
        )
        ended = await house.gate.perform(login_operations.lapse, GATE, since=since)
        state = house.gate.snapshot.devices[device.id].state
        assert (ended, state.value) == ((("bob@net.test",), "expired") if follow == "on" else ((), "approved"))


async def test_who_is_disabled_while_they_log_in_does_not_get_in(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        async with a_terminal(house, "me", user="bob", key=None, options=WORDS) as terminal:
            await terminal.until(b"Password: ")
            await house.gate.perform(user_operations.disable, GATE, names=["bob"])
            await terminal.type(f"{PASSWORD}\r".encode())
            await terminal.until(b"your account was disabled")
        assert house.faces.actors == []


async def test_an_invitation_passes_no_authenticator_by(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        generator = await with_totp(house, "bob")
        code = str((await house.gate.perform(login_operations.invite, GATE, name="bob")).code)
        new = "another fine password"
        await refused(house, "bob", code, "", new, new, "000000")
        key = house.key("new").line
        await refused(house, "bob", code, "k", key, "000000")
        assert (await house.run("bob", "me", key="new")).status == 255
        house.server.keeper.desk.guesses.lift("bob@net.test")
        connection, client = await answering(house, "bob", code, "", new, new, generator.now())
        assert client.prompts[-1].startswith("Code of your authenticator")
        connection.close()


async def test_keys_whose_login_is_over_are_taken_out(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        user = await house.a_user("bob")
        await house.gate.store.write(lambda tx: user_keys.add(tx, user, house.key("old"), "", tx.now - 5))
        await house.gate.perform(login_operations.add_login_key, somebody(house, "bob"), key=house.key("bob"))
        kept = house.gate.store.read(lambda r: user_keys.of(r, user.name))
        assert [key.key for key in kept] == [house.key("bob")]
