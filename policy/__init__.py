"""The policy language: read, check, compile, test, explain, compare. Pure: values in, values out.

text --read--> Document --compile--> Compiled --advance--> Compiled ...
                                     filter, peers, logins, explain, reach; diff of two
"""

from policy.access import RuleRef
from policy.admissions import SSHRule
from policy.advance import advance
from policy.compiled import Compiled
from policy.compiling import check, check_again, compile
from policy.default import DEFAULT_POLICY
from policy.described import check_described, described_network
from policy.diff import Change, Diff, diff
from policy.document import Document
from policy.explain import Explanation, SSHExplanation, explain, explain_ssh
from policy.reach import Login, Reach, Reached, reach
from policy.reading import read

__all__ = [
    "DEFAULT_POLICY", "Change", "Compiled", "Diff", "Document", "Explanation", "Login", "Reach", "Reached", "RuleRef",
    "SSHExplanation", "SSHRule", "advance", "check", "check_again", "check_described", "compile", "described_network",
    "diff", "explain", "explain_ssh", "reach", "read",
]  # fmt: skip
