"""The policy language: read, check, compile, test, explain, compare. Pure: values in, values out.

text --read--> Document --compile--> Compiled --advance--> Compiled ...
                                     filter, peers, logins, explain, reach; diff of two
"""

from policy.access import RuleRef
from policy.admissions import SSHRule
from policy.compiled import Compiled, check, compile
from policy.default import DEFAULT_POLICY
from policy.described import check_described, described_network
from policy.diff import Change, Diff, diff
from policy.document import Document, read
from policy.explain import Explanation, SSHExplanation
from policy.reach import Login, Reach, Reached

__all__ = [
    "DEFAULT_POLICY", "Change", "Compiled", "Diff", "Document", "Explanation", "Login", "Reach", "Reached", "RuleRef",
    "SSHExplanation", "SSHRule", "check", "check_described", "compile", "described_network", "diff", "read",
]  # fmt: skip
