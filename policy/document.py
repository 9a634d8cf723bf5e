"""A policy's sections and fields, by name and type: what HuJSON is a policy, before anything is looked up.

Section and field names match in any case, as everywhere in the field; names that are data (groups, tags, hosts) do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from policy.fault import Fault, go_quoted, located
from policy.hujson import Array, Object, Text, Value, parse, text_at

T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One rule or test as written. `at` is where it begins, `index` its place in its section from 0."""

    at: int
    index: int
    src: tuple[Text, ...] = ()
    dst: tuple[Text, ...] = ()


class Acl(Entry, frozen=True, kw_only=True):
    action: Text | None = None
    proto: Text | None = None
    src_posture: tuple[Text, ...] | None = None


class Grant(Entry, frozen=True, kw_only=True):
    ip: tuple[Text, ...] = ()
    app: Mapping[Text, Value] = {}
    via: tuple[Text, ...] = ()
    src_posture: tuple[Text, ...] | None = None


class SSHEntry(Entry, frozen=True, kw_only=True):
    action: Text | None = None
    users: tuple[Text, ...] = ()
    check_period: Text | None = None
    accept_env: tuple[Text, ...] = ()
    src_posture: tuple[Text, ...] | None = None


class NodeAttr(Entry, frozen=True, kw_only=True):
    attr: tuple[Text, ...] = ()
    ip_pool: tuple[Text, ...] = ()


class Test(Entry, frozen=True, kw_only=True):
    """`src` has at most one word."""

    proto: Text | None = None
    accept: tuple[Text, ...] = ()
    deny: tuple[Text, ...] = ()
    src_posture_attrs: Mapping[Text, Value] | None = None


class SSHTest(Entry, frozen=True, kw_only=True):
    accept: tuple[Text, ...] = ()
    deny: tuple[Text, ...] = ()
    check: tuple[Text, ...] = ()


