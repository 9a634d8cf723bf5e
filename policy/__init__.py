"""The policy language: read, check, compile, test, explain. Pure: values in, values out."""

from policy.admissions import SSHRule
from policy.compiled import Compiled, check, compile
from policy.default import DEFAULT_POLICY
from policy.described import check_described, described_network
from policy.document import Document, read

__all__ = [
    "DEFAULT_POLICY", "Compiled", "Document", "SSHRule", "check", "check_described", "compile", "described_network",
    "read",
]  # fmt: skip
