"""The agents' door, with the real ssh."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import msgspec
import pytest
from doors_harness import House, Peers, a_house, a_wireguard_key, eventually, peers, run

from gate import netmaps
from gate.actor import GATE
from gate.services import agents as agent_operations
from gate.services import devices as device_operations
from model.netmap import Delta, NetMap, apply_delta
from store import certificates


async def test_a_registered_device_gets_its_whole_map_without_asking(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        await house.a_device("db-2")
        ran_out = await house.start("device", "peers", key="db-1", options=("-s",))
        assert ran_out.stdin
        ran_out.stdin.close()
        whole = msgspec.json.decode(await asyncio.wait_for(ran_out.stdout.readline(), 10))  # type: ignore[union-attr]
        assert (whole["type"], whole["device"]["name"]) == ("netmap", "db-1")
        assert [peer["name"] for peer in whole["peers"]] == ["db-2"]
        ran_out.kill()
        await ran_out.wait()


async def test_a_client_whose_stdin_is_at_its_end_still_hears_of_changes(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        process = await house.start("device", "peers", key="db-1", options=("-s", "-n"))
        out = process.stdout
        assert out
        await asyncio.wait_for(out.readline(), 10)
        await house.a_device("db-2")
        change = msgspec.json.decode(await asyncio.wait_for(out.readline(), 10))
        assert (change["type"], change["peers"][0]["name"]) == ("delta", "db-2")
        process.kill()
        await process.wait()


@pytest.mark.parametrize("words", [["enroll"], ["sftp"], [""]])
async def test_no_other_subsystem_is_there(tmp_path: Path, words: list[str]) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        assert (await house.run("device", *words, key="db-1", options=("-s",))).status == 255


async def test_neither_command_nor_shell_is_there(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        assert (await house.run("device", "devices list", key="db-1")).status == 255
        assert (await house.run("device", key="db-1", options=("-T",))).status == 255
        assert house.faces.actors == []


async def test_a_persons_key_is_no_devices(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("device", "peers", key="alice", options=("-s",))
        assert "Permission denied (publickey)" in ran.err


async def test_who_comes_online_is_seen(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        device = await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            assert house.gate.presence.online(device.id)
        await eventually(lambda: not house.gate.presence.online(device.id))


async def test_changes_of_a_moment_become_one_delta(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        others = [await house.a_device(f"other-{n}") for n in range(5)]
        async with peers(house, "db-1") as agent:
            whole = await agent.next()
            renames = [
                house.gate.perform(device_operations.rename, GATE, name=one.name, new=f"renamed-{one.id}")
                for one in others
            ]
            await asyncio.gather(*renames)
            change = await agent.next()
            assert change["base"] == whole["version"]
            assert len(change["peers"]) == 5


async def test_every_delta_follows_the_one_before_and_ends_at_the_truth(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        first = await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            held = msgspec.convert(await agent.next(), NetMap)
            for number in range(6):
                await house.a_device(f"other-{number}")
                await house.gate.perform(device_operations.rename, GATE, name=f"other-{number}", new=f"new-{number}")
                if number % 2:
                    await house.gate.perform(device_operations.remove, GATE, names=[f"new-{number}"])
            truth = netmaps.netmap(house.gate.snapshot, first.id)
            while msgspec.structs.replace(held, version=truth.version) != truth:
                held = apply_delta(held, msgspec.convert(await agent.next(), Delta))


async def test_a_pending_device_waits_on_its_connection_and_hears_of_its_approval(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-2")
        key = await house.an_enrollment_key()
        device = await enroll_directly(house, key, "db-1")
        assert device.state == "pending"
        async with peers(house, "db-1") as agent:
            whole = await agent.next()
            assert (whole["device"]["state"], whole.get("peers", [])) == ("pending", [])
            await house.gate.perform(device_operations.approve, GATE, names=["db-1"])
            change = await agent.next()
            assert change["set"]["device"]["state"] == "approved"
            assert [peer["name"] for peer in change["peers"]] == ["db-2"]


async def enroll_directly(house, key: str, name: str):  # type: ignore[no-untyped-def]
    from model.enrollment import parse_enrollment_key

    actor = msgspec.structs.replace(GATE, name="enroll", source="192.0.2.1")
    return await house.gate.perform(
        agent_operations.enroll, actor, enrollment_key_hash=parse_enrollment_key(key).hash, name=name,
        wireguard=a_wireguard_key(), ssh_key=house.key(name),
    )  # fmt: skip


async def test_an_agent_that_resumes_gets_what_it_missed(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            held = msgspec.convert(await agent.next(), NetMap)
        second = await house.a_device("db-2")
        async with house.client("device", "db-1") as client:
            process = await client.create_process(subsystem="peers", encoding=None)
            process.stdin.write(b'{"type": "hello", "version": %d}\n' % held.version)
            line = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 10))
            assert line["type"] == "delta"
            held = apply_delta(held, msgspec.convert(line, Delta))
            assert [peer.id for peer in held.peers] == [second.id]


# What an agent reports.


async def test_an_endpoint_that_one_reports_reaches_those_who_see_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        await house.a_device("db-2")
        async with peers(house, "db-1") as one, peers(house, "db-2") as two:
            await one.next()
            await two.next()
            await one.say({"type": "endpoints", "endpoints": ["192.0.2.7:51820"]})
            change = await two.next()
            assert change["peers"][0]["endpoints"] == ["192.0.2.7:51820"]


async def test_an_observed_endpoint_is_handed_on_and_lapses(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        first = await house.a_device("db-1")
        await house.a_device("db-2")
        await house.a_device("db-3")
        async with peers(house, "db-2") as observer, peers(house, "db-3") as other:
            await observer.next()
            await other.next()
            sight = {"peers": {first.id: "203.0.113.9:4242"}, "handshakes": {first.id: 41, "no-such": 1}}
            await observer.say({"type": "observed", **sight})
            assert (await other.next())["peers"][0]["endpoints"] == ["203.0.113.9:4242"]
            assert house.gate.snapshot.devices[first.id].endpoints == ()
            (told,) = house.gate.presence.sights_of(first.id).values()
            assert told.handshake_at is not None
            house.gate.presence._clock = lambda: 4e9
            house.server.keeper.agents.sweep()
            assert (await other.next())["peers"][0].get("endpoints", []) == []


async def test_a_host_certificate_is_for_the_devices_own_names(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        device = await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say({"type": "host-certificate", "key": house.key("sshd").line})
            answer = await agent.until(lambda line: line["type"] == "host-certificate")
        (tmp_path / "x-cert.pub").write_text(answer["certificate"])
        shown = (await run(["ssh-keygen", "-L", "-f", str(tmp_path / "x-cert.pub")])).out
        assert "db-1.net.test" in shown
        assert device.ipv4 in shown


async def test_a_host_shows_by_a_signature_that_its_host_key_is_its_own(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        host_key = house.key("sshd").line
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say({"type": "host-certificate", "key": host_key, "prove": True})
            nonce = (await agent.until(lambda line: line["type"] == "host-challenge"))["nonce"]
            proof = await signed(tmp_path, house, nonce, by="db-1")
            await agent.say({"type": "host-certificate", "key": host_key, "proof": proof})
            assert (await agent.until(lambda line: line["type"] == "refused"))["about"] == "host-certificate"
            await agent.say({"type": "host-certificate", "key": host_key, "prove": True})
            nonce = (await agent.until(lambda line: line["type"] == "host-challenge"))["nonce"]
            proof = await signed(tmp_path, house, nonce, by="sshd")
            for answer in ("host-certificate", "refused"):  # it serves once
                await agent.say({"type": "host-certificate", "key": host_key, "proof": proof})
                assert (await agent.next())["type"] == answer
        (issued,) = house.gate.store.read(lambda r: certificates.with_key(r, house.key("sshd").fingerprint))
        assert issued.key_proved


async def signed(folder: Path, house: House, nonce: str, *, by: str) -> str:
    text = f"wardgate-host-key-1 {nonce} {house.key('db-1').fingerprint}"
    (folder / "said").write_text(text)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "wardgate-host-key", "-f", str(house.folder / by)]
    return (await run(["sh", "-c", f"{' '.join(sign)} < {folder}/said"])).out


async def test_a_wireguard_key_is_replaced_by_proof_alone(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        device = await house.a_device("db-1")
        private, public = a_pair()
        async with peers(house, "db-1") as agent:
            await agent.next()
            await agent.say({"type": "rotate-key", "wireguard_key": public})
            challenge = await agent.next()
            await agent.say({"type": "proof", "mac": "AAAA"})
            assert (await agent.next())["code"] == "denied"
            await agent.say({"type": "proof", "mac": a_mac(challenge, private, public, house.key("db-1"))})
            assert "answers a challenge" in (await agent.next())["message"]
            await agent.say({"type": "rotate-key", "wireguard_key": public})
            challenge = await agent.next()
            await agent.say({"type": "proof", "mac": a_mac(challenge, private, public, house.key("db-1"))})
            change = await agent.next()
            assert change["set"]["device"]["wireguard_key"] == public
        assert house.gate.snapshot.devices[device.id].wireguard_key == public


async def test_a_reader_that_stops_gets_the_last_state_in_order(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        first = await house.a_device("db-1")
        for number in range(40):
            await house.a_device(f"other-{number}")
        client = await house.connect("device", "db-1")
        process = await client.create_process(subsystem="peers", encoding=None, window=16_384)
        held = msgspec.convert(msgspec.json.decode(await process.stdout.readline()), NetMap)
        for turn in range(60):
            await asyncio.gather(
                *(
                    house.gate.perform(
                        agent_operations.report_endpoints,
                        GATE,
                        device=id,
                        endpoints=[f"192.0.2.{turn + 1}:{1000 + turn}"],
                    )
                    for id in list(house.gate.snapshot.devices)[1:]
                )
            )
        deltas = 0
        truth = netmaps.netmap(house.gate.snapshot, first.id)
        while msgspec.structs.replace(held, version=truth.version) != truth:
            line = await asyncio.wait_for(process.stdout.readline(), 20)
            held = apply_delta(held, msgspec.convert(msgspec.json.decode(line), Delta))
            deltas += 1
        assert deltas < 60
        client.close()


async def test_an_ending_gate_tells_its_agents_when_to_come_back(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with peers(house, "db-1") as agent:
            await agent.next()
            await asyncio.wait_for(house.server.close(), 10)
            told = await agent.next()
            assert (told["code"], told["retry_after"] > 0) == ("limited", True)


async def test_what_many_are_seen_at_is_told_in_slices_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.doors.agents.SHOWN", 2)
    monkeypatch.setattr("gate.slicing.SLICE", 0.0)
    async with a_house(tmp_path) as house:
        observer = await house.a_device("db-1")
        others = [await house.a_device(f"other-{number}") for number in range(7)]
        seen = {other.id: f"203.0.113.{number + 1}:41641" for number, other in enumerate(others)}
        async with peers(house, "db-1") as agent, peers(house, "other-0") as other:
            held = msgspec.convert(await agent.next(), NetMap)
            assert held.peers == netmaps.netmap(house.gate.snapshot, observer.id).peers
            await other.next()
            await agent.say({"type": "observed", "peers": seen})
            told = await other.next()
            assert {peer["id"]: peer["endpoints"] for peer in told["peers"]} == {
                id: [endpoint] for id, endpoint in seen.items() if id != others[0].id
            }


async def test_others_are_told_what_an_agent_reported_though_it_leaves_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.slicing.SLICE", 0.0)
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        seen = await house.a_device("db-2")
        agents = house.server.keeper.agents
        async with peers(house, "db-1") as agent:
            await agent.next()
            showing = asyncio.create_task(agents.show([seen.id]))
            await asyncio.sleep(0)
            showing.cancel()
            assert (await agent.next())["peers"][0]["id"] == seen.id


async def test_two_sessions_on_one_connection_are_one_too_many(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        async with house.client("device", "db-1") as client:
            await client.create_process(subsystem="peers")
            with pytest.raises(asyncssh.ChannelOpenError):
                await client.create_process(subsystem="peers")


def a_pair() -> tuple[str, str]:
    import subprocess

    private = subprocess.run(["wg", "genkey"], check=True, capture_output=True, text=True).stdout
    public = subprocess.run(["wg", "pubkey"], check=True, capture_output=True, text=True, input=private).stdout
    return private.strip(), public.strip()


def a_mac(challenge: dict, private: str, public: str, key) -> str:  # type: ignore[no-untyped-def, type-arg]
    from base64 import b64decode, b64encode

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    from model.enrollment import proof_mac

    gate_key = X25519PublicKey.from_public_bytes(b64decode(challenge["gate_key"]))
    shared = X25519PrivateKey.from_private_bytes(b64decode(private)).exchange(gate_key)
    return b64encode(proof_mac(shared, b64decode(challenge["nonce"]), key, public)).decode()


@pytest.mark.parametrize("renewed_by", ["the-client", "the-gate"])
async def test_deltas_go_on_in_order_while_keys_are_renewed_under_them(tmp_path: Path, renewed_by: str) -> None:
    """A delta takes a way of its own past asyncssh: nonces and numbers of packets have to go on over new keys."""
    async with a_house(tmp_path) as house:
        await house.a_device("db-1")
        other = await house.a_device("db-2")
        limit = "RekeyLimit=16K" if renewed_by == "the-client" else "RekeyLimit=default"
        process = await house.start("device", "peers", key="db-1", options=("-s", "-v", "-o", limit))
        listening = Peers(process)
        held = msgspec.convert(await listening.next(), NetMap)
        (door,) = house.server.keeper.open
        if renewed_by == "the-gate":
            door._connection._rekey_bytes = 16_384  # type: ignore[union-attr]
        for number in range(300):
            endpoints = [f"192.0.2.{number % 250 + 1}:{port}" for port in range(1000, 1008)]
            await house.gate.perform(agent_operations.report_endpoints, GATE, device=other.id, endpoints=endpoints)
            if number % 3 == 0:
                await asyncio.sleep(0.005)
        truth = netmaps.netmap(house.gate.snapshot, held.device.id)
        while held.peers != truth.peers:
            held = apply_delta(held, msgspec.convert(await listening.next(), Delta))
        process.kill()
        log = (await process.stderr.read()).decode()  # type: ignore[union-attr]
        assert log.count("SSH2_MSG_NEWKEYS received") > 2
        await process.wait()
