"""The agent and a real sshd: who gets in follows the NetMap, without a reload and without overriding anybody."""

from __future__ import annotations

import base64
import contextlib
import errno
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import msgspec
import pytest

from agent.files import write_whole
from agent.keeper import undo
from agent.linux import Machine
from agent.sshd import Sshd
from agent.state import AgentState, Applied
from model.errors import Unavailable
from model.ids import Address, DeviceID, DeviceName, Domain, Prefix, Version
from model.keys import WireGuardKey
from model.netmap import Logins, NetMap, NetMapDevice, NetworkFacts, Trust
from model.records import DeviceState

pytestmark = [pytest.mark.root, pytest.mark.needs("ssh", "sshd", "ssh-keygen")]

_numbers = itertools.count()


def a_netmap(ca: asyncssh.SSHKey, logins: Logins, krl: bytes) -> NetMap:
    device = NetMapDevice(
        id=DeviceID("1"), name=DeviceName("db-1"), ipv4=Address("100.64.0.1"), ipv6=Address("fd7a:115c:a1e0::1"),
        wireguard_key=WireGuardKey("A" * 43 + "="), state=DeviceState.APPROVED,
    )  # fmt: skip
    network = NetworkFacts(
        domain=Domain("net.example.com"), ipv4=Prefix("100.64.0.0/10"), ipv6=Prefix("fd7a:115c:a1e0::/48")
    )
    line = ca.export_public_key().decode().strip()
    return NetMap(
        version=Version(1), device=device, network=network, ssh=logins, trust=Trust(user_ca=(line,)),
        krl=base64.b64encode(krl).decode(),
    )  # fmt: skip


