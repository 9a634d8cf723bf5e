"""The agent's small pure parts: proofs, lines, names, paths, back-off, state on disk."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import socket
import stat
from pathlib import Path

import asyncssh
import msgspec
import pytest
from agent_values import a_netmap, a_peer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from agent import hosts
from agent.door import Gate, open_subsystem
from agent.enroll import prove
from agent.follow import LONGEST_WAIT, advance, back_off, greeting
from agent.ipshow import surroundings, tunnel
from agent.joining import join_anew
from agent.lines import LineBuffer
from agent.linux import Machine
from agent.options import UpOptions
from agent.paths import FRESH_HANDSHAKE, TRIAL, choose
from agent.paths import Path as PeerPath
from agent.reports import OBSERVED_AGAIN, Told, endpoints, news
from agent.state import AgentState, HostStanding, Link, Membership, public_key
from agent.status import resolve
from agent.tunnel import Surroundings
from agent.up import _Agent, turned
from model.enrollment import format_enrollment_key, parse_enrollment_key, proof_mac
from model.errors import Conflict, Invalid, NotFound, Unavailable
from model.ids import Address, DeviceID, Endpoint, Prefix, Version
from model.keys import SSHKey, WireGuardKey
from model.netmap import Delta, NetMap, delta, digest
from model.records import DeviceState
from model.wire import Challenge, Hello, Observed

SSH = SSHKey(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32)))

# Proofs and enrollment keys.


def a_challenge(gate_key: bytes, nonce: bytes = bytes(32)) -> Challenge:
    return Challenge(gate_key=base64.b64encode(gate_key).decode(), nonce=base64.b64encode(nonce).decode())


def test_the_gate_comes_to_the_same_proof_by_its_own_key() -> None:
    device, gate, nonce = X25519PrivateKey.generate(), X25519PrivateKey.generate(), os.urandom(32)
    proof = prove(a_challenge(gate.public_key().public_bytes_raw(), nonce), device, SSH)
    mine = public_key(device)
    shared = gate.exchange(X25519PublicKey.from_public_bytes(base64.b64decode(mine)))
    assert base64.b64decode(proof.mac) == proof_mac(shared, nonce, SSH, mine)


def test_the_proof_is_the_one_of_the_protocols_words() -> None:
    shared, nonce, key = bytes([7]) * 32, bytes([9]) * 32, WireGuardKey(base64.b64encode(bytes([5]) * 32).decode())
    mac = proof_mac(shared, nonce, SSH, key)
    assert mac.hex() == "54fb8ea351ab56b615afed71b59e981a69ee76948c6e8e9ab769b35defb99938"


@pytest.mark.parametrize("low_order", [bytes(32), bytes([1]) + bytes(31)], ids=["zero", "one"])
def test_a_gate_key_of_low_order_is_refused(low_order: bytes) -> None:
    with pytest.raises(Invalid, match="all zero"):
        prove(a_challenge(low_order), X25519PrivateKey.generate(), SSH)


@pytest.mark.parametrize("nonce", [b"", bytes(15)], ids=["none", "short"])
def test_a_short_nonce_is_refused(nonce: bytes) -> None:
    gate_key = X25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(Invalid, match="wrong length"):
        prove(a_challenge(gate_key, nonce), X25519PrivateKey.generate(), SSH)


@given(st.binary(min_size=32, max_size=32))
def test_an_enrollment_key_carries_the_host_cas_fingerprint(raw: bytes) -> None:
    ca = SSHKey(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw)
    key = format_enrollment_key("a1B2" * 7, ca)
    assert parse_enrollment_key(f" {key}\n").host_ca_fingerprint == ca.fingerprint


@pytest.mark.parametrize("text", ["", "wge_", "wge_short_" + "A" * 43, "wge_" + "a" * 28 + "_" + "A" * 42, "wge_é" * 9])
def test_what_is_no_enrollment_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_enrollment_key(text)
    assert not text or text not in str(caught.value)


# Lines.


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 7))
def test_lines_come_whole_however_they_are_cut(lines: list[bytes], size: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    buffer = LineBuffer(limit=64)
    assert [line for at in range(0, len(data), size) for line in buffer.feed(data[at : at + size])] == lines


def test_a_line_over_the_limit_is_refused_before_it_ends() -> None:
    buffer = LineBuffer(limit=10)
    assert list(buffer.feed(b"x" * 10)) == []
    with pytest.raises(Invalid, match="passed 10 bytes"):
        list(buffer.feed(b"x"))


# Following.


def test_a_delta_leads_to_the_newer_map() -> None:
    old, new = a_netmap(a_peer(2), version=4), a_netmap(a_peer(2), a_peer(3), version=6)
    change = delta(old, new)
    assert change is not None
    assert advance(old, change) == new


@pytest.mark.parametrize("base", [3, 5], ids=["older", "newer"])
def test_a_delta_over_another_version_asks_for_the_whole_map(base: int) -> None:
    assert advance(a_netmap(version=4), Delta(version=Version(9), base=Version(base))) is None


def test_a_delta_before_any_map_asks_for_the_whole_map() -> None:
    assert advance(None, Delta(version=Version(9), base=Version(1))) is None


def test_a_delta_that_leads_to_another_map_than_the_gates_asks_for_the_whole_map() -> None:
    old, new, other = a_netmap(version=4), a_netmap(a_peer(2), version=6), a_netmap(a_peer(3), version=6)
    change = delta(old, new)
    assert change is not None
    assert advance(old, msgspec.structs.replace(change, digest=digest(new))) == new
    assert advance(old, msgspec.structs.replace(change, digest=digest(other))) is None


def test_a_greeting_names_the_map_held() -> None:
    held = a_netmap(a_peer(2), version=4)
    assert greeting(held) == Hello(version=4, digest=digest(held))
    assert greeting(None) == Hello(version=0)


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_waits_are_bounded_and_never_nothing(attempt: int, jitter: float) -> None:
    assert 0.25 <= back_off(attempt, jitter) <= LONGEST_WAIT


# Paths.

A, B = Endpoint("192.0.2.1:1"), Endpoint("192.0.2.2:2")


def test_a_path_that_answers_is_kept() -> None:
    assert choose(PeerPath((A, B), A, 0), (A, B), A, FRESH_HANDSHAKE - 1, 1000).endpoint == A


def test_a_silent_endpoint_gives_way_to_the_next_and_the_last_to_the_first() -> None:
    assert choose(PeerPath((A, B), A, 0), (A, B), A, None, TRIAL).endpoint == B
    assert choose(PeerPath((A, B), B, 0), (A, B), B, None, TRIAL).endpoint == A


def test_an_endpoint_has_its_time_to_answer() -> None:
    assert choose(PeerPath((A, B), A, 0), (A, B), A, None, TRIAL - 1).endpoint == A


def test_an_endpoint_that_wireguard_followed_is_kept_while_it_answers() -> None:
    roamed = Endpoint("198.51.100.7:9")
    assert choose(PeerPath((A, B), A, 0), (A, B), roamed, 10, 1000).endpoint == roamed


def test_an_endpoint_that_the_peer_withdrew_is_left_at_once() -> None:
    assert choose(PeerPath((A,), A, 0), (B,), A, 10, 1).endpoint == B


def test_a_peer_without_endpoints_is_waited_for() -> None:
    assert choose(PeerPath(), (), None, None, 1).endpoint is None


# Names.


@given(st.text().filter(lambda text: "# wardgate" not in text))
def test_a_hosts_file_is_as_before_once_the_block_is_out(text: str) -> None:
    block = hosts.block({}, "net.example.com")
    once = hosts.with_block(text, block)
    assert hosts.without_block(once) == text
    assert hosts.with_block(once, block) == once


def test_names_are_sorted_with_a_short_form_for_those_under_the_domain() -> None:
    names = {
        "web.net.example.com": {"A": ("100.64.0.2",), "AAAA": ("fd7a:115c:a1e0::2",)},
        "api.example.org": {"A": ("100.64.0.3",), "TXT": ("x",)},
    }
    assert hosts.block(names, "net.example.com").splitlines()[1:-1] == [  # type: ignore[arg-type]
        "100.64.0.3 api.example.org",
        "100.64.0.2 web.net.example.com web web.net.example.com.",
        "fd7a:115c:a1e0::2 web.net.example.com web web.net.example.com.",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("localhost", "100.64.0.2", id="this-machine"),
        pytest.param("evil\n127.0.0.1 bank.example", "100.64.0.2", id="a-second-line"),
        pytest.param("a b.net.example.com", "100.64.0.2", id="a-space"),
        pytest.param("web.net.example.com", "100.64.0.2 bank.example", id="value-with-a-name"),
        pytest.param("web.net.example.com", "not-an-address", id="no-address"),
    ],
)
def test_what_could_mean_something_else_is_left_out(name: str, value: str) -> None:
    assert hosts.block({name: {"A": (value,)}}, "net.example.com").splitlines()[1:-1] == []  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["localhost", "wpad", "isatap"])
def test_a_device_called_as_machines_look_for_by_themselves_has_no_short_form(name: str) -> None:
    lines = hosts.block({f"{name}.net.example.com": {"A": ("100.64.0.2",)}}, "net.example.com").splitlines()  # type: ignore[dict-item]
    assert lines[1:-1] == [f"100.64.0.2 {name}.net.example.com"]


def test_a_name_is_resolved_short_full_or_by_address() -> None:
    netmap = a_netmap(a_peer(2), names={"api.net.example.com": {"A": ("100.64.0.9",)}})  # type: ignore[dict-item]
    assert resolve(netmap, "peer-2") == ("100.64.0.2", "fd7a:115c:a1e0::2")
    assert resolve(netmap, "Peer-2.net.example.com.") == ("100.64.0.2", "fd7a:115c:a1e0::2")
    assert resolve(netmap, "api") == ("100.64.0.9",)
    assert resolve(netmap, "100.64.0.2") == ("100.64.0.2",)
    with pytest.raises(NotFound):
        resolve(netmap, "nobody")


# What the machine shows, and what the gate is told.


def an_interface(name: str, *addresses: tuple[str, int, str], flags: list[str] | None = None) -> dict[str, object]:
    keys = ("local", "prefixlen", "scope")
    info = [dict(zip(keys, address, strict=True)) for address in addresses]
    return {"ifname": name, "mtu": 1280, "flags": flags or ["UP"], "addr_info": info}


def an_ip_show(*interfaces: dict[str, object]) -> str:
    """With the empty object that `ip` prints for each interface that a filter left out."""
    return json.dumps([*interfaces, {}])


def test_addresses_on_the_way_out_come_first_and_those_of_no_use_not_at_all() -> None:
    shown = an_ip_show(
        an_interface("lo", ("127.0.0.1", 8, "host"), flags=["LOOPBACK", "UP"]),
        an_interface("br0", ("172.17.0.1", 16, "global")),
        an_interface("eth0", ("192.0.2.1", 24, "global"), ("2001:db8::1", 64, "global"), ("fe80::1", 64, "link")),
        an_interface("wg-ward0", ("100.64.0.1", 32, "global")),
    )
    around = surroundings(shown, ['[{"dst":"default","dev":"eth0"}]', "[]"], "wg-ward0")
    assert around.addresses == ("192.0.2.1", "2001:db8::1", "172.17.0.1")
    assert around.connected == ("172.17.0.0/16", "192.0.2.0/24", "2001:db8::/64")


def test_an_interface_is_read_with_its_peers_and_routes() -> None:
    shown = an_ip_show(an_interface("wg0", ("100.64.0.1", 32, "global")))
    rows = [
        ["PRIV", "PUB=", "51820", "off"],
        ["K2=", "(none)", "192.0.2.1:5", "100.64.0.2/32,fd7a::2/128", "1700000000", "1", "2", "25"],
        ["K3=", "(none)", "(none)", "(none)", "0", "0", "0", "off"],
    ]
    dump = "\n".join("\t".join(row) for row in rows)
    live = tunnel(shown, ['[{"dst":"100.64.0.0/10"},{"dst":"10.0.0.1"}]', "[]"], dump)
    assert (live.listen_port, live.key, live.up, live.mtu) == (51820, "PUB=", True, 1280)
    assert live.routes == {"100.64.0.0/10", "10.0.0.1/32"}
    assert live.peers[WireGuardKey("K2=")].allowed_ips == {"100.64.0.2/32", "fd7a::2/128"}
    assert live.peers[WireGuardKey("K3=")].endpoint is None


def test_a_device_never_tells_an_address_inside_the_network_as_its_endpoint() -> None:
    around = Surroundings(addresses=(Address("100.64.0.1"), Address("2001:db8::1")))
    told = endpoints(around, 51820, (Prefix("100.64.0.0/10"), Prefix("fd7a:115c:a1e0::/48")))
    assert told.endpoints == ("[2001:db8::1]:51820",)


def test_only_news_are_told_and_observations_again_before_they_lapse() -> None:
    here = Told(endpoints=endpoints(Surroundings(addresses=(Address("192.0.2.1"),)), 1, ()))
    seen = Observed(peers={DeviceID("2"): A}, handshakes={DeviceID("2"): 7})
    lines, told = news(Told(), Told(endpoints=here.endpoints, observed=seen, observed_at=1000))
    assert lines == (here.endpoints, seen)
    older = Observed(peers=seen.peers, handshakes={DeviceID("2"): 8})
    lines, told = news(told, Told(endpoints=here.endpoints, observed=older, observed_at=1001))
    assert lines == ()
    lines, _ = news(told, Told(endpoints=here.endpoints, observed=seen, observed_at=1001 + OBSERVED_AGAIN))
    assert lines == (seen,)


# State on disk.


def a_state(tmp_path: Path) -> AgentState:
    state = AgentState(tmp_path / "state")
    state.prepare()
    return state


async def test_a_machine_in_no_network_that_names_no_gate_is_told_both_ways_to_join(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="in no network yet") as refused:
        await join_anew(UpOptions(), AgentState(tmp_path / "state"), print)
    assert refused.value.hint == "join one: wardgate up GATE --key-file FILE, or wardgate up NAME@GATE"


def test_keys_are_made_once_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    state = a_state(tmp_path)
    assert public_key(state.wireguard_key()) == public_key(state.wireguard_key())
    assert state.device_key().public_data == state.device_key().public_data
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.path.iterdir()} == {0o600}
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    state = a_state(tmp_path)
    membership = Membership(host="gate", port=2222, host_ca_fingerprint="SHA256:x", listen_port=51820)
    netmap = a_netmap(a_peer(2))
    state.put_membership(membership)
    state.put_netmap(netmap)
    assert (state.membership(), state.netmap()) == (membership, netmap)


def test_a_damaged_map_is_as_none_and_a_damaged_membership_is_told(tmp_path: Path) -> None:
    state = a_state(tmp_path)
    (state.path / "netmap.json").write_text('{"type": "netmap"')
    (state.path / "membership.json").write_text("x")
    assert state.netmap() is None
    with pytest.raises(Unavailable, match="damaged"):
        state.membership()


def test_one_agent_holds_a_state_at_a_time(tmp_path: Path) -> None:
    state = a_state(tmp_path)
    with state.hold():
        assert state.holder() == os.getpid()
        with pytest.raises(Conflict, match=f"process {os.getpid()}"), AgentState(state.path).hold():
            pass
    assert state.holder() is None


# What the terminal is told.


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("pending", "approved", "approved: this machine is laptop, 100.64.0.1 and fd7a:115c:a1e0::1"),
        ("approved", "expired", "this device is expired now"),
        ("approved", "approved", None),
    ],
)
def test_a_device_that_is_taken_in_or_put_out_is_told_at_its_terminal(before: str, now: str, said: str | None) -> None:
    device = a_netmap().device
    was, is_now = (msgspec.structs.replace(device, state=DeviceState(state)) for state in (before, now))
    assert turned(was, is_now) == said


async def test_a_gate_that_nobody_listens_at_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gate = Gate(host="127.0.0.1", port=port, host_cas=frozenset())
    with pytest.raises(Unavailable, match=r"cannot be reached: connection refused$"):
        await open_subsystem(gate, "device", "peers", asyncssh.generate_private_key("ssh-ed25519"))


# The agent's loop, on a machine that is not touched.


class AgentAtWork:
    """An agent that was given one map; what it does to the machine is written down, or fails."""

    def __init__(self, folder: Path, fails: str = "") -> None:
        self.state, self.said = AgentState(folder), list[str]()
        self.state.prepare()
        options = UpOptions(state=folder, sshd_folder=folder, hosts_file=None, interface="none")
        member = Membership(host="gate", port=2222, host_ca_fingerprint="SHA256:x", listen_port=1)
        machine = Machine("none", "none", folder / "key")
        self.agent = _Agent(options, self.state, self.said.append, machine, member, may_join_anew=False)
        self.done: list[tuple[str, int]] = []
        for name in ("keep", "keep_logins"):
            setattr(self.agent._keeper, name, lambda *_, name=name: self._work(name, fails))

    def _work(self, name: str, fails: str) -> None:
        saved = self.state.netmap()
        self.done.append((name, saved.version if saved else 0))
        if name == fails:
            raise Unavailable("it fails")

    async def follows(self, netmap: NetMap) -> None:
        self.agent._follower.held = netmap
        self.agent._changed.set()
        work = asyncio.create_task(self.agent._keep_in_step())
        while len(self.done) < 2 and not work.done():
            await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_a_map_is_kept_before_anything_is_made_of_it(tmp_path: Path) -> None:
    at_work = AgentAtWork(tmp_path)
    await at_work.follows(a_netmap(version=7))
    assert at_work.done == [("keep", 7), ("keep_logins", 7)]


async def test_a_tunnel_that_fails_keeps_no_revocation_from_sshd(tmp_path: Path) -> None:
    at_work = AgentAtWork(tmp_path, fails="keep")
    await at_work.follows(a_netmap())
    assert [name for name, _ in at_work.done] == ["keep", "keep_logins"]
    assert at_work.said == ["this machine is not in step with the network: it fails"]


async def test_a_disk_that_is_full_keeps_no_map_from_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(netmap: NetMap) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    at_work = AgentAtWork(tmp_path)
    monkeypatch.setattr(at_work.state, "put_netmap", full)
    await at_work.follows(a_netmap())
    assert [name for name, _ in at_work.done] == ["keep", "keep_logins"]
    assert at_work.said[0].startswith("the map is not kept for the next start")


def test_what_only_status_reads_is_left_out_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, mode: int = 0o600) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    state = a_state(tmp_path)
    state.put_link(Link(since=1))
    monkeypatch.setattr("agent.state.write_whole", full)
    state.put_link(Link(since=2))
    state.put_host_standing(HostStanding(problem="none"))
    assert state.link() == Link(since=1)
    with pytest.raises(OSError, match="No space"):
        state.put_netmap(a_netmap())
