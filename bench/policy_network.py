"""A network and a policy of the size that the policy benches speak of: people in groups, devices with tags, routers."""

from __future__ import annotations

import json
import random

from model.ids import Address, DeviceID, DeviceName, Domain, Prefix, Tag, UserID, UserName
from model.keys import WireGuardKey
from model.network import Network
from model.records import Device, DeviceState, Route, RouteState, User

GROUPS, TAGS, RULES, SSH_RULES = 100, 100, 100, 10
DEVICES_A_PERSON = 3


def a_network(count: int) -> Network:
    """60 of 100 devices are people's, 40 have a tag; 1 of 100 serves a prefix, every second prefix has two routers."""
    dice = random.Random(count)
    people = [f"person{number}@bench.example" for number in range(max(1, count * 6 // 10 // DEVICES_A_PERSON))]
    users = tuple(
        User(id=UserID(str(number + 1)), name=UserName(name), created_at=0) for number, name in enumerate(people)
    )
    return Network(
        users=users, devices=tuple(_device(number + 1, people, dice) for number in range(count)),
        domain=Domain("net.bench"),
    )  # fmt: skip


def _device(number: int, people: list[str], dice: random.Random) -> Device:
    # The first hundred devices carry the tags once each, so that small networks have all of them too.
    tagged = number <= TAGS or dice.random() < 0.4
    # The last tag is rare: it is the one that everybody reaches.
    tag = f"tag:t{number - 1}" if number <= TAGS else f"tag:t{dice.randrange(TAGS - 1)}"
    routes: tuple[Route, ...] = ()
    if number % 100 == 0:
        place = number // 200
        routes = (Route(Prefix(f"10.{place >> 8}.{place & 255}.0/24"), RouteState.APPROVED),)
    return Device(
        id=DeviceID(str(number)), name=DeviceName(f"device-{number}"), tags=(Tag(tag),) if tagged else (),
        user=None if tagged else UserName(dice.choice(people)), wireguard_key=WireGuardKey(""),
        ipv4=Address(f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"),
        ipv6=Address(f"fd7a:115c:a1e0::{number >> 16:x}:{number & 65535:x}"),
        state=DeviceState.APPROVED, created_at=0, routes=routes,
    )  # fmt: skip


def a_policy(network: Network, rules: int = RULES) -> str:
    dice = random.Random(1)
    people = [user.name for user in network.users]
    size = max(1, min(len(people), len(people) * 3 // GROUPS))
    groups = {f"group:g{number}": dice.sample(people, size) for number in range(GROUPS)}
    acls = [_acl(number, dice) for number in range(rules)]
    return json.dumps({
        "groups": groups,
        "tagOwners": {f"tag:t{number}": ["group:g0"] for number in range(TAGS)},
        "acls": acls,
        "grants": [{"src": ["group:g1"], "dst": ["10.0.0.0/16"], "ip": ["tcp:443"], "via": ["tag:t1", "tag:t2"]}],
        "ssh": [
            {"action": "check" if number % 2 else "accept", "src": [f"group:g{number}"], "dst": [f"tag:t{number}"],
             "users": ["root", "autogroup:nonroot"]}
            for number in range(SSH_RULES)
        ],
    }, indent=1)  # fmt: skip


def _acl(number: int, dice: random.Random) -> dict[str, object]:
    tag, other = f"tag:t{dice.randrange(TAGS)}", f"tag:t{dice.randrange(TAGS)}"
    kinds: list[tuple[list[str], list[str]]] = [
        ([f"group:g{dice.randrange(GROUPS)}"], [f"{tag}:22,443"]),
        ([tag], [f"{other}:5432"]),
        ([f"group:g{dice.randrange(GROUPS)}", tag], [f"{other}:80-90", f"10.0.{dice.randrange(256)}.0/24:*"]),
    ]
    src, dst = kinds[number % len(kinds)]
    if number == 0:
        src, dst = ["autogroup:member"], ["autogroup:self:*"]
    elif number == 1:
        src, dst = ["autogroup:member"], [f"tag:t{TAGS - 1}:53"]
    return {"action": "accept", "src": src, "dst": dst}
