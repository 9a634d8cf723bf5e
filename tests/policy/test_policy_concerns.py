"""Looking at a device's own rules alone gives what looking at all of them gives."""

from __future__ import annotations

import json
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_builders import a_device, a_network, told
from policy_made_up import devices, networks, policies

from model.ids import DeviceID
from model.network import Network
from policy import advance, compile, compiled, concerns, read


@st.composite
def after(draw: st.DrawFn, network: Network) -> Network:
    """The network with a device come, gone or changed."""
    number = draw(st.integers(1, 7))
    left = [device for device in network.devices if device.rank != number]
    if draw(st.booleans()):
        left.append(draw(devices(number)))
    return a_network(*sorted(left, key=lambda device: device.rank), users=network.users)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies, networks(), st.integers(0, 4), st.sampled_from([1, 64]), st.data())
def test_whoever_asks_a_device_s_own_rules_is_told_the_same(policy, network, entries, at_once, data):
    document = read(json.dumps(policy))
    with (
        patch.object(compiled, "FEWEST", -1), patch.object(concerns, "ENTRIES", entries),
        patch.object(concerns, "AT_ONCE", at_once),
    ):  # fmt: skip
        current = compile(document, network).index()
        for _ in range(4):
            anew = compile(document, network)
            for id in [DeviceID(str(number)) for number in range(1, 8)]:
                assert told(current, id) == told(anew, id), (id, network)
            network = data.draw(after(network))
            current, _ = advance(current, network)


def test_a_rule_of_few_is_looked_at_for_those_alone():
    tags = [f"tag:cell-{cell}" for cell in range(20)]
    acls = [{"action": "accept", "src": [tag], "dst": [f"{tag}:22"]} for tag in tags]
    acls.append({"action": "accept", "src": ["*"], "dst": ["tag:cell-0:443"]})
    machines = [a_device(number, tags=[tags[number % 20]]) for number in range(1, 201)]
    document = read(json.dumps({"tagOwners": {tag: [] for tag in tags}, "acls": acls}))
    current = compile(document, a_network(*machines))
    assert not current.indexed
    current.index()
    seen = current.world.device(DeviceID("7"))
    assert seen is not None
    assert [rule.index for rule in current.near(seen)] == [7, 20]
    moved = a_device(7, tags=["tag:cell-8"])
    later, _ = advance(current, a_network(*[moved if one.id == "7" else one for one in machines]))
    assert later.indexed
    assert [rule.index for rule in later.near(later.world.device(DeviceID("7")))] == [7, 8, 20]  # type: ignore[arg-type]


def test_after_many_changes_it_is_time_to_look_at_all_anew():
    tags = [f"tag:cell-{cell}" for cell in range(20)]
    acls = [{"action": "accept", "src": [tag], "dst": [f"{tag}:22"]} for tag in tags]
    document = read(json.dumps({"tagOwners": {tag: [] for tag in tags}, "acls": acls}))
    machines = {number: a_device(number, tags=[tags[number % 20]]) for number in range(1, 41)}
    current = compile(document, a_network(*machines.values())).index()
    for number in range(1, 40):
        machines[number] = a_device(number, tags=[tags[(number + 1) % 20]])
        current, _ = advance(current, a_network(*machines.values()))
    assert not current.indexed
    assert current.index().indexed
