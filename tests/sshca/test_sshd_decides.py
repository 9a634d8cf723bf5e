"""What Debian's sshd makes of our certificates, principals and KRLs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
from certificate_builders import HOST, USER, a_revocation, a_signer, a_spec, epoch, ssh_keygen
from msgspec.structs import replace
from sshd_host import (
    DEVICE_ADDRESS,
    DEVICE_ADDRESS_6,
    HOST_ADDRESS,
    HOST_ADDRESS_6,
    NAME,
    OTHER_ADDRESS,
    Host,
    a_key_file,
    beside,
)

from model.ids import Domain, GenerationID, Prefix, Serial, UserName
from model.keys import ssh_key
from model.netmap import Trust
from model.records import Generation, Revocation
from sshca import Specification, client_config, generations, host_script, issue, known_hosts, krl, user_principals

pytestmark = [pytest.mark.root, pytest.mark.needs("sshd", "ssh", "ip")]

USER_CA, HOST_CA = a_signer(), a_signer(name="host")
TRUST = Trust(user_ca=(USER_CA.key.line,), host_ca=(HOST_CA.key.line,))
DOMAIN = Domain("net.example.com")
ALICE = UserName("alice@example.com")
LOGINS = {
    "root": ("root-keeper@example.com",),
    "deploy": ("fresh:3600:alice@example.com", "tag:ci"),
    "backup": (),
    "*": ("alice@example.com", "tag:ci"),
}


def now_spec(**changes: object) -> Specification:
    """A user's, valid now, of one device with both its addresses."""
    now = epoch()
    return a_spec(**{
        "valid_after": now - 90, "valid_before": now + 3600,
        "source_addresses": (DEVICE_ADDRESS, DEVICE_ADDRESS_6), **changes,
    })  # fmt: skip


