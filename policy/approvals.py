"""`autoApprovers` and `tagOwners`: what happens without an operator, and who may give a device which tag."""

from __future__ import annotations

from collections.abc import Iterable

from model.ids import Prefix, Tag
from model.records import Device, User
from policy import nets
from policy.document import Document
from policy.hujson import Text
from policy.resolve import ROLES, Groups, people
from policy.selectors import Kind, classify
from policy.world import EXIT, World


def auto_approved(document: Document, groups: Groups, world: World, device: Device) -> tuple[Prefix, ...]:
    """A route is approved by a key that equals or contains it; exit routes only by `exitNode`."""
    found = []
    for route in device.routes:
        if route.prefix in EXIT:
            approvers: Iterable[Text] = document.auto_exit
        else:
            span = nets.prefix(route.prefix)
            approvers = [
                approver for key, listed in document.auto_routes.items()
                if span is not None and _holds(nets.prefix(key), span) for approver in listed
            ]  # fmt: skip
        if any(_is(approver, device, groups, world) for approver in approvers):
            found.append(route.prefix)
    return tuple(found)


def _holds(outer: nets.Span | None, inner: nets.Span) -> bool:
    return outer is not None and outer[0] <= inner[0] and inner[1] <= outer[1]


def _is(approver: Text, device: Device, groups: Groups, world: World) -> bool:
    selector = classify(approver)
    if selector.kind is Kind.TAG:
        return str(approver) in map(str, device.tags)
    if device.tags or device.user is None:
        return False
    return selector.kind is Kind.MEMBER or device.user in people(selector, world, groups)


def may_tag(document: Document, groups: Groups, user: User, tag: Tag) -> bool:
    """An owner that is a tag passes on its own owners; where that goes in a circle, the circle adds nobody."""
    seen: set[str] = set()
    waiting: list[str] = [tag]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for owner in document.tag_owners.get(current, ()):  # type: ignore[call-overload]
            if owner.startswith("tag:"):
                waiting.append(owner)
            elif _owns(owner, groups, user):
                return True
    return False


def _owns(owner: Text, groups: Groups, user: User) -> bool:
    if owner.startswith("group:"):
        return user.name in groups.get(owner, frozenset())
    if owner.startswith("autogroup:"):
        return owner == "autogroup:member" or ROLES.get(owner) is user.role
    return str(owner) == str(user.name)