class HostWithSshd:
    """A folder like /etc/ssh that sshd takes (root's, all the way up), and an sshd that reads it."""

    def __init__(self, tmp_path: Path, extra: str = "") -> None:
        self.folder = Path(f"/var/lib/wardgate-test-{os.getpid()}-{next(_numbers)}")
        (self.folder / "sshd_config.d").mkdir(parents=True, mode=0o755)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        key = self.folder / "ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        (self.folder / "sshd_config").write_text(
            f"Include {self.folder}/sshd_config.d/*.conf\n{extra}\nPort {self.port}\nListenAddress 127.0.0.1\n"
            f"HostKey {key}\nPidFile {self.folder}/sshd.pid\nUsePAM no\nAuthorizedKeysFile none\n"
        )
        self.said: list[str] = []
        self.sshd = Sshd(self.folder, self.said.append)
        self.ca = asyncssh.generate_private_key("ssh-ed25519")
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = tmp_path / "key"
        self.key.write_private_key(str(self.key_file))
        self.key_file.chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        sshd = shutil.which("sshd")
        assert sshd is not None
        config = str(self.folder / "sshd_config")
        self.process = subprocess.Popen([sshd, "-D", "-f", config], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not (self.folder / "sshd.pid").exists():
            assert time.monotonic() < end, "sshd did not start"
            time.sleep(0.02)

    def krl(self, *revoked: asyncssh.SSHCertificate) -> bytes:
        """A KRL by ssh-keygen, of the given certificates."""
        out = self.folder / "made.krl"
        files = []
        for number, certificate in enumerate(revoked):
            file = self.folder / f"revoked-{number}.pub"
            file.write_bytes(certificate.export_certificate())
            files.append(str(file))
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(out), *files], check=True)
        return out.read_bytes()

    def certificate(self, principal: str) -> asyncssh.SSHCertificate:
        made = self.ca.generate_user_certificate(self.key, "test", serial=next(_numbers) + 1, principals=[principal])
        Path(f"{self.key_file}-cert.pub").write_bytes(made.export_certificate())
        return made

    def lets_in(self, login: str = "root") -> bool:
        words = ["ssh", "-F", "none", "-i", str(self.key_file), "-p", str(self.port), "-o", "BatchMode=yes"]
        words += ["-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        done = subprocess.run([*words, f"{login}@127.0.0.1", "true"], capture_output=True, check=False)
        return done.returncode == 0

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def a_host(tmp_path: Path, extra: str = "") -> Iterator[HostWithSshd]:
    host = HostWithSshd(tmp_path, extra)
    try:
        yield host
    finally:
        host.end()


def test_who_gets_in_follows_the_map_at_the_next_login(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        host.serve()
        host.certificate("alice@example.com")
        krl = host.krl()
        assert not host.lets_in()
        assert host.sshd.keep(a_netmap(host.ca, {"root": ("alice@example.com",)}, krl))
        _until(host.lets_in)
        assert host.sshd.keep(a_netmap(host.ca, {"root": ("bob@example.com",)}, krl))
        assert not host.lets_in()
        assert host.sshd.keep(a_netmap(host.ca, {"*": ("alice@example.com",)}, krl))
        assert not host.lets_in()


def test_everybody_may_read_who_may_log_in_whatever_the_umask(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        before = os.umask(0o077)
        try:
            assert host.sshd.keep(a_netmap(host.ca, {"*": ("alice@example.com",)}, host.krl()))
        finally:
            os.umask(before)
        files = [host.folder / "wardgate" / name for name in ("any-login", "logins/root")]
        as_nobody = ["setpriv", "--reuid", "65534", "--clear-groups", "cat"]
        done = subprocess.run([*as_nobody, *files], capture_output=True, check=True)
        assert done.stdout == b"alice@example.com\n"


def test_a_revoked_certificate_is_refused_at_the_next_login(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        host.serve()
        logins = {"root": ("alice@example.com",)}
        certificate = host.certificate("alice@example.com")
        host.sshd.keep(a_netmap(host.ca, logins, host.krl()))
        _until(host.lets_in)
        host.sshd.keep(a_netmap(host.ca, logins, host.krl(certificate)))
        assert not host.lets_in()


def test_a_login_that_no_host_can_have_keeps_no_revocation_away(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        krl = host.krl()
        assert host.sshd.keep(a_netmap(host.ca, {"a/b": ("alice@example.com",), "al+ice": ()}, krl))
        assert (host.folder / "wardgate/revoked.krl").read_bytes() == krl
        assert sorted(path.name for path in (host.folder / "wardgate/logins").iterdir()) == ["al+ice", "root"]


@pytest.mark.parametrize(
    ("block", "where"),
    [
        pytest.param("", "", id="for-all"),
        pytest.param("Match User deploy\n", "/sshd_config.d/20-theirs.conf, Match User deploy", id="in-a-block"),
    ],
)
def test_a_host_that_trusts_another_ca_is_left_alone_and_told_the_merge(tmp_path: Path, block: str, where: str) -> None:
    theirs = tmp_path / "their-ca.pub"
    theirs.write_text(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode())
    with a_host(tmp_path) as host:
        (host.folder / "sshd_config.d/20-theirs.conf").write_text(f"{block}TrustedUserCAKeys {theirs}\n")
        before = sorted(host.folder.rglob("*"))
        netmap = a_netmap(host.ca, {}, host.krl())
        (host.folder / "made.krl").unlink()
        assert not host.sshd.keep(netmap)
        assert not host.sshd.keep(netmap)
        assert sorted(host.folder.rglob("*")) == before
        assert len(host.said) == 1
        assert f"and left alone: trustedusercakeys is {theirs}" in host.said[0]
        assert where in host.said[0]
        assert "keep such a setting for connections around the tunnel" in host.sshd.hint
        assert host.said == [f"{host.sshd.problem} ({host.sshd.hint})"]


def test_a_ca_that_comes_before_ours_later_is_told_and_revocations_go_on(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        logins = {"root": ("alice@example.com",)}
        assert host.sshd.keep(a_netmap(host.ca, logins, host.krl()))
        assert host.sshd.trusted() is not None
        theirs = host.folder / "sshd_config.d/05-theirs.conf"
        theirs.write_text("TrustedUserCAKeys /etc/ssh/their_ca.pub\n")
        newer = host.krl(host.certificate("alice@example.com"))
        assert not host.sshd.keep(a_netmap(host.ca, logins, newer))
        assert (host.folder / "wardgate/revoked.krl").read_bytes() == newer
        assert "set up by another as well: trustedusercakeys is /etc/ssh/their_ca.pub" in host.sshd.problem
        assert host.sshd.trusted() is None
        theirs.unlink()
        assert host.sshd.keep(a_netmap(host.ca, logins, newer))
        assert (host.sshd.problem, host.sshd.trusted() is None) == ("", False)


def test_another_ca_in_a_file_that_an_included_file_includes_is_told(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        deeper = host.folder / "theirs"
        (host.folder / "sshd_config.d/20-theirs.conf").write_text(f"Match User deploy\nInclude {deeper}\n")
        deeper.write_text("PermitTTY yes\n")
        netmap = a_netmap(host.ca, {}, host.krl())
        assert host.sshd.keep(netmap)
        deeper.write_text("TrustedUserCAKeys /etc/ssh/their_ca.pub\n")
        assert not host.sshd.keep(netmap)
        assert f"their_ca.pub in {deeper}, Match User deploy" in host.sshd.problem


def test_a_merge_that_is_due_again_is_told_again(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        theirs = host.folder / "sshd_config.d/05-theirs.conf"
        netmap = a_netmap(host.ca, {}, host.krl())
        assert host.sshd.keep(netmap)
        for told in (1, 2):
            theirs.write_text("TrustedUserCAKeys /etc/ssh/their_ca.pub\n")
            assert not host.sshd.keep(netmap)
            assert len(host.said) == told
            theirs.unlink()
            assert host.sshd.keep(netmap)
            assert host.sshd.problem == ""


def test_a_trouble_that_was_mended_is_not_told_any_more(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        theirs = host.folder / "sshd_config.d/05-theirs.conf"
        theirs.write_text("TrustedUserCAKeys /etc/ssh/their_ca.pub\n")
        host.sshd.keep(a_netmap(host.ca, {}, host.krl()))
        assert host.sshd.problem
        theirs.unlink()
        assert not host.sshd.keep(a_netmap(host.ca, {}, b"")), "there is no KRL to write"
        assert host.sshd.problem == ""


def test_a_host_certificate_is_shown_although_another_ca_came_before_ours(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        netmap = a_netmap(host.ca, {}, host.krl())
        assert host.sshd.keep(netmap)
        (host.folder / "sshd_config.d/05-theirs.conf").write_text("TrustedUserCAKeys /etc/ssh/their_ca.pub\n")
        host.sshd.put_host_certificate(host.certificate("db-1").export_certificate().decode())
        drop_in = host.folder / "sshd_config.d/10-wardgate.conf"
        assert "HostCertificate" in drop_in.read_text()
        assert not host.sshd.keep(netmap)
        written = drop_in.stat()
        assert not host.sshd.keep(netmap)
        assert (drop_in.stat().st_ino, drop_in.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
        (said,) = host.said
        assert "set up by another as well" in said


@pytest.mark.parametrize("login", [pytest.param("x" * 255, id="longest"), pytest.param("ü" * 123, id="in-bytes")])
def test_a_login_as_long_as_a_files_name_has_its_file(tmp_path: Path, login: str) -> None:
    with a_host(tmp_path) as host:
        assert host.sshd.keep(a_netmap(host.ca, {login: ("alice@example.com",)}, host.krl()))
        assert (host.folder / "wardgate/logins" / login).read_text() == "alice@example.com\n"


def test_a_list_that_cannot_be_written_keeps_nobody_in_who_may_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, mode: int) -> None:
        if path.name == "a":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, data, mode)

    with a_host(tmp_path) as host:
        alice, krl = ("alice@example.com",), host.krl()
        assert host.sshd.keep(a_netmap(host.ca, {"deploy": alice, "web": alice}, krl))
        monkeypatch.setattr("agent.sshd.write_whole", full)
        with pytest.raises(OSError, match="No space"):
            host.sshd.keep(a_netmap(host.ca, {"a": alice, "web": ()}, krl))
        lists = {path.name: path.read_text() for path in (host.folder / "wardgate/logins").iterdir()}
        assert {lists.get("deploy", ""), lists["web"]} == {""}


def test_a_configuration_that_sshd_refuses_is_told_and_keeps_no_revocation_away(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        config, logins = host.folder / "sshd_config", {"root": ("alice@example.com",)}
        whole = config.read_text()
        config.write_text(f"{whole}Nonsense yes\n")
        assert not host.sshd.keep(a_netmap(host.ca, logins, host.krl()))
        assert "sshd does not take its configuration as it is" in host.sshd.problem
        assert not (host.folder / "wardgate").exists()
        config.write_text(whole)
        assert host.sshd.keep(a_netmap(host.ca, logins, host.krl()))
        config.write_text(f"{whole}Nonsense yes\n")
        newer = host.krl(host.certificate("alice@example.com"))
        host.sshd.keep(a_netmap(host.ca, logins, newer))
        assert (host.folder / "wardgate/revoked.krl").read_bytes() == newer


def test_a_configuration_that_includes_no_drop_ins_is_told(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        config = host.folder / "sshd_config"
        config.write_text("\n".join(line for line in config.read_text().splitlines() if "Include" not in line) + "\n")
        assert not host.sshd.keep(a_netmap(host.ca, {}, host.krl()))
        assert "does not include" in host.said[0]
        assert not (host.folder / "sshd_config.d" / "10-wardgate.conf").exists()


@pytest.mark.parametrize(
    "krl",
    [pytest.param(b"", id="none"), pytest.param(b"\n", id="not-one"), pytest.param(b"SSHKRL\n\x00", id="cut-off")],
)
def test_without_a_good_krl_sshd_is_not_touched(tmp_path: Path, krl: bytes) -> None:
    with a_host(tmp_path) as host:
        with contextlib.suppress(Unavailable):
            assert not host.sshd.keep(a_netmap(host.ca, {}, krl))
        assert not (host.folder / "wardgate" / "revoked.krl").exists()
        assert not (host.folder / "sshd_config.d" / "10-wardgate.conf").exists()


def test_a_krl_once_there_outlives_a_map_without_one(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        good = host.krl()
        netmap = a_netmap(host.ca, {}, good)
        host.sshd.keep(netmap)
        host.sshd.keep(msgspec.structs.replace(netmap, krl=""))
        assert (host.folder / "wardgate" / "revoked.krl").read_bytes() == good


def test_remove_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        krl = host.krl()
        before = sorted(host.folder.rglob("*"))
        host.sshd.keep(a_netmap(host.ca, {"root": ("alice@example.com",), "*": ("bob@example.com",)}, krl))
        assert sorted(host.folder.rglob("*")) != before
        host.sshd.remove()
        assert sorted(host.folder.rglob("*")) == before


def test_an_sshd_that_cannot_be_reloaded_keeps_the_list_that_it_reads_however_often_it_is_left(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        host.serve()
        host.certificate("alice@example.com")
        host.sshd.keep(a_netmap(host.ca, {"root": ("alice@example.com",)}, host.krl()))
        _until(host.lets_in)
        config = host.folder / "sshd_config"
        whole = config.read_text()
        config.write_text(f"{whole}Nonsense yes\n")
        for _ in range(2):
            assert not host.sshd.remove()
            assert host.lets_in()
        assert "was not reloaded" in host.said[-1]
        config.write_text(whole)
        assert host.sshd.remove()
        assert not (host.folder / "wardgate").exists()


def test_what_sshd_still_reads_is_not_forgotten(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        state, machine = AgentState(tmp_path / "state"), Machine("", "", Path())
        state.prepare()
        state.put_applied(Applied(sshd_folder=str(host.folder)))
        host.sshd.keep(a_netmap(host.ca, {}, host.krl()))
        config = host.folder / "sshd_config"
        whole = config.read_text()
        config.write_text(f"{whole}Nonsense yes\n")
        for _ in range(2):
            assert undo(state, machine)
            assert (host.folder / "wardgate/revoked.krl").exists()
        config.write_text(whole)
        assert undo(state, machine)
        assert not (host.folder / "wardgate").exists()
        assert not undo(state, machine)


def _until(holds: object) -> None:
    """A reload takes a moment."""
    end = time.monotonic() + 20
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)


def test_whoever_reads_the_krl_while_it_changes_reads_a_whole_one(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        logins = {"root": ("alice@example.com",)}
        lists = [host.krl(*(host.certificate("alice@example.com") for _ in range(count))) for count in (0, 3, 40)]
        host.sshd.keep(a_netmap(host.ca, logins, lists[0]))
        path, done, seen = host.folder / "wardgate" / "revoked.krl", threading.Event(), set()

        def read() -> None:
            while not done.is_set():
                seen.add(path.read_bytes())

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(60):
            host.sshd.keep(a_netmap(host.ca, logins, lists[number % 3]))
        done.set()
        reader.join()
        assert seen <= set(lists)
        assert sorted(file.name for file in path.parent.iterdir()) == [
            "any-login",
            "logins",
            "revoked.krl",
            "user_ca.pub",
        ]