def a_login_key(folder: Path, spec: Specification, *, ca: str = "one", algorithm: str = "ed25519") -> Path:
    """A key file with the certificate beside it."""
    folder.mkdir(exist_ok=True)
    key = a_key_file(folder / "id_ed25519")
    return beside(folder / "id_ed25519", issue(a_signer(algorithm, name=ca), replace(spec, key=key)))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Not changed by the tests that share it."""
    with Host(tmp_path_factory.mktemp("host")) as host:
        host.trusts(TRUST, LOGINS)
        host.serves()
        yield host


HOUR = 3600
FRESH = ("alice@example.com", "fresh:3600:alice@example.com")
ACCEPTED: dict[str, tuple[str, dict[str, object]]] = {
    "person-as-any-login": ("web", {}),
    "tag-as-any-login": ("web", {"principals": ("tag:ci",)}),
    "tag-as-its-login": ("deploy", {"principals": ("tag:ci",)}),
    "fresh-person-where-a-check-decides": ("deploy", {"principals": FRESH}),
    "root-by-its-own-entry": ("root", {"principals": ("root-keeper@example.com",)}),
    "one-of-many-principals": ("web", {"principals": ("bob@example.com", "tag:db", "alice@example.com")}),
    "prefix-as-source": ("web", {"source_addresses": ("192.0.2.0/24", "100.64.0.0/10")}),
}  # fmt: skip
REFUSED: dict[str, tuple[str, dict[str, object]]] = {
    "another-person": ("web", {"principals": ("mallory@example.com",)}),
    "no-principals": ("web", {"principals": ()}),
    "login-as-principal": ("web", {"principals": ("web",)}),
    "stale-person-where-a-check-decides": ("deploy", {}),
    "freshness-of-another-length": ("deploy", {"principals": ("alice@example.com", "fresh:7200:alice@example.com")}),
    "freshness-of-another-person": ("deploy", {"principals": ("fresh:3600:bob@example.com",)}),
    "any-login-is-never-root": ("root", {}),
    "entry-that-lets-nobody": ("backup", {}),
    "expired": ("web", {"valid_after": 1000, "valid_before": epoch() - 60}),
    "not-yet-valid": ("web", {"valid_after": epoch() + HOUR, "valid_before": epoch() + 2 * HOUR}),
    "other-source": ("web", {"source_addresses": (OTHER_ADDRESS,)}),
    "other-prefix": ("web", {"source_addresses": ("192.0.2.0/24",)}),
    "host-certificate": ("web", {"kind": HOST, "source_addresses": (), "principals": ("alice@example.com",)}),
}


@pytest.mark.parametrize(("login", "changes"), ACCEPTED.values(), ids=ACCEPTED)
def test_sshd_lets_in(host: Host, login: str, changes: dict[str, object], tmp_path: Path) -> None:
    assert host.lets_in(a_login_key(tmp_path, now_spec(**changes)), login)


@pytest.mark.parametrize(("login", "changes"), REFUSED.values(), ids=REFUSED)
def test_sshd_refuses(host: Host, login: str, changes: dict[str, object], tmp_path: Path) -> None:
    assert not host.lets_in(a_login_key(tmp_path, now_spec(**changes)), login)


def test_sshd_refuses_the_right_certificate_from_around_the_tunnel(host: Host, tmp_path: Path) -> None:
    key = a_login_key(tmp_path, now_spec())
    assert host.lets_in(key, "web", source=DEVICE_ADDRESS)
    assert not host.lets_in(key, "web", source=OTHER_ADDRESS)


def test_sshd_takes_the_devices_ipv6_address_too(host: Host, tmp_path: Path) -> None:
    key = a_login_key(tmp_path, now_spec())
    assert host.lets_in(key, "web", source=DEVICE_ADDRESS_6, to=HOST_ADDRESS_6)
    assert not host.lets_in(key, "web", source=HOST_ADDRESS_6, to=HOST_ADDRESS_6)


def test_sshd_refuses_another_ca(host: Host, tmp_path: Path) -> None:
    assert not host.lets_in(a_login_key(tmp_path, now_spec(), ca="stranger"), "web")


def test_sshd_refuses_the_host_cas_signature_on_a_user(host: Host, tmp_path: Path) -> None:
    assert not host.lets_in(a_login_key(tmp_path, now_spec(), ca="host"), "web")


def test_sshd_refuses_a_certificate_without_its_key(host: Host, tmp_path: Path) -> None:
    key = a_login_key(tmp_path / "hers", now_spec())
    (tmp_path / "his").mkdir()
    a_key_file(tmp_path / "his" / "id_ed25519")
    stolen = beside(tmp_path / "his" / "id_ed25519", key.with_name("id_ed25519-cert.pub").read_text().strip())
    assert not host.lets_in(stolen, "web")


def test_sshd_runs_the_forced_command_instead(host: Host, tmp_path: Path) -> None:
    key = a_login_key(tmp_path, now_spec(force_command="echo forced"))
    assert host.ssh(key, "web", command="id -un").stdout == "forced\n"


@pytest.mark.parametrize("extensions", [frozenset(), frozenset({"permit-pty"})], ids=["without", "with"])
def test_sshd_gives_a_terminal_only_with_the_extension(host: Host, extensions: frozenset[str], tmp_path: Path) -> None:
    key = a_login_key(tmp_path, now_spec(extensions=extensions))
    answer = host.run([
        "ssh", "-F", "none", "-tt", "-i", str(key), "-b", DEVICE_ADDRESS, "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null", f"web@{NAME}", "tty",
    ])  # fmt: skip
    assert ("/dev/pts/" in answer.stdout) == bool(extensions)


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "rsa-4096"])
def test_sshd_takes_every_kind_of_ca_key(algorithm: str, tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.trusts(Trust(user_ca=(a_signer(algorithm, name="one").key.line,)), LOGINS)
        host.serves()
        assert host.lets_in(a_login_key(tmp_path / "key", now_spec(), algorithm=algorithm), "web")


@pytest.mark.parametrize("kind", ["ed25519", "rsa -b 3072", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521"])
def test_sshd_takes_every_kind_of_persons_key(host: Host, kind: str, tmp_path: Path) -> None:
    key = tmp_path / "id"
    ssh_keygen("-q", "-N", "", "-t", *kind.split(), "-f", key)
    subject = ssh_key(key.with_name("id.pub").read_text())
    assert host.lets_in(beside(key, issue(USER_CA, now_spec(key=subject))), "web")


def test_a_policy_change_takes_effect_at_the_next_login(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.trusts(TRUST, LOGINS)
        host.serves()
        key = a_login_key(tmp_path / "key", now_spec())
        assert host.lets_in(key, "web")
        host.trusts(TRUST, {"web": ("bob@example.com",), "*": ("alice@example.com",)})
        assert not host.lets_in(key, "web")
        assert host.lets_in(key, "deploy") is False  # its file stays: whoever writes removes it
        (host.etc / "wardgate/logins/deploy").unlink()
        assert host.lets_in(key, "deploy")


def test_each_kind_of_krl_entry_ends_the_next_login(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.trusts(TRUST, LOGINS)
        host.serves()
        spec = now_spec()
        key = a_login_key(tmp_path / "key", spec)
        subject = ssh_key((tmp_path / "key/id_ed25519.pub").read_text())
        user_1 = GenerationID("user-1")
        entries = {
            "serial": a_revocation(serial=spec.serial, generation=user_1),
            "serial-of-any-ca": a_revocation(serial=spec.serial),
            "key-id": a_revocation(key_id=spec.key_id),
            "key": a_revocation(key=subject),
            "fingerprint": a_revocation(fingerprint=subject.fingerprint),
            "ca-key": a_revocation(key=USER_CA.key),
        }
        others = [a_revocation(serial=Serial(1041), generation=user_1), a_revocation(key_id="other")]
        for name, entry in entries.items():
            host.trusts(TRUST, LOGINS, krl=a_krl(*others))
            assert host.lets_in(key, "web"), name
            host.trusts(TRUST, LOGINS, krl=a_krl(*others, entry))
            assert not host.lets_in(key, "web"), name


SECTIONS = {
    "list": [5, 1042, 10**9],
    "range": list(range(1000, 1100)),
    "bitmap": [*range(1000, 1100, 3), 1042],
    "bitmap-of-several": [*range(42, 40_000, 5), 1042],
}


def test_each_way_of_saying_serials_ends_the_next_login(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.trusts(TRUST, LOGINS)
        host.serves()
        key = a_login_key(tmp_path / "key", now_spec(serial=Serial(1042)))
        for name, serials in SECTIONS.items():
            others = [serial for serial in serials if serial != 1042]
            host.trusts(TRUST, LOGINS, krl=of_serials(others))
            assert host.lets_in(key, "web"), name
            host.trusts(TRUST, LOGINS, krl=of_serials([*others, 1042]))
            assert not host.lets_in(key, "web"), name


def of_serials(serials: Sequence[int]) -> bytes:
    return a_krl(*(a_revocation(serial=Serial(one), generation=GenerationID("user-1")) for one in serials))


@pytest.mark.parametrize(
    ("krl", "let_in"), [pytest.param(b"", True, id="empty"), pytest.param(b"noise", False, id="broken")]
)
def test_why_a_krl_is_written_whole(krl: bytes, let_in: bool, tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.trusts(TRUST, LOGINS, krl=krl)
        host.serves()
        assert host.lets_in(a_login_key(tmp_path / "key", now_spec()), "web") == let_in


@pytest.mark.parametrize(
    ("line", "let_in"),
    [
        pytest.param("alice@example.com#1", True, id="in-a-name"),
        pytest.param('"alice@example.com"', False, id="quoted"),
        pytest.param("o'alice@example.com", False, id="with-a-quote"),
    ],
)
def test_why_no_name_has_a_hash(line: str, let_in: bool, tmp_path: Path) -> None:
    """sshd takes the rest of a line for a comment, also within a word: another's name would be let in."""
    with Host(tmp_path) as host:
        host.trusts(TRUST, {"web": ("alice@example.com",)})
        (host.etc / "wardgate/logins/web").write_text(f"{line}\n")
        host.serves()
        assert host.lets_in(a_login_key(tmp_path / "key", now_spec()), "web") == let_in


