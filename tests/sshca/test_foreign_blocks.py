"""Another CA that a block of sshd's configuration trusts: one table, for the agent's reading and for the script's."""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from certificate_builders import a_signer
from sshd_host import EMPTY_KRL, Host

from model.errors import Unavailable
from model.foreign import foreign_blocks
from model.ids import Domain, Prefix
from model.netmap import Trust
from model.sshd import Paths
from sshca import host_script

CA = "TrustedUserCAKeys /etc/ssh/their_ca.pub"
FOUND = "trustedusercakeys is /etc/ssh/their_ca.pub in /etc/ssh/"
REVOKED = "RevokedKeys /etc/ssh/their.krl"
OWN = "AuthorizedPrincipalsFile /etc/ssh/their_logins/%u"

CONFIGURATIONS = [
    pytest.param(
        {"sshd_config.d/05.conf": f"Match User a\n  {CA}"},
        [f"{FOUND}sshd_config.d/05.conf, Match User a"],
        id="in-a-block",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": 'match user a\ntrustedusercakeys="/etc/ssh/their_ca.pub" # theirs'},
        [f"{FOUND}sshd_config.d/05.conf, Match user a"],
        id="as-sshd-reads",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": f"Match User a\nMatch User b\n{CA}"},
        [f"{FOUND}sshd_config.d/05.conf, Match User b"],
        id="in-the-second",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": f"Match User a\n{CA}\nAuthorizedPrincipalsFile none"},
        [f"{FOUND}sshd_config.d/05.conf, Match User a"],
        id="no-list",
    ),
    pytest.param({"sshd_config.d/05.conf": f"Match User a\n{CA}\n{OWN}"}, [], id="a-list-of-its-own"),
    pytest.param({"sshd_config.d/05.conf": f"Match User a\n# {CA}\nTrustedUserCAKeys none"}, [], id="none"),
    pytest.param({"sshd_config.d/05.conf": f"Match User a\nTrustedUserCAKeys none\n{CA}"}, [], id="the-first-counts"),
    pytest.param({"sshd_config.d/05.conf": f"Match User a\nTrustedUserCAKeys {Paths().user_ca}"}, [], id="ours"),
    pytest.param(
        {"sshd_config.d/05.conf": "Include /etc/ssh/more/*.conf", "more/b.conf": f"Match User a\n{CA}"},
        [f"{FOUND}more/b.conf, Match User a"],
        id="in-a-file-of-a-file",
    ),
    pytest.param(
        {
            "sshd_config.d/05.conf": "Include \"more/of them/[ab]?.conf\" 'more/c'",
            "more/of them/b1.conf": f"Match User a\n{CA}",
            "more/c": f"Match User c\n{CA}",
        },
        [f"{FOUND}more/of them/b1.conf, Match User a", f"{FOUND}more/c, Match User c"],
        id="by-quoted-patterns-beside-sshd_config",
    ),
    pytest.param(
        {
            "sshd_config.d/05.conf": 'Include "more/of them/*" # it\'s theirs',
            "more/of them/ca": f'Match User a\n{CA}\nAuthorizedPrincipalsFile "none" #it\'s',
        },
        [f"{FOUND}more/of them/ca, Match User a"],
        id="with-comments-that-quote",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": "Match User a\nInclude more/*", "more/ca": CA},
        [f"{FOUND}more/ca, Match User a"],
        id="in-a-file-that-a-block-includes",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": f"Match User a\nInclude more/*\n{OWN}", "more/ca": CA}, [], id="a-list-after-the-file"
    ),
    pytest.param(
        {"sshd_config.d/05.conf": "Match User a\nInclude more/*", "more/ca": f"Match Address 192.0.2.1\n{CA}"},
        [f"{FOUND}more/ca, Match User a, Match Address 192.0.2.1"],
        id="a-block-within-a-block",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": f"Match User a\n{OWN}\nInclude more/*", "more/ca": f"Match Address 192.0.2.1\n{CA}"},
        [],
        id="the-outer-blocks-list-serves-the-inner",
    ),
    pytest.param(
        {
            "sshd_config.d/05.conf": f"Match User a\nInclude more/*\n{CA}",
            "more/list": f"Match Address 192.0.2.1\n{OWN}",
        },
        [f"{FOUND}sshd_config.d/05.conf, Match User a"],
        id="the-inner-blocks-list-does-not-serve-the-outer",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": "Match User a\nPermitTTY yes", "sshd_config.d/06.conf": f"Match User b\n{CA}"},
        [f"{FOUND}sshd_config.d/06.conf, Match User b"],
        id="a-block-ends-with-its-file",
    ),
    pytest.param(
        {"sshd_config.d/05.conf": f"Match User a\n{REVOKED}"},
        ["revokedkeys is /etc/ssh/their.krl in /etc/ssh/sshd_config.d/05.conf, Match User a"],
        id="revocations-of-its-own",
    ),
    pytest.param({"sshd_config.d/05.conf": f"Match User a\n{REVOKED}\n{CA}\n{OWN}"}, [], id="for-its-own-ca"),
    pytest.param(
        {"sshd_config.d/05.conf": f"Match User a\nRevokedKeys {Paths().krl}\n{REVOKED}"}, [], id="our-revocations-first"
    ),
    pytest.param(
        {"sshd_config.d/05.conf": "Include $(touch${IFS}/etc/ssh/done);x `id` ~root/* nowhere/*"}, [], id="odd-patterns"
    ),
]


def _put(etc: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        (etc / name).write_text(f"{text}\n")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("foreign")) as host:
        (host.etc / "their_ca.pub").write_text(a_signer(name="stranger").key.line)
        yield host


@pytest.mark.parametrize(("files", "found"), CONFIGURATIONS)
def test_the_agent_finds_it(tmp_path: Path, files: dict[str, str], found: list[str]) -> None:
    def included(pattern: str) -> Iterator[tuple[str, list[str]]]:
        at = pattern.removeprefix("/etc/ssh/")
        for name in sorted(glob.glob(at, root_dir=tmp_path)):
            yield f"/etc/ssh/{name}", (tmp_path / name).read_text().splitlines()

    _put(tmp_path, files)
    config = ["Include /etc/ssh/sshd_config.d/*.conf"]
    assert [*map(str, foreign_blocks("/etc/ssh/sshd_config", config, included))] == found


@pytest.mark.root
@pytest.mark.needs("sshd", "ip")
@pytest.mark.parametrize(("files", "found"), CONFIGURATIONS)
def test_the_script_finds_it(host: Host, files: dict[str, str], found: list[str]) -> None:
    trust, ranges = Trust(user_ca=(a_signer().key.line,)), (Prefix("100.64.0.0/10"),)
    script = host_script(trust, EMPTY_KRL, domain=Domain("net.example.com"), ranges=ranges, logins={})
    for folder in ("sshd_config.d", "more", "wardgate"):
        shutil.rmtree(host.etc / folder, ignore_errors=True)
    _put(host.etc, files)
    done = host.run(["sh", "-s"], input=script)
    told = re.search("nothing was changed: (.*)", done.stderr)
    assert (told.group(1).split("; ") if told else []) == found, done.stderr
    assert done.returncode == (1 if found else 0), done.stderr
    assert not (host.etc / "done").exists()


def test_files_that_include_one_another_are_told_and_not_followed_for_ever() -> None:
    def included(pattern: str) -> Iterator[tuple[str, list[str]]]:
        yield pattern, ["Include a", "Include b"]

    with pytest.raises(Unavailable, match="more than 16 files deep"):
        foreign_blocks("sshd_config", ["Include a"], included)
