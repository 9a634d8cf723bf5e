"""The enrollment door, with the real ssh."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from doors_harness import House, Peers, a_house

from gate.actor import GATE
from gate.services import enrollment_keys as key_operations
from model.enrollment import proof_mac


class Newcomer:
    """A device that wants in, with keys of its own."""

    def __init__(self, house: House, name: str) -> None:
        self.house, self.name = house, name
        self.ssh_key = house.key(name)
        private = subprocess.run(["wg", "genkey"], check=True, capture_output=True).stdout
        self.private = b64decode(private)
        self.public = (
            subprocess.run(["wg", "pubkey"], check=True, capture_output=True, input=private).stdout.decode().strip()
        )

    @contextlib.asynccontextmanager
    async def at_the_door(self) -> AsyncIterator[Peers]:
        line = Peers(await self.house.start("enroll", "enroll", key=self.name, options=("-s",)))
        try:
            yield line
        finally:
            await line.close()

    def mac(self, challenge: dict[str, str]) -> str:
        shared = X25519PrivateKey.from_private_bytes(self.private).exchange(
            X25519PublicKey.from_public_bytes(b64decode(challenge["gate_key"]))
        )
        return b64encode(proof_mac(shared, b64decode(challenge["nonce"]), self.ssh_key, self.public)).decode()

    def asks(self, enrollment_key: str, **more: object) -> dict[str, object]:
        return {
            "type": "enroll", "enrollment_key": enrollment_key, "name": self.name, "wireguard_key": self.public,
        } | more  # fmt: skip

    async def enroll(self, enrollment_key: str) -> dict[str, object]:
        async with self.at_the_door() as line:
            await line.say(self.asks(enrollment_key))
            answer = await line.next()
            if answer["type"] == "challenge":
                await line.say({"type": "proof", "mac": self.mac(answer)})  # type: ignore[arg-type]
                answer = await line.next()
            return answer


async def test_a_key_and_a_proof_make_a_device(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        newcomer = Newcomer(house, "db-1")
        answer = await newcomer.enroll(await house.an_enrollment_key(pre_approved=True))
        assert answer["type"] == "enrolled"
        assert (answer["device"]["name"], answer["device"]["state"]) == ("db-1", "approved")  # type: ignore[index]
        device = house.gate.snapshot.device("db-1")
        assert (device.ssh_key, device.wireguard_key) == (newcomer.ssh_key, newcomer.public)


async def test_a_single_use_key_has_one_winner_among_twenty(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = await house.an_enrollment_key()
        newcomers = [Newcomer(house, f"racer-{n}") for n in range(20)]
        answers = await asyncio.gather(*(newcomer.enroll(key) for newcomer in newcomers))
        assert sorted(answer["type"] for answer in answers).count("enrolled") == 1
        assert len(house.gate.snapshot.devices) == 1


async def test_a_proof_of_another_key_is_refused_and_uses_nothing_up(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = await house.an_enrollment_key()
        newcomer, thief = Newcomer(house, "db-1"), Newcomer(house, "thief")
        async with thief.at_the_door() as line:
            await line.say(thief.asks(key, wireguard_key=newcomer.public))
            challenge = await line.next()
            await line.say({"type": "proof", "mac": thief.mac(challenge)})  # type: ignore[arg-type]
            assert (await line.next())["code"] == "denied"
            assert await asyncio.wait_for(line.process.wait(), 10) == 1
        assert (await newcomer.enroll(key))["type"] == "enrolled"


async def test_a_nonce_serves_on_its_own_connection_alone(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = await house.an_enrollment_key()
        newcomer = Newcomer(house, "db-1")
        async with newcomer.at_the_door() as first, newcomer.at_the_door() as second:
            await first.say(newcomer.asks(key))
            await second.say(newcomer.asks(key))
            challenge, _ = await first.next(), await second.next()
            await second.say({"type": "proof", "mac": newcomer.mac(challenge)})  # type: ignore[arg-type]
            assert (await second.next())["code"] == "denied"


async def test_a_key_of_low_order_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        newcomer = Newcomer(house, "db-1")
        low = b64encode(b"\x01" + bytes(31)).decode()
        async with newcomer.at_the_door() as line:
            await line.say(newcomer.asks(await house.an_enrollment_key(), wireguard_key=low))
            assert "shares its secret with everyone" in (await line.next())["message"]  # type: ignore[operator]


NO_KEY = {"type": "enroll", "enrollment_key": "wge_x", "name": "a", "wireguard_key": "A"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param({"type": "proof", "mac": ""}, "answers a challenge", id="proof-first"),
        pytest.param({"type": "enroll"}, "not understood", id="nothing-in-it"),
        pytest.param(
            NO_KEY,
            "not an enrollment key",
            id="not-a-key",
        ),
        pytest.param(b"{", "not understood", id="not-json"),
        pytest.param(b"x" * 70_000, "at most 65536", id="endless"),
    ],
)
async def test_a_bad_line_is_refused_and_ends_it(tmp_path: Path, line: object, says: str) -> None:
    async with a_house(tmp_path) as house, Newcomer(house, "db-1").at_the_door() as door:
        await door.say(line if isinstance(line, dict) else line + b"\n")  # type: ignore[operator]
        answer = await door.next()
        assert says in answer["message"]  # type: ignore[operator]
        assert await asyncio.wait_for(door.process.wait(), 10) == 1


@pytest.mark.parametrize("wrong", ["unknown", "used", "revoked"])
async def test_a_key_that_does_not_serve_is_named(tmp_path: Path, wrong: str) -> None:
    async with a_house(tmp_path) as house:
        made = await house.gate.perform(key_operations.create, GATE, user="alice@net.test")
        key = str(made.key)
        if wrong == "unknown":
            key = key.replace(key[4:10], "abcdef")
        if wrong == "used":
            await Newcomer(house, "first").enroll(key)
        if wrong == "revoked":
            await house.gate.perform(key_operations.revoke, GATE, ids=[made.record.id])
        answer = await Newcomer(house, "db-1").enroll(key)
        assert answer["type"] == "refused"
        assert key not in json.dumps(answer)


async def test_guessing_enrollment_keys_is_slowed_down(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = await house.an_enrollment_key()
        wrong = key.replace(key[4:10], "abcdef")
        guesser = Newcomer(house, "guesser")
        codes = [(await guesser.enroll(wrong))["code"] for _ in range(7)]
        assert codes[0] != "limited"
        assert codes[-1] == "limited"


@pytest.mark.parametrize("words", [["peers"], ["sftp"]])
async def test_no_other_subsystem_is_there(tmp_path: Path, words: list[str]) -> None:
    async with a_house(tmp_path) as house:
        house.key("db-1")
        assert (await house.run("enroll", *words, key="db-1", options=("-s",))).status == 255


async def test_silence_is_answered_with_what_to_say(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.key("db-1")
        ran = await house.run("enroll", "enroll", key="db-1", options=("-s",))
        assert (ran.status, "nothing was asked for" in ran.out) == (1, True)
