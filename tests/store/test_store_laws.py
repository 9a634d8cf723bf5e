"""Laws that hold whatever is done in whatever order: what is unique stays so, numbers have no gaps, addresses rest."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from store_builders import Clock, a_store, an_ssh_key

from model.change import DeviceEnrolled, DeviceRemoved
from model.errors import Conflict, Limited
from model.ids import DeviceName
from model.keys import WireGuardKey
from model.records import Device
from store import Transaction, addresses, audit, changes, devices, settings

LIFE = addresses.LEAST_REST
NAMES = st.sampled_from(["db-1", "db-2", "web", "ci", "router", "laptop"])
KEYS = st.integers(1, 8)


def wireguard_key(number: int) -> WireGuardKey:
    return WireGuardKey(f"{number:043d}=")


class Network(RuleBasedStateMachine):
    """A network of at most six addresses beside a plain model of what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.store = a_store(Path(self.folder.name), self.clock)
        self.devices: dict[str, Device] = {}
        self.released: dict[str, int] = {}
        self.changes = 0

        def found(tx: Transaction) -> None:
            settings.put(tx, "ipv4", "10.0.0.0/29")
            settings.put(tx, "ipv6", "fd00::/64")

        self.store.transact(found)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def _taken(self, name: str, key: int, ssh: int, but: str | None = None) -> bool:
        return any(
            other.name == name or other.wireguard_key == wireguard_key(key) or other.ssh_key == an_ssh_key(ssh)
            for id, other in self.devices.items()
            if id != but
        )

    def _resting(self) -> set[str]:
        return {address for address, at in self.released.items() if self.clock.now < at + LIFE}

    @rule(name=NAMES, key=KEYS, ssh=KEYS)
    def enroll(self, name: str, key: int, ssh: int) -> None:
        def work(tx: Transaction) -> Device:
            device = devices.add(
                tx,
                name=DeviceName(name),
                user=None,
                tags=("tag:x",),  # type: ignore[arg-type]
                wireguard_key=wireguard_key(key),
                ssh_key=an_ssh_key(ssh),
            )
            tx.record(DeviceEnrolled(device=device))
            tx.audit("gate", "enroll", device.name, after=device, source="gate")
            return device

        try:
            device = self.store.transact(work)
        except Conflict:
            assert self._taken(name, key, ssh)
        except Limited:
            assert len(self.devices) + len(self._resting()) == 6
        else:
            assert not self._taken(name, key, ssh)
            assert device.ipv4 not in self._resting()
            assert device.ipv4 not in {other.ipv4 for other in self.devices.values()}
            assert all(int(device.id) > int(id) for id in self.devices)
            self.devices[device.id] = device
            self.changes += 1

    @precondition(lambda self: self.devices)
    @rule(data=st.data(), name=NAMES, key=KEYS, ssh=KEYS)
    def change(self, data: st.DataObject, name: str, key: int, ssh: int) -> None:
        device = self.devices[data.draw(st.sampled_from(sorted(self.devices)))]
        new = msgspec.structs.replace(
            device, name=DeviceName(name), wireguard_key=wireguard_key(key), ssh_key=an_ssh_key(ssh)
        )
        try:
            self.store.transact(lambda tx: devices.put(tx, new))
        except Conflict:
            assert self._taken(name, key, ssh, but=device.id)
        else:
            assert not self._taken(name, key, ssh, but=device.id)
            self.devices[device.id] = new

    @precondition(lambda self: self.devices)
    @rule(data=st.data(), fails=st.booleans())
    def remove(self, data: st.DataObject, fails: bool) -> None:
        device = self.devices[data.draw(st.sampled_from(sorted(self.devices)))]

        def work(tx: Transaction) -> None:
            devices.remove(tx, device)
            tx.record(DeviceRemoved(id=device.id, name=device.name))
            tx.audit("gate", "remove", device.name, before=device, source="gate")
            if fails:
                raise Conflict("changed my mind")

        try:
            self.store.transact(work)
        except Conflict:
            assert fails
        else:
            del self.devices[device.id]
            self.released[device.ipv4] = self.clock.now
            self.changes += 1

    @rule(seconds=st.sampled_from([1, 10, LIFE - 1, LIFE]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        held = self.store.read(devices.all)
        assert held == tuple(self.devices[id] for id in sorted(self.devices, key=int))

    @invariant()
    def changes_are_numbered_without_gaps(self) -> None:
        numbers = [committed.number for committed in self.store.read(lambda r: changes.since(r, 0))]
        assert numbers == list(range(1, self.changes + 1))

    @invariant()
    def the_audit_trail_holds(self) -> None:
        assert self.store.read(audit.verify) is None


Network.TestCase.settings = hypothesis_settings(max_examples=40, stateful_step_count=40, deadline=None)
TestNetwork = Network.TestCase
