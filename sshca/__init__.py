"""The SSH certificate authority: specification, signing, KRL, generations. It stores nothing and asks nobody."""

from sshca.agent_signer import AgentSigner, agent_keys
from sshca.claims import Claim, Grant, Lives, check_claims, grant, validity
from sshca.describing import describe
from sshca.generations import active
from sshca.keys import CA_ALGORITHMS, KeySigner, generate, is_encrypted, load, save
from sshca.parsing import ParsedCertificate, parse
from sshca.pkcs11_signer import PKCS11Signer, Token, generate_on_token
from sshca.principals import (
    fresh_principal,
    host_key_id,
    host_principals,
    tag_principals,
    user_key_id,
    user_principals,
)
from sshca.revocation import LONG_OVER, ParsedKRL, krl, read_krl, still_needed
from sshca.signer import Signer
from sshca.signing import issue, sign
from sshca.specification import CriticalOption, Extension, Specification
from sshca.subjects import check_key
from sshca.trust import client_config, host_script, known_hosts, sshfp
from sshca.validation import check_key_id, validate
from sshca.verifying import verify

__all__ = [
    "CA_ALGORITHMS",
    "LONG_OVER",
    "AgentSigner",
    "Claim",
    "CriticalOption",
    "Extension",
    "Grant",
    "KeySigner",
    "Lives",
    "PKCS11Signer",
    "ParsedCertificate",
    "ParsedKRL",
    "Signer",
    "Specification",
    "Token",
    "active",
    "agent_keys",
    "check_claims",
    "check_key",
    "check_key_id",
    "client_config",
    "describe",
    "fresh_principal",
    "generate",
    "generate_on_token",
    "grant",
    "host_key_id",
    "host_principals",
    "host_script",
    "is_encrypted",
    "issue",
    "known_hosts",
    "krl",
    "load",
    "parse",
    "read_krl",
    "save",
    "sign",
    "sshfp",
    "still_needed",
    "tag_principals",
    "user_key_id",
    "user_principals",
    "validate",
    "validity",
    "verify",
]
