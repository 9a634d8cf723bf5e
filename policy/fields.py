"""What a policy's fields may hold, and objects whose fields are known by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from policy.document import Lists
from policy.fault import Fault, go_quoted
from policy.hujson import Array, Object, Text, Value, text_at

T = TypeVar("T")


def place(value: Value, otherwise: int) -> int:
    return getattr(value, "at", otherwise)


def wrong(name: Text, wanted: str) -> Fault:
    return Fault(f"{go_quoted(name)} must be {wanted}", name.at)


def text(name: Text, value: Value) -> Text:
    if not isinstance(value, Text):
        raise wrong(name, "a string")
    return value


def flag(name: Text, value: Value) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, "true or false")
    return value


def anything(name: Text, value: Value) -> Value:
    return value


def texts(name: Text, value: Value) -> tuple[Text, ...]:
    if not isinstance(value, Array) or not all(isinstance(item, Text) for item in value):
        raise wrong(name, "an array of strings")
    return tuple(item for item in value if isinstance(item, Text))


def trimmed(name: Text, value: Value) -> tuple[Text, ...]:
    return tuple(text_at(item.strip(), item.at) for item in texts(name, value))


def one_text(name: Text, value: Value) -> tuple[Text, ...]:
    word = text(name, value)
    return (word,) if word else ()


def one_trimmed(name: Text, value: Value) -> tuple[Text, ...]:
    word = text(name, value)
    return (text_at(word.strip(), word.at),) if word.strip() else ()


def an_object(name: Text, value: Value) -> Object:
    if not isinstance(value, Object):
        raise wrong(name, "an object")
    return value


def lists(name: Text, value: Value) -> Lists:
    return {key: texts(key, item) for key, item in an_object(name, value).items()}


def groups(name: Text, value: Value) -> Lists:
    out = {}
    for group, people in an_object(name, value).items():
        if not isinstance(people, Array):
            kind = "string" if isinstance(people, Text) else type(people).__name__.lower()
            said = f'group value must be an array of users: group "{group}" got {kind}'
            raise Fault(f'{said}: "{people}"' if isinstance(people, Text) else said, group.at)
        for person in people:
            if not isinstance(person, Text):
                kind = type(person).__name__.lower()
                raise Fault(f'invalid group member type: group "{group}" expected string but got {kind}', group.at)
        out[group] = texts(group, people)
    return out


def hosts(name: Text, value: Value) -> Mapping[Text, Text]:
    return {key: text(key, item) for key, item in an_object(name, value).items()}


# --- fields by name

Field = tuple[str, Callable[[Text, Value], object]]


def fields(value: Object, known: Mapping[str, Field], ignore: str | None = None) -> dict[str, object]:
    """The members of `value` under the names of this program; null counts as absent."""
    out: dict[str, object] = {}
    seen: set[str] = set()
    for name, item in value.items():
        if ignore and name.startswith(ignore):
            continue
        folded = name.lower()
        if folded not in known:
            raise Fault(f"unknown field: {go_quoted(name)}", name.at, _nearest(name, known))
        attribute, reader = known[folded]
        if attribute in seen:
            raise Fault(f"duplicate object member name {go_quoted(name)}", name.at)
        seen.add(attribute)
        if item is not None:
            out[attribute] = reader(name, item)
    return out


_SPELLED = {
    "tagowners": "tagOwners", "autoapprovers": "autoApprovers", "nodeattrs": "nodeAttrs", "sshtests": "sshTests",
    "srcposture": "srcPosture", "checkperiod": "checkPeriod", "acceptenv": "acceptEnv", "exitnode": "exitNode",
    "defaultsrcposture": "defaultSrcPosture", "ippool": "ipPool", "srcpostureattrs": "srcPostureAttrs",
    "randomizeclientport": "randomizeClientPort", "derpmap": "derpMap", "disableipv4": "disableIPv4",
    "onecgnatroute": "OneCGNATRoute",
}  # fmt: skip


def _nearest(name: str, known: Mapping[str, Field]) -> str | None:
    import difflib

    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f'did you mean "{_SPELLED.get(near[0], near[0])}"?' if near else f"known here: {', '.join(sorted(known))}"


def entries(kind: Callable[..., T], known: Mapping[str, Field], ignore: str | None = None) -> Callable[..., object]:
    def reader(name: Text, value: Value) -> tuple[T, ...]:
        if not isinstance(value, Array):
            raise wrong(name, "an array of objects")
        out = []
        for index, item in enumerate(value):
            if not isinstance(item, Object):
                raise Fault(f"{go_quoted(name)} must be an array of objects", place(item, value.at))
            out.append(kind(at=item.at, index=index, **fields(item, known, ignore)))
        return tuple(out)

    return reader
