"""From one network to the next: what a change makes stale is compiled anew, all else is kept.

A changed device makes stale the selectors that it fell under or falls under, the rules that use those, and the
routes that it serves. Who may be told something new follows from the rules that differ.
"""

from __future__ import annotations

from collections.abc import Iterable

from model.ids import DeviceID
from model.network import Network
from policy import nets
from policy.admissions import Admission
from policy.bits import members
from policy.compiled import Compiled, Stale
from policy.edges import Edge
from policy.fault import Fault
from policy.program import Key, program
from policy.resolve import Resolved, Target, of_devices
from policy.selectors import Kind
from policy.step import Step, step
from policy.world import Seen, World, world


def advance(
    before: Compiled, network: Network, *, changed: Iterable[DeviceID] | None = None
) -> tuple[Compiled, frozenset[DeviceID]]:
    """The same policy in `network`, and the devices whose filter, peers or logins may differ.

    Only what changed is worked out anew. `changed`, where the caller knows it, names every device that was added,
    removed or changed; without it they are found by comparing. A policy's tests are not run again.
    """
    if is_another(before.world, network):
        return _anew(before, network)
    taken = step(before.world, network, changed)
    if not taken.devices and not taken.users:
        # Nothing that a policy sees: the compilation stands, for a network that is equal to it.
        return Compiled(before.program, taken.world, before, Stale(fit=before.fit)), frozenset()
    after = Compiled(before.program, taken.world, before, _stale(before, taken))
    return after, after.ids(_affected(before, after, taken))


def is_another(old: World, network: Network) -> bool:
    """Whether the network differs in what the policy itself was checked against."""
    first = network.users[0].name.rpartition("@")[2] if network.users else None
    return (network.ipv4, network.ipv6, first) != (old.network.ipv4, old.network.ipv6, old.domain())


def _anew(before: Compiled, network: Network) -> tuple[Compiled, frozenset[DeviceID]]:
    indexed = world(network, before.world)
    try:
        checked = program(before.document, indexed.internet, indexed.domain())
    except Fault:
        # The policy was good when it was set; it stays, as it was then understood.
        checked = before.program
    after = Compiled(checked, indexed)
    return after, after.ids(before.world.live | indexed.live)


# --- what is stale


def _stale(before: Compiled, taken: Step) -> Stale:
    identities = _identity_keys(before, taken)
    moved = [
        number for old, new in taken.devices
        if old is None or new is None or old.addresses != new.addresses
        for each in (old, new) if each is not None for number in each.addresses
    ]  # fmt: skip
    after = taken.world
    routes = _touched_routes(before.world, after)
    sources = {key: _patched(before, key, taken) for key in identities & before.sources.keys()}
    targets = identities & before.targets.keys()
    exits = before.world.exits != after.exits
    if moved or routes or exits:
        sources |= dict.fromkeys(
            key for key, found in before.sources.items() if _source_is_stale(key, found, moved, routes, after)
        )
        targets |= {key for key, found in before.targets.items()
                    if _target_is_stale(key, found, moved, routes, after, exits=exits)}  # fmt: skip
    rules = {index for key in sources.keys() | targets for index in before.program.rules_by_key.get(key, ())}
    fit = {postures: _fit_now(before, postures, taken) for postures in before.fit}
    unfit = {postures for postures, held in fit.items() if held != before.fit[postures]}
    rules |= {
        index for index in before.program.particular
        if _edge_is_stale(before.edges[index], taken, before.world) or before.program.rules[index].postures in unfit
    }  # fmt: skip
    ssh = {index for key in identities for index in before.program.ssh_by_key.get(key, ())}
    if taken.users:
        ssh = set(range(len(before.admissions)))
    tags_in_use = set(after.by_tag) != set(before.world.by_tag)
    ssh |= {
        index for index, policy in enumerate(before.program.ssh)
        if policy.postures in unfit or (tags_in_use and any(selector.kind is Kind.TAGGED for selector in policy.src))
    }  # fmt: skip
    # Under a posture a person is let in by all their devices, so that any of those may decide.
    names = bool(taken.users) or tags_in_use or bool(before.program.postures)
    return Stale(
        sources, frozenset(targets), fit, frozenset(rules), frozenset(ssh), bool(taken.users), names
    )  # fmt: skip


def _patched(before: Compiled, key: Key, taken: Step) -> Resolved | None:
    """What a selector of one person, group or tag holds now, by the changed devices alone; None where more changed."""
    kind, text = key
    if taken.users or kind not in (Kind.TAG, Kind.USER, Kind.GROUP):
        return None
    people = before.groups.get(text, frozenset()) if kind is Kind.GROUP else frozenset((text,))
    held = before.sources[key].held
    for old, new in taken.devices:
        if old is not None:
            held &= ~(1 << old.slot)
        if new is not None and (text in new.tags if kind is Kind.TAG else not new.tags and new.user in people):
            held |= 1 << new.slot
    return of_devices(held, taken.world)


def _identity_keys(before: Compiled, taken: Step) -> set[Key]:
    """The selectors of people and tags that a change may have moved devices into or out of."""
    found: set[Key] = set()
    names = set(taken.users)
    for old, new in taken.devices:
        if old is not None and new is not None and _same_identity(old, new):
            continue
        for each in (old, new):
            if each is None:
                continue
            found |= {(Kind.TAG, tag) for tag in each.tags}
            found.add((Kind.TAGGED, "autogroup:tagged") if each.tags else (Kind.MEMBER, "autogroup:member"))
            if not each.tags and each.user is not None:
                names.add(each.user)
    found |= {(Kind.USER, name) for name in names}
    if names:
        found |= {(Kind.GROUP, group) for group, people in before.groups.items() if not names.isdisjoint(people)}
        found |= before.program.peopled
    for name in taken.users:
        user = taken.world.users.get(name)
        found |= {(Kind.GROUP, group) for group in user.groups} if user is not None else set()
        found.add((Kind.MEMBER, "autogroup:member"))
    return found


