"""Which rules can say anything about a device. Most rules of a large policy concern few devices each, and looking
through all of them for each device would be most of what telling many devices takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from policy.bits import members
from policy.edges import Edge

ENTRIES = 4
"""A device, at the most: rules of so many devices that there would be more are everyone's."""
FEWEST = 8
"""Rules from which on it is worth while."""
AT_ONCE = 64
"""Devices that a change brings under a rule, above which it is everyone's from then on."""
Places = tuple[int, ...]


class Concerns:
    """Rules by the devices that they concern, or did lately; those of many devices are everyone's. Immutable."""

    __slots__ = ("_everyone", "_few", "_more", "_room")

    def __init__(
        self, everyone: Places, few: Mapping[int, Places], more: Mapping[int, Places], room: tuple[int, int]
    ) -> None:
        self._everyone = everyone
        self._few = few
        self._more = more
        """What came under a rule since `few` was made."""
        self._room = room
        """How large `everyone` and `more` may become."""

    def of(self, slot: int, rules: tuple[Edge, ...]) -> Sequence[Edge]:
        """Of `rules`, in their order, all that say anything about the device, and some that do not."""
        own = self._few.get(slot, ())
        if more := self._more.get(slot):
            own = (*own, *more)
        places = sorted({*self._everyone, *own}) if own else self._everyone
        return [rules[place] for place in places]

    def after(self, changed: Collection[int], old: Sequence[Edge], new: Sequence[Edge]) -> Concerns | None:
        """For the rules `new`, of which those at `changed` differ; None where it is time to look at all anew."""
        if not changed:
            return self
        everyone, more = set(self._everyone), dict(self._more)
        for place in changed:
            came = _touched(new[place]) & ~_touched(old[place])
            if new[place].own_senders or came.bit_count() > AT_ONCE:
                everyone.add(place)
            else:
                for slot in members(came):
                    more[slot] = (*more.get(slot, ()), place)
        if len(everyone) > self._room[0] or len(more) > self._room[1]:
            return None
        return Concerns(tuple(sorted(everyone)), self._few, more, self._room)


def concerns(rules: Sequence[Edge], size: int) -> Concerns:
    """Of `rules`, in a network of `size` devices."""
    everyone = [place for place, rule in enumerate(rules) if rule.own_senders]
    counted = sorted(
        (touched.bit_count(), place, touched) for place, rule in enumerate(rules) if not rule.own_senders
        for touched in (_touched(rule),)
    )  # fmt: skip
    found: dict[int, list[int]] = {}
    room = ENTRIES * size
    for count, place, touched in counted:
        room -= count
        if room < 0:
            everyone.append(place)
            continue
        for slot in members(touched):
            found.setdefault(slot, []).append(place)
    alike: dict[Places, Places] = {}
    few = {slot: alike.setdefault(own, own) for slot, own in ((slot, tuple(own)) for slot, own in found.items())}
    return Concerns(tuple(sorted(everyone)), few, {}, (len(everyone) + FEWEST + len(rules) // 4, FEWEST + size // 16))


def _touched(rule: Edge) -> int:
    """Whoever sends by it or receives it; its `autogroup:self` is apart from that."""
    return rule.receivers | rule.sources.matched
