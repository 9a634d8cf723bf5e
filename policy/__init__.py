"""The policy language: read, check, compile, test, explain. Pure: values in, values out."""

from policy.compiled import Compiled, check, compile
from policy.described import check_described
from policy.document import Document, read

__all__ = ["Compiled", "Document", "check", "check_described", "compile", "read"]
