"""The network's names in a hosts file: one marked block, put in and taken out without a trace. Pure.

For all texts t without a marker, ``without_block(with_block(t, b)) == t``.
"""

from __future__ import annotations

import ipaddress
import re

from model.netmap import Names

BEGIN = "# wardgate begin: written anew at every change, edit nothing here"
BEGIN_UNENDED = BEGIN + " (the line before had no end)"
END = "# wardgate end"

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62}\.)*[a-z0-9_-]{0,62}[a-z0-9]")
_BLOCK = re.compile(
    rf"(?P<unended>\n)?^{re.escape(BEGIN)}(?P<note>[^\n]*)\n(?:(?!# wardgate )[^\n]*\n)*?{re.escape(END)}\n",
    re.MULTILINE,
)
_NEVER = re.compile(r"(?:^|\.)(?:localhost|localdomain|ip6-[a-z]+)$")
"""Names that a machine means itself by."""
_LOOKED_FOR = frozenset({"wpad", "isatap"})
"""Short names that machines ask for by themselves, and trust with their web traffic or a tunnel."""


def block(names: Names, domain: str) -> str:
    """The lines for `names`, sorted; a name directly under `domain` has its short form beside it, and the one that
    ends with a dot: ssh looks that up where its configuration makes short names whole, and glibc compares text.

    What is not a plain name or address, and names by which a machine means itself, are left out.
    """
    lines = []
    for name in sorted(names):
        if len(name) > 253 or not _NAME.fullmatch(name) or _NEVER.search(name):
            continue
        short = name.removesuffix(f".{domain}")
        long = "." in short or short == name or short in _LOOKED_FOR or _NEVER.search(short)
        words = name if long else f"{name} {short} {name}."
        for kind in ("A", "AAAA"):
            lines += [f"{address} {words}" for text in names[name].get(kind, ()) if (address := _address(text))]
    return "".join(f"{line}\n" for line in [BEGIN, *lines, END])


def with_block(text: str, new: str) -> str:
    """`text` with `new` at its end, in place of an earlier block."""
    rest = without_block(text)
    if rest and not rest.endswith("\n"):
        return f"{rest}\n{new.replace(BEGIN, BEGIN_UNENDED, 1)}"
    return rest + new


def without_block(text: str) -> str:
    """`text` as it was before a block was put in; a block whose end was cut off is left for a person to judge."""

    def rest(match: re.Match[str]) -> str:
        unended = match["note"] == BEGIN_UNENDED.removeprefix(BEGIN)
        return "" if unended else match["unended"] or ""

    return _BLOCK.sub(rest, text)


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if getattr(address, "scope_id", None) else str(address)