Lists = Mapping[Text, tuple[Text, ...]]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A policy as written. A section that is absent is empty; for `acls` and `grants` absence (None) has a meaning."""

    text: str
    groups: Lists = {}
    hosts: Mapping[Text, Text] = {}
    tag_owners: Lists = {}
    ipsets: Lists = {}
    postures: Lists = {}
    default_src_posture: tuple[Text, ...] = ()
    acls: tuple[Acl, ...] | None = None
    grants: tuple[Grant, ...] | None = None
    ssh: tuple[SSHEntry, ...] = ()
    auto_routes: Lists = {}
    auto_exit: tuple[Text, ...] = ()
    node_attrs: tuple[NodeAttr, ...] = ()
    tests: tuple[Test, ...] = ()
    ssh_tests: tuple[SSHTest, ...] = ()
    disable_ipv4: bool = False
    kept: tuple[str, ...] = ()
    """Sections that are accepted and have no meaning here."""


def read(text: str) -> Document:
    """The document that `text` is. Raises `PolicyRefused`, with line and column, where it is none."""
    try:
        value = parse(text)
        if not isinstance(value, Object):
            raise Fault("a policy is one object, in braces", _place(value, 0))
        return _document(text, value)
    except Fault as fault:
        raise located(fault, text) from None


# --- values of one type


def _place(value: Value, otherwise: int) -> int:
    return getattr(value, "at", otherwise)


def _wrong(name: Text, wanted: str) -> Fault:
    return Fault(f"{go_quoted(name)} must be {wanted}", name.at)


def _text(name: Text, value: Value) -> Text:
    if not isinstance(value, Text):
        raise _wrong(name, "a string")
    return value


def _flag(name: Text, value: Value) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "true or false")
    return value


def _anything(name: Text, value: Value) -> Value:
    return value


def _texts(name: Text, value: Value) -> tuple[Text, ...]:
    if not isinstance(value, Array) or not all(isinstance(item, Text) for item in value):
        raise _wrong(name, "an array of strings")
    return tuple(item for item in value if isinstance(item, Text))


def _trimmed(name: Text, value: Value) -> tuple[Text, ...]:
    return tuple(text_at(item.strip(), item.at) for item in _texts(name, value))


def _one(name: Text, value: Value) -> tuple[Text, ...]:
    word = _text(name, value)
    return (word,) if word else ()


def _one_trimmed(name: Text, value: Value) -> tuple[Text, ...]:
    word = _text(name, value)
    return (text_at(word.strip(), word.at),) if word.strip() else ()


def _object(name: Text, value: Value) -> Object:
    if not isinstance(value, Object):
        raise _wrong(name, "an object")
    return value


def _map(name: Text, value: Value) -> Lists:
    return {key: _texts(key, item) for key, item in _object(name, value).items()}


def _groups(name: Text, value: Value) -> Lists:
    out = {}
    for group, people in _object(name, value).items():
        if not isinstance(people, Array):
            kind = "string" if isinstance(people, Text) else type(people).__name__.lower()
            said = f'group value must be an array of users: group "{group}" got {kind}'
            raise Fault(f'{said}: "{people}"' if isinstance(people, Text) else said, group.at)
        for person in people:
            if not isinstance(person, Text):
                kind = type(person).__name__.lower()
                raise Fault(f'invalid group member type: group "{group}" expected string but got {kind}', group.at)
        out[group] = _texts(group, people)
    return out


def _hosts(name: Text, value: Value) -> Mapping[Text, Text]:
    return {key: _text(key, item) for key, item in _object(name, value).items()}


# --- fields by name

Field = tuple[str, Callable[[Text, Value], object]]


def _fields(value: Object, known: Mapping[str, Field], ignore: str | None = None) -> dict[str, object]:
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


def _nearest(name: str, known: Mapping[str, Field]) -> str | None:
    import difflib

    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f'did you mean "{_SPELLED.get(near[0], near[0])}"?' if near else f"known here: {', '.join(sorted(known))}"


def _entries(kind: Callable[..., T], known: Mapping[str, Field], ignore: str | None = None) -> Callable[..., object]:
    def reader(name: Text, value: Value) -> tuple[T, ...]:
        if not isinstance(value, Array):
            raise _wrong(name, "an array of objects")
        out = []
        for index, item in enumerate(value):
            if not isinstance(item, Object):
                raise Fault(f"{go_quoted(name)} must be an array of objects", _place(item, value.at))
            out.append(kind(at=item.at, index=index, **_fields(item, known, ignore)))
        return tuple(out)

    return reader


_RULE: dict[str, Field] = {"src": ("src", _trimmed), "srcposture": ("src_posture", _texts)}
_ACL = _RULE | {
    "action": ("action", _text),
    "proto": ("proto", _text),
    "dst": ("dst", _texts),
    "users": ("src", _trimmed),
    "ports": ("dst", _texts),
}
_GRANT = _RULE | {
    "dst": ("dst", _trimmed),
    "ip": ("ip", _texts),
    "app": ("app", _object),
    "via": ("via", _texts),
}
_SSH = _RULE | {
    "action": ("action", _text),
    "dst": ("dst", _trimmed),
    "users": ("users", _trimmed),
    "checkperiod": ("check_period", _text),
    "acceptenv": ("accept_env", _texts),
}
_NODE_ATTR: dict[str, Field] = {
    "target": ("dst", _trimmed),
    "attr": ("attr", _texts),
    "ippool": ("ip_pool", _texts),
    "app": ("_app", _anything),
}
_TEST: dict[str, Field] = {
    "src": ("src", _one),
    "proto": ("proto", _text),
    "accept": ("accept", _texts),
    "allow": ("accept", _texts),
    "deny": ("deny", _texts),
    "srcpostureattrs": ("src_posture_attrs", _object),
}
_SSH_TEST: dict[str, Field] = {
    "src": ("src", _one_trimmed),
    "dst": ("dst", _trimmed),
    "accept": ("accept", _texts),
    "deny": ("deny", _texts),
    "check": ("check", _texts),
}
_APPROVERS: dict[str, Field] = {"routes": ("auto_routes", _map), "exitnode": ("auto_exit", _texts)}


def _approvers(name: Text, value: Value) -> dict[str, object]:
    return _fields(_object(name, value), _APPROVERS)


def _node_attr(**fields: object) -> NodeAttr:
    fields.pop("_app", None)
    return NodeAttr(**fields)  # type: ignore[arg-type]


_SECTIONS: dict[str, Field] = {
    "groups": ("groups", _groups),
    "hosts": ("hosts", _hosts),
    "tagowners": ("tag_owners", _map),
    "ipsets": ("ipsets", _map),
    "postures": ("postures", _map),
    "defaultsrcposture": ("default_src_posture", _texts),
    "acls": ("acls", _entries(Acl, _ACL, ignore="#")),
    "grants": ("grants", _entries(Grant, _GRANT)),
    "ssh": ("ssh", _entries(SSHEntry, _SSH)),
    "autoapprovers": ("_approvers", _approvers),
    "nodeattrs": ("node_attrs", _entries(_node_attr, _NODE_ATTR)),
    "tests": ("tests", _entries(Test, _TEST)),
    "sshtests": ("ssh_tests", _entries(SSHTest, _SSH_TEST)),
    "randomizeclientport": ("randomizeClientPort", _flag),
    "derpmap": ("derpMap", _anything),
    "disableipv4": ("disable_ipv4", _flag),
    "onecgnatroute": ("OneCGNATRoute", _text),
}
_SPELLED = {
    "tagowners": "tagOwners", "autoapprovers": "autoApprovers", "nodeattrs": "nodeAttrs", "sshtests": "sshTests",
    "srcposture": "srcPosture", "checkperiod": "checkPeriod", "acceptenv": "acceptEnv", "exitnode": "exitNode",
    "defaultsrcposture": "defaultSrcPosture", "ippool": "ipPool", "srcpostureattrs": "srcPostureAttrs",
    "randomizeclientport": "randomizeClientPort", "derpmap": "derpMap", "disableipv4": "disableIPv4",
    "onecgnatroute": "OneCGNATRoute",
}  # fmt: skip
_KEPT = ("randomizeClientPort", "derpMap", "OneCGNATRoute")


def _document(text: str, value: Object) -> Document:
    sections = _fields(value, _SECTIONS)
    approvers = sections.pop("_approvers", {})
    assert isinstance(approvers, dict)
    kept = tuple(name for name in _KEPT if sections.pop(name, None) is not None)
    return Document(text=text, kept=kept, **sections, **approvers)  # type: ignore[arg-type]
