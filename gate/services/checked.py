"""A policy compiled and tested before the transaction that sets it, since that takes seconds where it is large, and
everyone else's writes would wait for it; and what that check is worth when the transaction comes."""

from __future__ import annotations

import msgspec

import policy
from gate.operation import Call
from gate.snapshot import network_of, policy_network
from model import change as c
from model.ids import Version
from model.network import Network
from store import Reader, changes

_SEEN = c.UserChange | c.UserRemoved | c.DeviceChange | c.DeviceRemoved | c.StandbySet | c.SettingSet
_UNSEEN = c.EndpointsReported
"""A change of a device, and the most frequent one, of which a policy sees nothing."""


class Checked(msgspec.Struct, frozen=True):
    """`gate.operation.Prepared`: a policy that held in the network as of `version`."""

    compiled: policy.Compiled
    version: Version

    @property
    def text(self) -> str:
        return self.compiled.document.text

    def drop(self) -> None:
        """There is nothing to undo."""


def checked(call: Call, text: str) -> Checked:
    """Raises `PolicyRefused`."""
    found = call.snapshot
    return Checked(policy.check(text, network(call), over=found.compiled), found.version)


def network(call: Call) -> Network:
    """The network as the gate's snapshot has it."""
    found = call.snapshot
    return policy_network(found.users, found.devices, found.network, found.standby)


def as_it_is_now(r: Reader, before: Checked) -> policy.Compiled:
    """The policy in the network as `r` has it: what was checked, where nothing that a policy sees changed since; else
    what changed is worked out anew, and its tests are run again. Raises `PolicyRefused`."""
    since = changes.since(r, before.version)
    whole = not since or since[0].number == before.version + 1  # the log reaches back that far
    if whole and not any(isinstance(one.change, _SEEN) and not isinstance(one.change, _UNSEEN) for one in since):
        return before.compiled
    return policy.check_again(before.compiled, network_of(r))
