"""What selectors stand for in a network: the addresses, the devices that have them, the routes that meet them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import msgspec

from model.records import Role
from policy import nets
from policy.bits import bits_of, members
from policy.document import Lists
from policy.selectors import Kind, Selector
from policy.world import World

RESERVED = tuple(span for span in (nets.prefix("100.115.92.0/23"),) if span is not None)
"""Kept out of `*` as a source: the virtual machines of another system have it."""
ROLES = {"autogroup:owner": Role.OWNER, "autogroup:admin": Role.ADMIN, "autogroup:operator": Role.OPERATOR,
         "autogroup:auditor": Role.AUDITOR}  # fmt: skip

Groups = Mapping[str, frozenset[str]]
"""Group -> names of its people."""


class Resolved(msgspec.Struct, frozen=True):
    """A set of addresses in a network. Of an identity the addresses are those of the devices `held`."""

    held: int
    """Devices with an address in it."""
    routes: int
    """Routes that share an address with it, as bits over the route table."""
    routers: int
    """Who serves one of those."""
    spans: tuple[nets.Span, ...] = ()
    identity: bool = False

    @property
    def empty(self) -> bool:
        return not self.held and not self.spans


def groups_of(lists: Lists, world: World) -> Groups:
    """The policy's groups, with the people whom a provider's claim puts in one of them."""
    found: dict[str, set[str]] = {str(name): set(map(str, people)) for name, people in lists.items()}
    for user in world.network.users:
        for group in user.groups:
            if group in found:
                found[group].add(user.name)
    return {name: frozenset(people) for name, people in found.items()}


def people(selector: Selector, world: World, groups: Groups) -> frozenset[str]:
    """The names that a selector of people stands for; of `autogroup:member`, everyone known."""
    kind, text = selector.kind, selector.text
    if kind is Kind.USER:
        return frozenset((text,))
    if kind is Kind.GROUP:
        return groups.get(text, frozenset())
    if kind is Kind.DOMAIN:
        return frozenset(name for name in {*world.users, *world.by_user} if name.endswith(text[len("user:*") :]))
    if kind is Kind.ROLE:
        return frozenset(user.name for user in world.network.users if user.role is ROLES.get(text))
    if kind is Kind.MEMBER:
        return frozenset(world.users)
    return frozenset()


def devices(selector: Selector, world: World, groups: Groups) -> int:
    """The devices that an identity stands for."""
    if selector.kind is Kind.TAG:
        return world.by_tag.get(selector.text, 0)
    if selector.kind is Kind.MEMBER:
        return world.member
    if selector.kind is Kind.TAGGED:
        return world.tagged
    owned = (world.by_user.get(name, ()) for name in people(selector, world, groups))
    return bits_of(chain.from_iterable(owned), len(world.seen))


def of_devices(held: int, world: World) -> Resolved:
    """The addresses of the devices `held`, both of each."""
    routes = world.routes.met_by_devices(held)
    return Resolved(held, routes, world.routes.routers(routes) if routes else 0, identity=True)


def of_spans(spans: tuple[nets.Span, ...], world: World) -> Resolved:
    routes = world.routes.meeting(spans)
    return Resolved(world.holders(spans), routes, world.routes.routers(routes), spans)


def resolve(selector: Selector, world: World, groups: Groups) -> Resolved:
    """`selector` as a source."""
    kind = selector.kind
    if kind is Kind.DANGER_ALL:
        return Resolved(world.live, world.routes.all, world.routes.serving, nets.EVERYTHING)
    if kind is Kind.ANY:
        own = nets.subtract(world.ranges, RESERVED)
        return of_spans(nets.merge((*own, *(each.span for each in world.routes.served if each.routers))), world)
    if kind is Kind.INTERNET:
        return of_spans(world.internet, world)
    if selector.spans or kind is Kind.IPSET:
        return of_spans(selector.spans, world)
    return of_devices(devices(selector, world, groups), world)


def spans_of(held: int, world: World) -> list[nets.Span]:
    """The addresses of the devices `held`, one by one."""
    return [(number, number) for slot in members(held) for number in world.at(slot).addresses]


class Piece(msgspec.Struct, frozen=True):
    """One prefix of a destination, as it is delivered: whole, never narrowed."""

    text: str
    span: nets.Span
    receivers: int
    routers: int
    routes: int


class Target(msgspec.Struct, frozen=True):
    """A destination in a network.

    A device receives it if it has one of its addresses, serves a route that meets it, or is an exit node and the
    destination lies within the internet.
    """

    kind: Kind
    own: int
    """Devices that receive it as their own addresses."""
    routes: int
    routers: int
    outside: bool
    """Whether a part of it lies within the internet, and so goes to exit nodes."""
    receivers: int
    internet: bool
    """Whether all of the internet is in it: who may reach that may use exit nodes."""
    pieces: tuple[Piece, ...] = ()
    spans: tuple[nets.Span, ...] = ()
    """Of the pieces."""


_WHOLE = ("*", "0.0.0.0/0", "::/0")


def target(selector: Selector, world: World, identity: Resolved | None) -> Target:
    """`selector` as a destination; `identity` is what it resolves to, where it names devices by who they are.

    Of `autogroup:self` nothing is known before the device is.
    """
    kind = selector.kind
    if kind is Kind.SELF:
        return Target(kind, 0, 0, 0, False, 0, False)
    if kind is Kind.ANY:
        everything = Piece("*", nets.V6, world.live, world.routes.serving, world.routes.all)
        return Target(kind, world.live, world.routes.all, world.routes.serving, True, world.live, True, (everything,))
    if identity is None:
        return _of_pieces(kind, world.internet if kind is Kind.INTERNET else selector.spans, world)
    receivers = identity.held | identity.routers
    return Target(kind, identity.held, identity.routes, identity.routers, False, receivers, False)


def _of_pieces(kind: Kind, spans: tuple[nets.Span, ...], world: World) -> Target:
    pieces = tuple(_piece(span, world) for span in spans)
    own = routes = routers = receivers = 0
    for piece in pieces:
        own |= world.holders((piece.span,))
        routes |= piece.routes
        routers |= piece.routers
        receivers |= piece.receivers
    merged = nets.merge(spans)
    whole = any(piece.text in _WHOLE for piece in pieces) or all(nets.contains(merged, each) for each in world.internet)
    outside = any(nets.contains(world.internet, piece.span) for piece in pieces)
    return Target(kind, own, routes, routers, outside, receivers, whole, pieces, tuple(spans))


def _piece(span: nets.Span, world: World) -> Piece:
    routes = world.routes.meeting((span,))
    routers = world.routes.routers(routes)
    receivers = world.holders((span,)) | routers
    if nets.contains(world.internet, span):
        # Most prefixes of a long list are nobody's: those share one set.
        receivers = receivers | world.exits if receivers else world.exits
    return Piece(world.text(span), span, receivers, routers, routes)