def _same_identity(old: Seen, new: Seen) -> bool:
    return (old.user, old.tags, old.addresses) == (new.user, new.tags, new.addresses)


def _touched_routes(old: World, new: World) -> int:
    """The routes of `new` that differ from what they were."""
    if old.routes is new.routes:
        return 0
    found = 0
    for place, served in enumerate(new.routes.served):
        if place >= len(old.routes.served) or old.routes.served[place] != served:
            found |= 1 << place
    return found


def _source_is_stale(key: Key, found: Resolved, moved: list[int], routes: int, after: World) -> bool:
    if found.identity:
        return bool(routes and (found.routes | after.routes.met_by_devices(found.held)) & routes)
    if key[0] is Kind.DANGER_ALL:
        return bool(moved or routes)
    if routes and (key[0] is Kind.ANY or (found.routes | after.routes.meeting(found.spans)) & routes):
        return True
    return any(nets.contains(found.spans, (number, number)) for number in moved)


def _target_is_stale(
    key: Key, found: Target, moved: list[int], routes: int, after: World, *, exits: bool
) -> bool:  # fmt: skip
    if key[0] is Kind.SELF:
        return False
    if exits and (found.internet or found.outside):
        return True
    if key[0] is Kind.ANY:
        return bool(moved or routes)
    if not found.pieces:
        return bool(routes and (found.routes | after.routes.met_by_devices(found.own)) & routes)
    if routes and (found.routes | after.routes.meeting(found.spans)) & routes:
        return True
    return any(nets.overlaps(found.spans, (number, number)) for number in moved)


def _edge_is_stale(edge: Edge, taken: Step, old: World) -> bool:
    rule = edge.rule
    if rule.via:
        tags = {tag for pair in taken.devices for each in pair if each is not None for tag in each.tags}
        if not tags.isdisjoint(rule.via):
            return True
    return edge.of_self and old.member != taken.world.member


def _fit_now(before: Compiled, postures: tuple[str, ...], taken: Step) -> int:
    found = before.fit[postures]
    for old, new in taken.devices:
        if old is not None:
            found &= ~(1 << old.slot)
        if new is not None and before.is_fit(new, postures):
            found |= 1 << new.slot
    return found


# --- who may be told something new


def _affected(before: Compiled, after: Compiled, taken: Step) -> int:
    found = itself = 0
    for old, new in taken.devices:
        for compiled, each in ((before, old), (after, new)):
            if each is not None:
                itself |= 1 << each.slot
                found |= compiled.visible(each)
    found |= itself
    for old_edge, new_edge in zip(before.edges, after.edges, strict=True):
        if old_edge is not new_edge:
            found |= _by_edge(before.world, after.world, old_edge, new_edge, itself)
    for old_admission, new_admission in zip(before.admissions, after.admissions, strict=True):
        if old_admission is not new_admission:
            found |= _by_admission(before.world, after.world, old_admission, new_admission)
    lost = before.no_ipv4 ^ after.no_ipv4
    routes = _touched_routes(before.world, after.world)
    for compiled in (before, after):
        table, moving = compiled.world.routes, itself
        for name in taken.users:
            moving |= compiled.world.owner_devices(name)
        # A router of a part of the network's own space is told of those who live in it.
        found |= table.routers(table.met_by_devices(moving))
        if lost or routes:
            serving = table.routers(routes & table.all)
            found |= lost | serving | _known_to(compiled, lost | serving)
    return found


def _known_to(compiled: Compiled, devices: int) -> int:
    found = 0
    for slot in members(devices & compiled.world.live):
        found |= compiled.visible(compiled.world.at(slot))
    return found


def _by_edge(before: World, after: World, old: Edge, new: Edge, itself: int) -> int:
    """Whom a rule tells something else than before. Peers of the changed devices `itself` are known already."""
    senders = old.sources.matched | new.sources.matched
    receivers = old.receivers | new.receivers
    moved = old.receivers ^ new.receivers
    strangers = old.sources.matched ^ new.sources.matched
    found = moved | strangers
    for old_target, new_target in zip(old.targets, new.targets, strict=True):
        # A device may come under another word of a rule that it gets anyway, and be told of one address more.
        if old_target is not new_target:
            found |= (old_target.own ^ new_target.own) | (old_target.receivers ^ new_target.receivers)
            for old_piece, new_piece in zip(old_target.pieces, new_target.pieces, strict=True):
                found |= old_piece.receivers ^ new_piece.receivers
    if moved & ~itself or _leads(old) != _leads(new):
        found |= senders
    if strangers & ~itself or old.return_routes != new.return_routes or not new.sources.same(old.sources):
        found |= receivers
    for slot in members(old.own_senders ^ new.own_senders):
        for each in (before, after):
            seen = each.seen[slot] if slot < len(each.seen) else None
            found |= each.owner_devices(seen.user) if seen is not None else 0
    return found


def _leads(edge: Edge) -> tuple[object, ...]:
    return edge.routes, edge.elections, edge.exits, edge.answer_routes


def _by_admission(before: World, after: World, old: Admission, new: Admission) -> int:
    """Whom a rule of `ssh` tells other logins than before."""
    found = (old.targets ^ new.targets) | (old.held ^ new.held)
    if old.names != new.names:
        found |= old.targets | new.targets
        for name in old.names ^ new.names:
            found |= before.owner_devices(name) | after.owner_devices(name)
    return found