def a_krl(*entries: Revocation) -> bytes:
    return krl(
        version=2, generated_at=epoch(), comment="", revocations=entries, ca_keys={GenerationID("user-1"): USER_CA.key}
    )


def test_each_step_of_a_rotation_keeps_everyone_in_and_its_end_puts_the_old_out(tmp_path: Path) -> None:
    def new(name: str) -> Path:
        return a_login_key(tmp_path / f"key-{name}", now_spec(), ca=name)

    with Host(tmp_path) as host:
        first = generations.found(USER, a_signer(name="one").key, backend="file", now=epoch())
        known: dict[str, Generation] = {first.id: first}

        def step(*changed: Generation) -> None:
            known.update({generation.id: generation for generation in changed})
            host.trusts(generations.trust(known.values()), LOGINS)

        step()
        host.serves()
        old, next_one = new("one"), new("two")
        assert (host.lets_in(old, "web"), host.lets_in(next_one, "web")) == (True, False)
        step(generations.rotate(list(known.values()), USER, a_signer(name="two").key, backend="file", now=epoch()))
        assert (host.lets_in(old, "web"), host.lets_in(next_one, "web")) == (True, True)
        step(*generations.promote(list(known.values()), USER, last_end=epoch() + 60, now=epoch()))
        assert (host.lets_in(old, "web"), host.lets_in(next_one, "web")) == (True, True)
        step(*generations.due(known.values(), epoch() + 60))
        assert (host.lets_in(old, "web"), host.lets_in(next_one, "web")) == (False, True)


