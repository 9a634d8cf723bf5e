"""The policy that a new network begins with."""

DEFAULT_POLICY = """\
// The policy of this network: who may reach what, and who may log in where.
// Comments and trailing commas are fine. Check a change with `policy check`, see what it would do with
// `policy diff`, and set it with `policy set FILE --confirm-within 60s`.
{
  // Sets of people, and the roles that devices take instead of an owner.
  "groups": {
    // "group:ops": ["alice@example.com"],
  },
  "tagOwners": {
    // "tag:db": ["group:ops"],
  },

  // Packets. What no rule lets in stays out.
  "acls": [
    // Each person reaches their own devices, and nothing else.
    {"action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"]},
  ],

  // SSH logins, as certificates: on their own devices, each person as any login but root, and as root.
  "ssh": [
    {
      "action": "accept",
      "src": ["autogroup:member"],
      "dst": ["autogroup:self"],
      "users": ["autogroup:nonroot", "root"],
    },
  ],

  // What must stay true. A policy that fails its own tests is not taken.
  "tests": [
    // {"src": "alice@example.com", "accept": ["tag:db:5432"]},
  ],
}
"""
