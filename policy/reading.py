"""From HuJSON to a policy as written: its sections and fields, by name and type.

Section and field names match in any case, as everywhere in the field; names that are data (groups, tags, hosts) do not.
"""

from __future__ import annotations

from policy.document import Acl, Document, Grant, NodeAttr, SSHEntry, SSHTest, Test
from policy.fault import Fault, located
from policy.fields import (
    Field,
    an_object,
    anything,
    entries,
    fields,
    flag,
    groups,
    hosts,
    lists,
    one_text,
    one_trimmed,
    place,
    text,
    texts,
    trimmed,
)
from policy.hujson import Object, Text, Value, parse


def read(text: str) -> Document:
    """The document that `text` is. Raises `PolicyRefused`, with line and column, where it is none."""
    try:
        value = parse(text)
        if not isinstance(value, Object):
            raise Fault("a policy is one object, in braces", place(value, 0))
        return _document(text, value)
    except Fault as fault:
        raise located(fault, text) from None


_RULE: dict[str, Field] = {"src": ("src", trimmed), "srcposture": ("src_posture", texts)}
_ACL = _RULE | {
    "action": ("action", text),
    "proto": ("proto", text),
    "dst": ("dst", texts),
    "users": ("src", trimmed),
    "ports": ("dst", texts),
}
_GRANT = _RULE | {
    "dst": ("dst", trimmed),
    "ip": ("ip", texts),
    "app": ("app", an_object),
    "via": ("via", texts),
}
_SSH = _RULE | {
    "action": ("action", text),
    "dst": ("dst", trimmed),
    "users": ("users", trimmed),
    "checkperiod": ("check_period", text),
    "acceptenv": ("accept_env", texts),
}
_NODE_ATTR: dict[str, Field] = {
    "target": ("dst", trimmed),
    "attr": ("attr", texts),
    "ippool": ("ip_pool", texts),
    "app": ("_app", anything),
}
_TEST: dict[str, Field] = {
    "src": ("src", one_text),
    "proto": ("proto", text),
    "accept": ("accept", texts),
    "allow": ("accept", texts),
    "deny": ("deny", texts),
    "srcpostureattrs": ("src_posture_attrs", an_object),
}
_SSH_TEST: dict[str, Field] = {
    "src": ("src", one_trimmed),
    "dst": ("dst", trimmed),
    "accept": ("accept", texts),
    "deny": ("deny", texts),
    "check": ("check", texts),
}
_APPROVERS: dict[str, Field] = {"routes": ("auto_routes", lists), "exitnode": ("auto_exit", texts)}


def _approvers(name: Text, value: Value) -> dict[str, object]:
    return fields(an_object(name, value), _APPROVERS)


def _node_attr(**fields: object) -> NodeAttr:
    fields.pop("_app", None)
    return NodeAttr(**fields)  # type: ignore[arg-type]


_SECTIONS: dict[str, Field] = {
    "groups": ("groups", groups),
    "hosts": ("hosts", hosts),
    "tagowners": ("tag_owners", lists),
    "ipsets": ("ipsets", lists),
    "postures": ("postures", lists),
    "defaultsrcposture": ("default_src_posture", texts),
    "acls": ("acls", entries(Acl, _ACL, ignore="#")),
    "grants": ("grants", entries(Grant, _GRANT)),
    "ssh": ("ssh", entries(SSHEntry, _SSH)),
    "autoapprovers": ("_approvers", _approvers),
    "nodeattrs": ("node_attrs", entries(_node_attr, _NODE_ATTR)),
    "tests": ("tests", entries(Test, _TEST)),
    "sshtests": ("ssh_tests", entries(SSHTest, _SSH_TEST)),
    "randomizeclientport": ("randomizeClientPort", flag),
    "derpmap": ("derpMap", anything),
    "disableipv4": ("disable_ipv4", flag),
    "onecgnatroute": ("OneCGNATRoute", text),
}
_KEPT = ("randomizeClientPort", "derpMap", "OneCGNATRoute")


def _document(text: str, value: Object) -> Document:
    sections = fields(value, _SECTIONS)
    approvers = sections.pop("_approvers", {})
    assert isinstance(approvers, dict)
    kept = tuple(name for name in _KEPT if sections.pop(name, None) is not None)
    return Document(text=text, kept=kept, **sections, **approvers)  # type: ignore[arg-type]
