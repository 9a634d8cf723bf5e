"""Plans, as functions of two values: they reach what is wanted, touch nothing else, and then have nothing to do."""

from __future__ import annotations

import msgspec
from agent_values import a_netmap, a_peer, a_wireguard_key
from hypothesis import given
from hypothesis import strategies as st

from agent.plan import (
    AddAddress,
    AddRoutes,
    BringUp,
    CreateInterface,
    Desired,
    Forward,
    Live,
    LoadRuleset,
    Operation,
    RemoveAddress,
    RemovePeers,
    RemoveRoutes,
    SetInterface,
    SetPeers,
    plan,
)
from agent.tunnel import LivePeer, LiveTunnel, Surroundings, Tunnel, TunnelPeer, accepted, candidates, wanted
from model.ids import Address, Endpoint, Prefix

NOTHING_AROUND = Surroundings()
PREFIXES = st.integers(0, 30).map(lambda n: Prefix(f"10.{n}.0.0/16"))
PEERS = st.builds(
    TunnelPeer,
    key=st.integers(2, 12).map(a_wireguard_key),
    allowed_ips=st.frozensets(PREFIXES, max_size=3),
    endpoint=st.none() | st.integers(1, 9).map(lambda n: Endpoint(f"192.0.2.{n}:51820")),
    keepalive=st.sampled_from([0, 25]),
)
TUNNELS = st.builds(
    Tunnel,
    listen_port=st.sampled_from([51820, 51821]),
    key=st.just(a_wireguard_key(1)),
    addresses=st.frozensets(st.integers(1, 4).map(lambda n: Prefix(f"100.64.0.{n}/32")), max_size=2),
    routes=st.frozensets(PREFIXES, max_size=6),
    peers=st.lists(PEERS, max_size=6).map(lambda peers: {peer.key: peer for peer in peers}),
)
DESIRED = st.builds(
    Desired,
    tunnel=TUNNELS,
    ruleset=st.sampled_from(["a", "b"]),
    forward=st.frozensets(st.sampled_from([4, 6])),
)


def performed(live: Live, steps: tuple[Operation, ...], key: str) -> Live:
    """What a machine has after `steps`: the meaning of each operation, in a few lines."""
    tunnel, ruleset, forwarded = live.tunnel, live.ruleset, live.forwarded
    replace = msgspec.structs.replace
    for step in steps:
        match step:
            case LoadRuleset(text=text):
                ruleset = text
                continue
            case Forward(version=version):
                forwarded |= {version}
                continue
            case CreateInterface():
                tunnel = LiveTunnel(
                    listen_port=0, key="", addresses=frozenset(), routes=frozenset(), peers={}, up=False, mtu=1420  # type: ignore[arg-type]
                )  # fmt: skip
                continue
        assert tunnel is not None
        match step:
            case SetInterface(listen_port=port):
                tunnel = replace(tunnel, listen_port=port, key=key)
            case BringUp(mtu=mtu):
                tunnel = replace(tunnel, up=True, mtu=mtu)
            case AddAddress(address=address):
                tunnel = replace(tunnel, addresses=tunnel.addresses | {address})
            case RemoveAddress(address=address):
                tunnel = replace(tunnel, addresses=tunnel.addresses - {address})
            case AddRoutes(prefixes=prefixes):
                tunnel = replace(tunnel, routes=tunnel.routes | set(prefixes))
            case RemoveRoutes(prefixes=prefixes):
                tunnel = replace(tunnel, routes=tunnel.routes - set(prefixes))
            case RemovePeers(keys=keys):
                tunnel = replace(tunnel, peers={k: peer for k, peer in tunnel.peers.items() if k not in keys})
            case SetPeers(peers=peers):
                changed = {
                    peer.key: LivePeer(
                        key=peer.key,
                        allowed_ips=peer.allowed_ips,
                        endpoint=peer.endpoint
                        or (tunnel.peers[peer.key].endpoint if peer.key in tunnel.peers else None),
                        keepalive=peer.keepalive,
                    )
                    for peer in peers
                }
                tunnel = replace(tunnel, peers={**tunnel.peers, **changed})
    return Live(tunnel=tunnel, ruleset=ruleset, forwarded=forwarded)


def set_on(tunnel: LiveTunnel, peer: TunnelPeer) -> LivePeer:
    before = tunnel.peers.get(peer.key)
    endpoint = peer.endpoint or (before.endpoint if before else None)
    return LivePeer(key=peer.key, allowed_ips=peer.allowed_ips, endpoint=endpoint, keepalive=peer.keepalive)


@given(DESIRED)
def test_a_bare_machine_is_in_step_after_one_plan(desired: Desired) -> None:
    live = performed(Live(), plan(desired, Live()), desired.tunnel.key)
    assert plan(desired, live) == ()


@given(DESIRED, DESIRED)
def test_a_machine_in_step_is_in_step_with_the_next_map_after_one_plan(first: Desired, second: Desired) -> None:
    live = performed(Live(), plan(first, Live()), first.tunnel.key)
    live = performed(live, plan(second, live), second.tunnel.key)
    assert plan(second, live) == ()


