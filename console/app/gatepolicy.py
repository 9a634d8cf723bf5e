"""The policy as Access shows it: checked, and worked out into who reaches what."""

from __future__ import annotations

import asyncio
import ipaddress
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from console.app.backend import Fault, PairChange, PolicyCheck, PolicyDiff, Reach, TestCase
from gate.services import policies, trials
from model.errors import PolicyRefused
from model.ids import DeviceID
from model.netmap import FilterRule
from model.records import Device, DeviceState

if TYPE_CHECKING:
    from gate.gate import Gate

Ask = Callable[..., Awaitable[Any]]
Filters = Callable[[DeviceID], Sequence[FilterRule]]
MOST_DEVICES = 2000
"""Devices whose pairs are counted; a larger network is looked at through so many of them."""
OWN = "own"


async def check(ask: Ask, text: str) -> PolicyCheck:
    try:
        found = await ask(trials.run_tests, text=text)
    except PolicyRefused as refused:
        return PolicyCheck(
            faults=(Fault(message=refused.message, line=refused.line, column=refused.column, hint=refused.hint),)
        )
    faults = tuple(
        Fault(message=f"{test.name}: {miss.why}", line=miss.line, column=miss.column)
        for test in found
        for miss in test.misses
    )
    cases = tuple(
        TestCase(
            name=test.name,
            line=test.line,
            claims=test.claims,
            misses=tuple((miss.line, miss.why) for miss in test.misses),
        )
        for test in found
    )
    failed = sum(bool(test.misses) for test in found)
    return PolicyCheck(faults=faults, tests=len(found), failed=failed, cases=cases)


async def reach(gate: Gate, ask: Ask, text: str | None) -> Reach:
    if text is None:
        await ask(policies.show)  # whether the actor may look is the service's to say
    compiled = gate.snapshot.compiled if text is None else await ask(policies.check, text=text)
    devices = _approved(gate)
    return await asyncio.to_thread(matrix, devices, compiled.filter, _groups(compiled.document))


async def diff(gate: Gate, ask: Ask, text: str) -> PolicyDiff:
    new = await ask(policies.check, text=text)
    devices = _approved(gate)
    groups = _groups(new.document)
    return await asyncio.to_thread(difference, devices, gate.snapshot.compiled.filter, new.filter, groups)


def _approved(gate: Gate) -> list[Device]:
    found = (device for device in gate.snapshot.devices.values() if device.state is DeviceState.APPROVED)
    return [device for device, _ in zip(found, range(MOST_DEVICES), strict=False)]


def _groups(document: Any) -> dict[str, str]:
    """The first group of each member, by name."""
    out: dict[str, str] = {}
    for group, members in document.groups.items():
        for member in members:
            out.setdefault(str(member), str(group))
    return out


def label(device: Device, groups: Mapping[str, str]) -> str:
    """What a device counts as: its first tag, its owner's group, or its owner."""
    if device.tags:
        return device.tags[0]
    owner = device.user or "–"
    return groups.get(owner, owner.partition("@")[0])


def ports_of(rule: FilterRule) -> str:
    parts = sorted({destination.ports for destination in rule.dst})
    shown = [
        "all" if part == (0, 65535) else str(part[0]) if part[0] == part[1] else f"{part[0]}-{part[1]}"
        for part in parts
    ]
    return "all" if "all" in shown else ",".join(shown)


