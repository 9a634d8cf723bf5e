"""Who sees whom, where, and when they shook hands last: for people to look at, in memory alone."""

from gate.presence import OBSERVED_FOR, Presence
from model.ids import DeviceID, Endpoint

A, B = DeviceID("1"), DeviceID("2")
PLACE = Endpoint("203.0.113.9:41641")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_sight_is_told_from_both_sides_with_its_handshake() -> None:
    presence = Presence(Clock())
    presence.observe(A, {B: PLACE}, {B: 40})
    assert presence.sights_of(B)[A].handshake_at == 960
    assert presence.seen_by(A)[B].endpoint == PLACE
    assert presence.seen_by(B) == {}


def test_a_sight_without_a_handshake_is_a_sight_all_the_same() -> None:
    presence = Presence(Clock())
    presence.observe(A, {B: PLACE})
    assert presence.seen_by(A)[B].handshake_at is None


def test_a_handshake_is_neither_in_the_future_nor_before_yesterday() -> None:
    presence = Presence(clock := Clock())
    clock.now = 1e9
    presence.observe(A, {B: PLACE}, {B: -5})
    assert presence.seen_by(A)[B].handshake_at == 1_000_000_000
    presence.observe(A, {B: PLACE}, {B: 10**12})
    assert presence.seen_by(A)[B].handshake_at == 1_000_000_000 - 86400


def test_a_sight_lapses_unless_repeated() -> None:
    presence = Presence(clock := Clock())
    presence.observe(A, {B: PLACE}, {B: 1})
    clock.now += OBSERVED_FOR + 1
    presence.lapse()
    assert presence.seen_by(A) == {}
    assert not presence.sights_of(B)


def test_what_many_saw_lapses_in_steps_the_oldest_first_and_what_is_repeated_stays() -> None:
    presence = Presence(clock := Clock())
    observers = [DeviceID(str(number)) for number in range(10, 20)]
    for observer in observers:
        presence.observe(observer, {B: Endpoint(f"203.0.113.{observer}:1")})
    clock.now += 100
    presence.observe(observers[0], {B: PLACE})
    clock.now += OBSERVED_FOR - 50
    steps = []
    while presence.lapses:
        presence.lapse()
        steps.append(set(presence.sights_of(B)))
    assert steps == [{observers[0], *observers[5:]}, {observers[0], observers[9]}, {observers[0]}]
    assert presence.observed(B) == (PLACE,)


def test_since_when_a_device_is_connected_is_known_while_it_is() -> None:
    presence = Presence(clock := Clock())
    presence.arrived(A)
    clock.now += 50
    presence.arrived(A)
    presence.left(A)
    assert presence.since(A) == 1000
    presence.left(A)
    assert presence.since(A) is None