def test_an_emergency_puts_the_old_out_by_the_krl_alone_and_by_the_trust_alone(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        first = generations.found(USER, USER_CA.key, backend="file", now=epoch())
        made, *gone = generations.replace_at_once([first], USER, a_signer(name="two").key, backend="file", now=epoch())
        revoked, after = a_krl(*(a_revocation(key=one.key) for one in gone)), generations.trust([made, *gone])
        host.trusts(TRUST, LOGINS)
        host.serves()
        old = a_login_key(tmp_path / "old", now_spec())
        new = a_login_key(tmp_path / "new", now_spec(), ca="two")
        assert (host.lets_in(old, "web"), host.lets_in(new, "web")) == (True, False)
        host.trusts(TRUST, LOGINS, krl=revoked)
        assert (host.lets_in(old, "web"), host.lets_in(new, "web")) == (False, False)
        host.trusts(after, LOGINS)
        assert (host.lets_in(old, "web"), host.lets_in(new, "web")) == (False, True)
        host.trusts(after, LOGINS, krl=revoked)
        assert (host.lets_in(old, "web"), host.lets_in(new, "web")) == (False, True)


@pytest.fixture(scope="module")
def named_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Shows a host certificate for its name and its address."""
    with Host(tmp_path_factory.mktemp("named")) as host:
        now = epoch()
        spec = a_spec(
            kind=HOST, key=host.key, principals=(NAME, HOST_ADDRESS), valid_after=now - 90, valid_before=now + 3600
        )
        host.trusts(TRUST, LOGINS, certificate=issue(HOST_CA, spec))
        host.serves()
        yield host


def test_ssh_believes_a_host_by_its_certificate(named_host: Host, tmp_path: Path) -> None:
    key = a_login_key(tmp_path, now_spec())
    lines = known_hosts(TRUST, DOMAIN)
    assert named_host.lets_in(key, "web", to=NAME, known_hosts=lines)


def test_ssh_believes_a_host_by_its_address(named_host: Host, tmp_path: Path) -> None:
    lines = known_hosts(TRUST, DOMAIN, prefixes=[Prefix("100.64.0.0/10")])
    key = a_login_key(tmp_path, now_spec())
    assert named_host.lets_in(key, "web", to=HOST_ADDRESS, known_hosts=lines)


@pytest.mark.parametrize(
    ("to", "ca"),
    [
        pytest.param("db-2.net.example.com", "host", id="another-name"),
        pytest.param(NAME, "stranger", id="another-ca"),
        pytest.param(NAME, "one", id="the-user-ca"),
    ],
)
def test_ssh_refuses_a_host(named_host: Host, to: str, ca: str, tmp_path: Path) -> None:
    lines = known_hosts(Trust(host_ca=(a_signer(name=ca).key.line,)), DOMAIN)
    answer = named_host.ssh(a_login_key(tmp_path, now_spec()), "web", to=to, known_hosts=lines)
    assert "Host key verification failed" in answer.stderr


def test_each_step_of_a_host_rotation_keeps_hosts_known_and_its_end_makes_the_old_unknown(tmp_path: Path) -> None:
    """Clients learn the trust of each step; the host shows a certificate of the old CA, then of the new one."""

    def shows(name: str) -> None:
        now = epoch()
        spec = a_spec(kind=HOST, key=host.key, principals=(NAME,), valid_after=now - 90, valid_before=now + HOUR)
        host.trusts(TRUST, LOGINS, certificate=issue(a_signer(name=name), spec))

    def known(state: Collection[Generation]) -> bool:
        lines = known_hosts(generations.trust(state), DOMAIN)
        answer = host.ssh(key, "web", known_hosts=lines)
        assert answer.returncode == 0 or "Host key verification failed" in answer.stderr, answer.stderr
        return answer.returncode == 0

    with Host(tmp_path) as host:
        first = generations.found(HOST, HOST_CA.key, backend="file", now=epoch())
        pending = generations.rotate([first], HOST, a_signer(name="next").key, backend="file", now=epoch())
        active, trusted = generations.promote([first, pending], HOST, last_end=epoch() + 60, now=epoch())
        retired = generations.retire([active, trusted], trusted.id, now=epoch())
        steps = {"found": [first], "pending": [first, pending], "active": [active, trusted], "end": [active, retired]}
        shows("host")
        host.serves()
        key = a_login_key(tmp_path / "key", now_spec())
        assert {name: known(state) for name, state in steps.items()} == {
            "found": True, "pending": True, "active": True, "end": False,
        }  # fmt: skip
        shows("next")
        host.reloads()
        assert {name: known(state) for name, state in steps.items()} == {
            "found": False, "pending": True, "active": True, "end": True,
        }  # fmt: skip


def test_the_printed_configuration_asks_nothing_and_takes_no_bare_key(named_host: Host, tmp_path: Path) -> None:
    """Whoever takes new keys unseen elsewhere does not do so in the network."""
    key, known = a_login_key(tmp_path, now_spec()), tmp_path / "known_hosts"
    lax = f"Host *\n    StrictHostKeyChecking accept-new\n    UserKnownHostsFile {known}\n"
    for name, lines, block, let_in in (
        ("certified", known_hosts(TRUST, DOMAIN), client_config(DOMAIN), True),
        ("certified-by-another", known_hosts(Trust(host_ca=(USER_CA.key.line,)), DOMAIN), client_config(DOMAIN), False),
        ("without-the-block", "", "", True),
        ("not-known-at-all", "", client_config(DOMAIN), False),
    ):
        known.write_text(lines)
        (tmp_path / "config").write_text(block + lax)
        words = ["ssh", "-F", f"{tmp_path}/config", "-i", str(key), "-b", DEVICE_ADDRESS, "-l", "web"]
        answer = named_host.run([*words, NAME, "id -un"])
        assert (answer.stdout == "web\n") == let_in, f"{name}: {answer.stderr}"
        assert let_in or "Host key verification failed" in answer.stderr


def test_ssh_refuses_a_host_whose_certificate_a_list_revokes(named_host: Host, tmp_path: Path) -> None:
    """As docs/ssh.md has it for clients: the same list serves them."""
    key, host_1 = a_login_key(tmp_path, now_spec()), GenerationID("host-1")
    words = ["ssh", "-F", "none", "-i", str(key), "-b", DEVICE_ADDRESS, "-l", "web", "-o", "BatchMode=yes"]
    (tmp_path / "known_hosts").write_text(known_hosts(TRUST, DOMAIN))
    words += ["-o", f"UserKnownHostsFile={tmp_path}/known_hosts", "-o", f"RevokedHostKeys={tmp_path}/revoked.krl"]
    for serial, let_in in ((Serial(1041), True), (Serial(1042), False)):
        data = krl(
            version=1, generated_at=epoch(), comment="", ca_keys={host_1: HOST_CA.key},
            revocations=[a_revocation(serial=serial, generation=host_1)],
        )  # fmt: skip
        (tmp_path / "revoked.krl").write_bytes(data)
        answer = named_host.run([*words, NAME, "id -un"])
        assert (answer.stdout == "web\n") == let_in, answer.stderr
        assert let_in or "revoked" in answer.stderr.lower()


def a_script(**changes: object) -> str:
    ranges = (Prefix("100.64.0.0/10"), Prefix("fd7a:115c:a1e0::/48"))
    plain: dict[str, object] = {"domain": DOMAIN, "logins": LOGINS, "ranges": ranges}
    return host_script(TRUST, a_krl(), **plain | changes)  # type: ignore[arg-type]


def test_a_host_without_an_agent_trusts_by_one_script(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        done = host.run(["sh", "-s"], input=a_script())
        assert done.returncode == 0, done.stderr
        assert "this host trusts net.example.com" in done.stdout
        host.serves()
        assert host.lets_in(a_login_key(tmp_path / "key", now_spec()), "web")
        assert not host.lets_in(a_login_key(tmp_path / "other", now_spec(principals=("bob@example.com",))), "web")


def test_the_script_takes_whatever_login_a_policy_names(tmp_path: Path) -> None:
    logins = {"al+ice": ("alice@example.com",), "it's": ("alice@example.com",), "a/b": ("alice@example.com",)}
    with Host(tmp_path) as host:
        for _ in range(2):
            host.run(["sh", "-s"], input=a_script(logins=logins), check=True)
        assert sorted(path.name for path in (host.etc / "wardgate/logins").iterdir()) == ["al+ice", "it's", "root"]
        host.serves()
        key = a_login_key(tmp_path / "key", now_spec())
        assert (host.lets_in(key, "al+ice"), host.lets_in(key, "web")) == (True, False)


def test_the_script_brings_a_host_up_to_date(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.run(["sh", "-s"], input=a_script(), check=True)
        host.serves()
        key = a_login_key(tmp_path / "key", now_spec())
        assert (host.lets_in(key, "web"), host.lets_in(key, "deploy")) == (True, False)
        host.run(["sh", "-s"], input=a_script(logins={"*": ("alice@example.com",), "web": ()}), check=True)
        assert (host.lets_in(key, "web"), host.lets_in(key, "deploy")) == (False, True)
        assert sorted(path.name for path in (host.etc / "wardgate/logins").iterdir()) == ["root", "web"]


def test_the_script_reloads_sshd_for_a_host_certificate(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.run(["sh", "-s"], input=a_script(), check=True)
        host.serves()
        now = epoch()
        spec = a_spec(kind=HOST, key=host.key, principals=(NAME,), valid_after=now - 90, valid_before=now + 3600)
        host.run(["sh", "-s"], input=a_script(host_certificate=issue(HOST_CA, spec)), check=True)
        host.listens(2)
        key = a_login_key(tmp_path / "key", now_spec())
        assert host.lets_in(key, "web", known_hosts=known_hosts(TRUST, DOMAIN))


def test_a_script_that_is_cut_off_on_its_way_does_nothing(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        script = a_script()
        host.run(["sh", "-s"], input=script, check=True)
        before = _files(host.etc)
        for end in range(script.index("put "), len(script) - 2, 97):
            assert host.run(["sh", "-s"], input=script[:end]).returncode != 0
            assert _files(host.etc) == before


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_script_makes_up_for_a_reload_that_a_broken_run_left_out(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.serves()
        broken = a_script().partition("\nreload\n")[0] + "\n}\n"
        host.run(["sh", "-s"], input=broken, check=True)
        host.run(["sh", "-s"], input=a_script(), check=True)
        host.listens(2)
        assert host.lets_in(a_login_key(tmp_path / "key", now_spec()), "web")


def test_the_script_asks_for_a_reload_where_no_sshd_takes_it(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        done = host.run(["sh", "-c", "echo 4194303 > /run/sshd.pid; exec sh -s"], input=a_script())
        assert (done.returncode, "note: reload sshd" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        pytest.param("TrustedUserCAKeys /etc/ssh/their_ca.pub", "trustedusercakeys is /etc/ssh/their_ca.pub", id="all"),
        pytest.param(
            "Match User backup\n  TrustedUserCAKeys /etc/ssh/their_ca.pub",
            "trustedusercakeys is /etc/ssh/their_ca.pub in /etc/ssh/sshd_config.d/05-theirs.conf, Match User backup",
            id="in-a-block",
        ),
        pytest.param(
            "AuthorizedPrincipalsCommand /bin/cat /their %u\nAuthorizedPrincipalsCommandUser nobody",
            "authorizedprincipalscommand is /bin/cat /their %u",
            id="a-command",
        ),
    ],
)
def test_the_script_overrides_nothing_on_a_host_that_trusts_another_ca(tmp_path: Path, theirs: str, told: str) -> None:
    with Host(tmp_path) as host:
        (host.etc / "their_ca.pub").write_text(a_signer(name="stranger").key.line)
        (host.etc / "sshd_config.d/05-theirs.conf").write_text(f"{theirs}\n")
        done = host.run(["sh", "-s"], input=a_script())
        assert done.returncode == 1
        assert f"nothing was changed: {told}\nhint: " in done.stderr
        assert not (host.etc / "wardgate").exists()


def test_the_script_goes_on_with_revocations_where_another_ca_came_before_ours(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.run(["sh", "-s"], input=a_script(), check=True)
        host.serves()
        key = a_login_key(tmp_path / "key", now_spec())
        assert host.lets_in(key, "web")
        (host.etc / "sshd_config.d/05-theirs.conf").write_text("TrustedUserCAKeys /etc/ssh/their_ca.pub\n")
        done = host.run(["sh", "-s"], input=a_script(logins={"web": ()}))
        assert done.returncode == 1
        assert "set up by another as well, and what it reads of ours was brought up to date: trusted" in done.stderr
        assert not host.lets_in(key, "web")


def test_the_script_goes_on_with_revocations_where_sshd_refuses_its_configuration(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        host.run(["sh", "-s"], input=a_script(), check=True)
        (host.etc / "sshd_config.d/05-theirs.conf").write_text("Nonsense yes\n")
        done = host.run(["sh", "-s"], input=a_script(logins={"web": ()}))
        assert (done.returncode, "does not accept its own configuration" in done.stderr) == (1, True)
        assert (host.etc / "wardgate/logins/web").read_text() == ""


def test_the_script_renews_the_host_certificate_where_another_ca_came_before_ours(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        now = epoch()
        spec = a_spec(kind=HOST, key=host.key, principals=(NAME,), valid_after=now - 90, valid_before=now + 3600)
        strange = issue(a_signer(name="stranger"), spec)
        host.run(["sh", "-s"], input=a_script(host_certificate=strange), check=True)
        host.serves()
        (host.etc / "sshd_config.d/50-theirs.conf").write_text("Match User eve\n  TrustedUserCAKeys /etc/their\n")
        done = host.run(["sh", "-s"], input=a_script(host_certificate=issue(HOST_CA, spec)))
        assert (done.returncode, "set up by another as well" in done.stderr) == (1, True)
        host.listens(2)
        key = a_login_key(tmp_path / "key", now_spec())
        assert host.lets_in(key, "web", known_hosts=known_hosts(TRUST, DOMAIN))


def test_the_merge_that_is_shown_lets_both_cas_serve_and_overrides_neither(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        (host.etc / "their_ca.pub").write_text(a_signer(name="stranger").key.line)
        (host.etc / "their_logins").mkdir()
        (host.etc / "their_logins/web").write_text("eve@example.com\n")
        theirs = host.etc / "sshd_config.d/05-theirs.conf"
        theirs.write_text("TrustedUserCAKeys /etc/ssh/their_ca.pub\n")
        shown = host.run(["sh", "-s"], input=a_script()).stderr.split("'")[1]
        kept = "TrustedUserCAKeys /etc/ssh/their_ca.pub\nAuthorizedPrincipalsFile /etc/ssh/their_logins/%u"
        theirs.write_text(f"{shown}\n{kept}\n")
        host.run(["sh", "-s"], input=a_script(), check=True)
        host.serves()
        eve = now_spec(principals=("eve@example.com",), source_addresses=(OTHER_ADDRESS, DEVICE_ADDRESS))
        ours, stranger = (
            a_login_key(tmp_path / "ours", now_spec()),
            a_login_key(tmp_path / "theirs", eve, ca="stranger"),
        )
        lets_in = {
            (name, source): host.lets_in(key, "web", source=source)
            for name, key in (("ours", ours), ("theirs", stranger))
            for source in (DEVICE_ADDRESS, OTHER_ADDRESS)
        }
        assert [where for where, let_in in lets_in.items() if let_in] == [
            ("ours", DEVICE_ADDRESS),
            ("theirs", OTHER_ADDRESS),
        ]


def test_the_script_undoes_what_sshd_does_not_read(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        config = host.etc / "sshd_config"
        config.write_text(config.read_text().replace("Include", "#Include"))
        done = host.run(["sh", "-s"], input=a_script())
        assert done.returncode == 1
        assert "put this first in sshd_config: Include /etc/ssh/sshd_config.d/*.conf" in done.stderr
        assert list((host.etc / "sshd_config.d").iterdir()) == []


def test_freshness_is_compared_by_the_host_with_the_same_words(host: Host, tmp_path: Path) -> None:
    now = epoch()
    principals = user_principals(ALICE, valid_before=now + 1800, fresh_at=now - 600, windows=(3600,))
    key = a_login_key(tmp_path, now_spec(principals=principals, valid_before=now + 1800))
    assert host.lets_in(key, "deploy")


@pytest.mark.parametrize("theirs", ["05-theirs.conf", "50-theirs.conf"])
def test_who_may_be_any_login_is_not_asked_about_another_cas_certificates(theirs: str, tmp_path: Path) -> None:
    """A block with a list of its own says nothing of a command, so sshd takes ours for its certificates, too."""
    with Host(tmp_path) as host:
        (host.etc / "their_ca.pub").write_text(a_signer(name="stranger").key.line)
        (host.etc / "their_list").write_text("eve@example.com\n")
        (host.etc / "sshd_config.d" / theirs).write_text(
            f"Match Address {OTHER_ADDRESS}\n  TrustedUserCAKeys /etc/ssh/their_ca.pub\n"
            "  AuthorizedPrincipalsFile /etc/ssh/their_list\n"
        )
        host.trusts(TRUST, LOGINS)
        host.serves()
        alice, eve = (
            a_login_key(tmp_path / name, now_spec(principals=(name,), source_addresses=()), ca="stranger")
            for name in ("alice@example.com", "eve@example.com")
        )
        assert not host.lets_in(alice, "web", source=OTHER_ADDRESS)
        assert host.lets_in(eve, "web", source=OTHER_ADDRESS)
        assert host.lets_in(a_login_key(tmp_path / "ours", now_spec()), "web", source=DEVICE_ADDRESS)