class Addresses:
    """Which devices a rule's sources mean. A network has as many sources as devices: none is looked for among all."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._all = frozenset(device.id for device in devices)
        self._by_address: dict[str, DeviceID] = {
            address: device.id for device in devices for address in device.addresses
        }
        self._known: dict[str, frozenset[DeviceID]] = {}

    def devices(self, sources: Iterable[str]) -> frozenset[DeviceID]:
        found: set[DeviceID] = set()
        for source in sources:
            if source not in self._known:
                self._known[source] = self._of(source)
            found |= self._known[source]
        return frozenset(found)

    def _of(self, source: str) -> frozenset[DeviceID]:
        if source == "*":
            return self._all
        bare = source.removesuffix("/32").removesuffix("/128")
        if bare in self._by_address:
            return frozenset({self._by_address[bare]})
        if "-" not in bare and "/" not in bare:
            return frozenset()
        first, _, last = source.partition("-")
        try:
            if last:
                low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
            else:
                low, high = (network := ipaddress.ip_network(source))[0], network[-1]
        except ValueError:
            return frozenset()
        return self._between(low.version, int(low), int(high))

    def _between(self, version: int, low: int, high: int) -> frozenset[DeviceID]:
        ordered = self._ordered[version]
        first = bisect_left(ordered, low, key=itemgetter(0))
        last = bisect_right(ordered, high, key=itemgetter(0))
        return frozenset(id for _, id in ordered[first:last])

    @cached_property
    def _ordered(self) -> dict[int, list[tuple[int, DeviceID]]]:
        """By version of the protocol: addresses as numbers, in order, with whose they are."""
        found: dict[int, list[tuple[int, DeviceID]]] = {4: [], 6: []}
        for text, id in self._by_address.items():
            address = ipaddress.ip_address(text)
            found[address.version].append((int(address), id))
        for one in found.values():
            one.sort()
        return found


class Sources:
    """What a rule's sources count as: devices by label, and by owner and label. Worked out once for each."""

    def __init__(self, devices: Sequence[Device], groups: Mapping[str, str]) -> None:
        self.names = {device.id: label(device, groups) for device in devices}
        self.owners = {device.id: device.user for device in devices}
        self._addresses = Addresses(devices)
        self._known: dict[tuple[str, ...], tuple[frozenset[DeviceID], Counter[str], Counter[tuple[str, str]]]] = {}

    def of(self, sources: tuple[str, ...]) -> tuple[frozenset[DeviceID], Counter[str], Counter[tuple[str, str]]]:
        """The devices, how many of each label, and how many of each owner and label."""
        if sources not in self._known:
            ids = self._addresses.devices(sources)
            owned = Counter((str(owner), self.names[id]) for id in ids if (owner := self.owners[id]))
            self._known[sources] = ids, Counter(self.names[id] for id in ids), owned
        return self._known[sources]


def pairs(devices: Sequence[Device], filters: Filters, groups: Mapping[str, str]) -> Counter[tuple[str, str, str]]:
    """How many pairs of devices reach each other, by what source and destination count as, and by ports."""
    known = Sources(devices, groups)
    out: Counter[tuple[str, str, str]] = Counter()
    for device in devices:
        name, owner = known.names[device.id], device.user
        for rule in filters(device.id):
            ports = ports_of(rule)
            ids, labels, owned = known.of(rule.src)
            for source, number in labels.items():
                own = owned[owner, source] if owner else 0
                itself = 1 if device.id in ids and source == name else 0
                mine = own - (itself if owner else 0)
                others = number - own - (0 if owner else itself)
                if mine > 0:
                    out[source, OWN, ports] += mine
                if others > 0:
                    out[source, name, ports] += others
    return out


def matrix(devices: Sequence[Device], filters: Filters, groups: Mapping[str, str]) -> Reach:
    found = pairs(devices, filters, groups)
    sources = Counter[str]()
    targets = Counter[str]()
    cells: dict[tuple[str, str], list[str]] = {}
    for (source, target, ports), number in found.items():
        sources[source] += number
        targets[target] += number
        cells.setdefault((source, target), []).append(ports)
    rows = sorted(sources, key=_order)
    columns = sorted((target for target in targets if target != OWN), key=_order) + ([OWN] if OWN in targets else [])
    return Reach(
        rows=tuple(rows),
        columns=tuple(columns),
        cells=tuple(tuple(_joined(cells.get((row, column), ())) for column in columns) for row in rows),
    )


def _order(name: str) -> tuple[int, str]:
    return (0 if name.startswith("group:") else 2 if name.startswith("tag:") else 1), name


def _joined(ports: Sequence[str]) -> str:
    return "all" if "all" in ports else ",".join(sorted(set(ports)))


def difference(devices: Sequence[Device], old: Filters, new: Filters, groups: Mapping[str, str]) -> PolicyDiff:
    before, after = pairs(devices, old, groups), pairs(devices, new, groups)
    changes = []
    losing: list[tuple[str, str]] = []
    for key in sorted({*before, *after}, key=lambda key: (_order(key[0]), key)):
        moved = after[key] - before[key]
        if moved:
            source, target, ports = key
            changes.append(
                PairChange(gained=moved > 0, source=source, destination=target, ports=ports, pairs=abs(moved))
            )
            if moved < 0 and not source.startswith("tag:"):
                losing += [(who, f"{target} {ports}") for who in sorted(_members(devices, source, groups))]
    return PolicyDiff(pairs=tuple(changes), losing=tuple(losing))


def _members(devices: Sequence[Device], name: str, groups: Mapping[str, str]) -> set[str]:
    return {device.user for device in devices if device.user and label(device, groups) == name}


def reached_by(filters: Sequence[FilterRule]) -> tuple[tuple[int, str], ...]:
    """How many sources reach a device on which ports, as its filter says; `*` counts as one."""
    found = Counter[str]()
    for rule in filters:
        found[ports_of(rule)] += sum(1 for source in rule.src if ":" not in source)
    return tuple((number, ports) for ports, number in found.most_common(4) if number)
