"""What an actor whose reach is their own things may name. What is another's does not exist for them."""

from __future__ import annotations

from gate.operation import Call
from model.errors import Denied, NotFound
from model.ids import UserName, quoted, user_name
from model.records import Certificate, Device, User
from store import Reader, devices, users


def user(r: Reader, call: Call, name: str) -> User:
    """The user called `name`; an empty name or `me` is the actor."""
    if name in {"", "me"} and call.actor.user is not None:
        name = call.actor.user
    if not call.own:
        if name in {"", "me"} and users.by_name(r, user_name("me", call.snapshot.user_domain)) is None:
            raise NotFound(f"{call.actor.name} is nobody with things of their own", hint="over SSH you are a person")
        return users.find(r, name, call.snapshot.user_domain)
    mine = users.by_name(r, _self(call))
    if mine is None or name.casefold() not in {mine.name, mine.name.partition("@")[0]}:
        raise Denied(f"{quoted(name)} is not you", hint="your role lets you do this to yourself alone")
    return mine


def device(r: Reader, call: Call, name: str) -> Device:
    found = devices.find(r, name) if not call.own else next(
        (d for d in devices.of_user(r, _self(call)) if name.strip().lower() in {d.name, d.id, *d.addresses}), None
    )  # fmt: skip
    if found is None:
        raise NotFound(f"you have no device called {quoted(name)}", hint="`devices list` shows yours")
    return found


def certificate(call: Call, found: Certificate) -> Certificate:
    if call.own and found.user != _self(call):
        raise NotFound(f"no certificate of yours has serial {found.serial}", hint="`certs list` shows yours")
    return found


def desk(call: Call) -> tuple[UserName | None, str]:
    """Whose console it is: a user, or by the second name a local owner (`local:UID`), who is none."""
    if call.actor.user is None and not call.actor.name.startswith("local:"):
        raise Denied(f"{call.actor.name} has no console")
    return call.actor.user, call.actor.name


def _self(call: Call) -> UserName:
    assert call.actor.user is not None
    return call.actor.user
