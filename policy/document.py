"""A policy as written: its sections and their entries, before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from policy.hujson import Text, Value


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
