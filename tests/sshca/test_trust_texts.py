"""What clients and hosts are given to read."""

from __future__ import annotations

import fnmatch
import ipaddress
from pathlib import Path

import pytest
from certificate_builders import a_key, a_signer, ssh_keygen

from model.foreign import foreign_settings, merge
from model.ids import Domain, Prefix
from model.netmap import Trust
from model.sshd import Paths, any_login_file, drop_in, login_files, principals_file, user_ca_file
from sshca import client_config, host_script, known_hosts, krl, sshfp
from sshca.trust import address_patterns, gate_pattern

DOMAIN = Domain("net.example.com")
RANGES = (Prefix("100.64.0.0/10"), Prefix("fd7a:115c:a1e0::/48"))
TRUST = Trust(user_ca=(a_signer().key.line,), host_ca=(a_signer(name="host").key.line, a_signer(name="next").key.line))


def test_every_host_ca_is_trusted_for_the_networks_names_alone() -> None:
    lines = known_hosts(TRUST, DOMAIN, ["gate.example.org:2200"]).splitlines()
    assert len(lines) == 2
    for line, ca in zip(lines, TRUST.host_ca, strict=True):
        assert line == f"@cert-authority net.example.com,*.net.example.com,[gate.example.org]:2200 {ca} wardgate"


@pytest.mark.parametrize(
    ("gate", "pattern"),
    [
        ("gate.example.org", "[gate.example.org]:2222"),
        ("Gate.example.org:22", "gate.example.org"),
        ("192.0.2.1:2200", "[192.0.2.1]:2200"),
        ("[2001:db8::1]:2200", "[2001:db8::1]:2200"),
        ("2001:db8::1", "[2001:db8::1]:2222"),
    ],
)
def test_a_gate_is_looked_up_as_ssh_writes_it(gate: str, pattern: str) -> None:
    assert gate_pattern(gate) == pattern


@pytest.mark.parametrize(
    ("prefix", "inside", "outside"),
    [
        ("100.64.0.0/10", ["100.64.0.1", "100.127.255.255"], ["100.63.0.1", "100.128.0.1", "10.64.0.1"]),
        ("10.0.0.0/8", ["10.255.0.1"], ["110.0.0.1", "1.10.0.0"]),
        ("192.0.2.4/31", ["192.0.2.4", "192.0.2.5"], ["192.0.2.6", "192.0.2.40"]),
        ("fd7a:115c:a1e0::/48", ["fd7a:115c:a1e0::7", "fd7a:115c:a1e0:1::"], ["fd7a:115c:a1e1::7"]),
    ],
)
def test_a_prefix_is_written_as_patterns_exactly(prefix: str, inside: list[str], outside: list[str]) -> None:
    patterns = address_patterns(Prefix(prefix))
    assert all(str(ipaddress.ip_address(one)) == one for one in inside + outside)
    assert all(any(fnmatch.fnmatchcase(one, pattern) for pattern in patterns) for one in inside)
    assert not any(fnmatch.fnmatchcase(one, pattern) for pattern in patterns for one in outside)


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "::/0", "fc00::/7", "2001:db8:0:8000::/49"])
def test_a_prefix_that_patterns_cannot_say_is_left_out(prefix: str) -> None:
    assert address_patterns(Prefix(prefix)) == ()