@given(DESIRED, DESIRED)
def test_peers_that_stay_as_they_are_are_not_touched(first: Desired, second: Desired) -> None:
    live = performed(Live(), plan(first, Live()), first.tunnel.key)
    touched = {
        key
        for step in plan(second, live)
        for key in (
            [peer.key for peer in step.peers] if isinstance(step, SetPeers) else
            step.keys if isinstance(step, RemovePeers) else []
        )
    }  # fmt: skip
    same = {key for key, peer in second.tunnel.peers.items() if first.tunnel.peers.get(key) == peer}
    assert not touched & same


@given(DESIRED)
def test_the_filter_stands_before_the_first_peer(desired: Desired) -> None:
    kinds = [type(step) for step in plan(desired, Live())]
    assert kinds.index(LoadRuleset) == 0


def test_an_endpoint_that_wireguard_found_is_left_where_nothing_better_is_known() -> None:
    peer = TunnelPeer(key=a_wireguard_key(2), allowed_ips=frozenset(), endpoint=None)
    live = LivePeer(key=peer.key, allowed_ips=frozenset(), endpoint=Endpoint("192.0.2.9:1"))
    tunnel = Tunnel(
        listen_port=1, key=a_wireguard_key(1), addresses=frozenset(), routes=frozenset(), peers={peer.key: peer}
    )
    now = LiveTunnel(listen_port=1, key=tunnel.key, addresses=frozenset(), routes=frozenset(), peers={peer.key: live})
    assert plan(Desired(tunnel=tunnel, ruleset=""), Live(tunnel=now, ruleset="")) == ()


# What a map asks of this machine.


def takes(
    *prefixes: str, accept: bool = True, mine: tuple[str, ...] = (), around: Surroundings = NOTHING_AROUND
) -> set[str]:
    peer = a_peer(2, routes=prefixes)
    return set(accepted(a_netmap(peer, routes=mine), peer, accept, around)) - set(a_peer(2).allowed_ips)


def test_a_route_is_taken_where_routes_are_accepted() -> None:
    assert takes("10.1.0.0/16") == {"10.1.0.0/16"}
    assert takes("10.1.0.0/16", accept=False) == set()


def test_an_exit_route_is_not_taken() -> None:
    assert takes("0.0.0.0/0", "::/0") == set()


def test_what_this_device_routes_itself_is_not_sent_to_another() -> None:
    assert takes("10.1.0.0/16", mine=("10.1.0.0/16",)) == set()


def test_a_route_never_takes_a_network_that_this_machine_is_in() -> None:
    near = Surroundings(connected=(Prefix("10.1.2.0/24"),))
    assert takes("10.1.2.0/24", "10.1.2.128/25", "10.1.0.0/16", around=near) == {"10.1.0.0/16"}


def test_a_route_never_takes_the_way_to_the_gate() -> None:
    assert takes("10.1.0.0/16", "10.2.0.0/16", around=Surroundings(avoid=(Address("10.1.0.5"),))) == {"10.2.0.0/16"}


def test_an_endpoint_behind_the_tunnel_is_no_way_to_a_peer() -> None:
    inside = (Prefix("100.64.0.0/10"), Prefix("10.1.0.0/16"), Prefix("fd7a:115c:a1e0::/48"))
    listed = ("10.1.0.5:1", "192.0.2.1:1", "100.64.0.2:1", "[fd7a:115c:a1e0::2]:1", "[2001:db8::1]:1")
    assert candidates((Endpoint(text) for text in listed), inside, NOTHING_AROUND) == ("192.0.2.1:1", "[2001:db8::1]:1")


def test_endpoints_nearby_are_tried_first_and_private_ones_elsewhere_last() -> None:
    around = Surroundings(addresses=(Address("192.168.1.2"),), connected=(Prefix("192.168.1.0/24"),))
    listed = ("10.0.0.5:1", "172.17.0.1:1", "198.51.100.7:1", "192.168.1.9:1")
    tried = ("192.168.1.9:1", "198.51.100.7:1", "10.0.0.5:1", "172.17.0.1:1")
    assert candidates((Endpoint(text) for text in listed), (), around) == tried


def test_an_endpoint_that_is_this_machines_own_address_is_no_way_to_another() -> None:
    around = Surroundings(addresses=(Address("172.17.0.1"),), connected=(Prefix("172.17.0.0/16"),))
    assert candidates((Endpoint("172.17.0.1:51820"),), (), around) == ()


def test_the_networks_own_ranges_are_routed_whole_and_routes_beyond_them_singly() -> None:
    peer = a_peer(2, routes=("10.1.0.0/16",))
    netmap = a_netmap(peer)
    carried = {peer.id: accepted(netmap, peer, True, Surroundings())}
    tunnel = wanted(netmap, listen_port=51820, carried=carried, paths={})
    assert tunnel.routes == {"100.64.0.0/10", "fd7a:115c:a1e0::/48", "10.1.0.0/16"}
    assert tunnel.addresses == {"100.64.0.1/32", "fd7a:115c:a1e0::1/128"}
