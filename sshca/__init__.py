"""The SSH certificate authority: specification, signing, KRL, generations. It stores nothing and asks nobody."""

from sshca.claims import Claim, Grant, Lives, check_claims, grant, renew_at, validity
from sshca.keys import KeySigner, generate, load, save
from sshca.parsing import ParsedCertificate, parse
from sshca.principals import (
    fresh_principal,
    host_key_id,
    host_principals,
    tag_principals,
    user_key_id,
    user_principals,
)
from sshca.revocation import ParsedKRL, krl, read_krl
from sshca.signer import Signer
from sshca.signing import issue, sign
from sshca.specification import CriticalOption, Extension, Specification
from sshca.subjects import check_key
from sshca.validation import validate

__all__ = [
    "Claim",
    "CriticalOption",
    "Extension",
    "Grant",
    "KeySigner",
    "Lives",
    "ParsedCertificate",
    "ParsedKRL",
    "Signer",
    "Specification",
    "check_claims",
    "check_key",
    "fresh_principal",
    "generate",
    "grant",
    "host_key_id",
    "host_principals",
    "issue",
    "krl",
    "load",
    "parse",
    "read_krl",
    "renew_at",
    "save",
    "sign",
    "tag_principals",
    "user_key_id",
    "user_principals",
    "validate",
    "validity",
]
