"""Which devices the sources of a rule mean, on Access."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from seeds import a_device

from console.app.gatepolicy import Addresses
from model.ids import DeviceID

FOUR, SIX = ipaddress.ip_address("100.64.0.0"), ipaddress.ip_address("fd7a:115c:a1e0::")
DEVICES = [
    a_device(number, f"db-{number}", ipv4=str(FOUR + 3 * number), ipv6=str(SIX + 3 * number)) for number in range(40)
]
MEANT = Addresses(DEVICES)
families, offsets = st.sampled_from([FOUR, SIX]), st.integers(0, 130)


@given(families, offsets, offsets)
def test_a_range_means_the_devices_with_an_address_in_it(family: ipaddress.IPv4Address, low: int, high: int) -> None:
    found = MEANT.devices([f"{family + low}-{family + high}"])
    assert found == {device.id for number, device in enumerate(DEVICES) if low <= 3 * number <= high}


@given(families, offsets, st.integers(0, 8))
def test_a_prefix_means_the_devices_within_it(family: ipaddress.IPv4Address, at: int, bits: int) -> None:
    prefix = ipaddress.ip_network((family + at, family.max_prefixlen - bits), strict=False)
    within = {device.id for device in DEVICES if any(ipaddress.ip_address(a) in prefix for a in device.addresses)}
    assert MEANT.devices([str(prefix)]) == within


def test_a_star_means_all_and_an_address_of_nobodys_means_none() -> None:
    assert MEANT.devices(["*"]) == {device.id for device in DEVICES}
    assert MEANT.devices([str(FOUR + 1)]) == frozenset[DeviceID]()
    assert MEANT.devices([str(FOUR + 3)]) == {DEVICES[1].id}