@pytest.mark.needs("ssh-keygen")
def test_sshfp_values_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    keys = [a_key(name) for name in ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521")]
    for key, value in zip(keys, sshfp(keys), strict=True):
        (tmp_path / "key.pub").write_text(key.line)
        shown = ssh_keygen("-r", "db-1", "-f", tmp_path / "key.pub").stdout
        assert f"db-1 IN SSHFP {value}\n" in shown


def test_a_client_is_asked_nothing_blindly_in_the_network() -> None:
    text = client_config(DOMAIN)
    assert text.endswith("Match host net.example.com,*.net.example.com\n    StrictHostKeyChecking yes\n")


def test_a_short_name_is_one_of_the_network_where_it_is_known_there() -> None:
    assert client_config(DOMAIN).startswith("Match host !*.*,*\n    CanonicalizeHostname yes\n")
    assert "CanonicalDomains net.example.com\n" in client_config(DOMAIN)


def test_the_networks_ranges_are_trusted_for_those_who_type_addresses() -> None:
    assert ",100.64.*,100.65.*," in known_hosts(TRUST, DOMAIN, prefixes=[Prefix("100.64.0.0/10")])


def test_the_drop_in_names_files_alone() -> None:
    text = drop_in(with_host_certificate=True)
    assert "TrustedUserCAKeys /etc/ssh/wardgate/user_ca.pub\n" in text
    assert "HostCertificate /etc/ssh/wardgate/ssh_host_ed25519_key-cert.pub\n" in text
    assert "HostCertificate" not in drop_in(with_host_certificate=False)


def test_every_user_ca_is_trusted() -> None:
    assert user_ca_file(Trust(user_ca=("ssh-ed25519 A", "ssh-ed25519 B"))) == (
        "ssh-ed25519 A wardgate\nssh-ed25519 B wardgate\n"
    )


def test_a_login_with_an_entry_has_a_file_though_nobody_may() -> None:
    files = login_files({"deploy": ("bob@example.com", "alice@example.com"), "web": (), "*": ("eve@example.com",)})
    assert files == {"root": "", "deploy": "alice@example.com\nbob@example.com\n", "web": ""}
    assert any_login_file({"*": ("eve@example.com",)}) == "eve@example.com\n"
    assert any_login_file({}) == ""


@pytest.mark.parametrize("login", ["a b", "al+ice", "CORP\\bob", "bob@corp", "%u", "-x", "ünal", "host$"])
def test_whatever_an_account_can_be_called_has_a_file(login: str) -> None:
    assert login_files({login: ("alice@example.com",)})[login] == "alice@example.com\n"


@pytest.mark.parametrize("login", ["", "../root", "a/b", ".", "..", ".ssh", "a\nb", "a:b", "a" * 256])
def test_a_login_that_is_no_accounts_name_is_left_out_and_keeps_nothing_else_away(login: str) -> None:
    assert login_files({login: ("alice@example.com",), "web": ()}) == {"root": "", "web": ""}


@pytest.mark.parametrize("principal", ["", "a b", "a\nb", 'from="*" a', "a,b\0", "\x1b"])
def test_a_principal_that_would_read_otherwise_is_left_out(principal: str) -> None:
    assert principals_file([principal, "alice@example.com"]) == "alice@example.com\n"


def test_a_principal_with_a_hash_is_left_out_and_keeps_nobody_else_out() -> None:
    assert principals_file(["#x@example.com", "al#ice@example.com", "bob@example.com"]) == "bob@example.com\n"


def test_another_ca_that_sshd_trusts_is_found() -> None:
    (found,) = foreign_settings("port 22\ntrustedusercakeys /etc/ssh/their_ca.pub\nrevokedkeys none\n")
    assert str(found) == "trustedusercakeys is /etc/ssh/their_ca.pub"


def test_a_command_that_would_be_asked_about_root_is_found() -> None:
    (found,) = foreign_settings("authorizedprincipalscommand /usr/bin/theirs %u\n")
    assert str(found) == "authorizedprincipalscommand is /usr/bin/theirs %u"


def test_the_merge_leaves_the_tunnel_to_us_and_all_else_to_the_other() -> None:
    assert "`Match Address *,!100.64.0.0/10,!fd7a:115c:a1e0::/48`" in merge(RANGES)


def test_our_own_settings_do_not_stand_in_our_way() -> None:
    paths = Paths()
    ours = f"trustedusercakeys {paths.user_ca}\nrevokedkeys {paths.krl}\nauthorizedprincipalsfile {paths.logins}/%u\n"
    assert foreign_settings(ours, paths) == ()
    assert foreign_settings("trustedusercakeys none\nauthorizedprincipalsfile none\n") == ()


def test_the_script_leaves_nothing_to_fill_in() -> None:
    empty = krl(version=1, generated_at=1, comment="", revocations=(), ca_keys={})
    script = host_script(
        TRUST, empty, domain=DOMAIN, ranges=RANGES, logins={"*": ("alice@example.com",)}, host_certificate="ssh-x A"
    )
    assert "@DOMAIN@" not in script
    assert not [word for word in script.split() if word.startswith("@") and word.endswith("@")]
