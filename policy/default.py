"""What a new network begins with."""

from __future__ import annotations

from typing import Final

DEFAULT_POLICY: Final = """\
// Who may reach what. Comments like this one stay; trailing commas are fine.
// Check a change with `policy check`, see what it does with `policy diff`, and set it with `policy set`.
{
  // People in sets, to be named in rules.
  // "groups": {"group:eng": ["alice@example.com", "bob@example.com"]},

  // Who may give a device which tag. A tagged device belongs to its tags, not to a person.
  // "tagOwners": {"tag:server": ["group:eng"]},

  // What passes. Whatever no rule lets through is dropped.
  "acls": [
    // Each person reaches their own devices, and nothing else.
    {"action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"]},
    // {"action": "accept", "src": ["group:eng"], "dst": ["tag:server:22,443"]},
  ],

  // Who may log in as whom by an SSH certificate.
  "ssh": [
    // Each person on their own devices, as any login but root.
    {"action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self"], "users": ["autogroup:nonroot"]},
    // {"action": "check", "src": ["group:eng"], "dst": ["tag:server"], "users": ["root"], "checkPeriod": "1h"},
  ],
}
"""
