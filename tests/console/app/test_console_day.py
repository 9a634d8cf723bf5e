"""An operator's day with the real things: a gate, `ssh`, and a terminal that tmux drives."""

import subprocess
from pathlib import Path

import pytest
from terminals import a_served_gate, a_terminal_at

pytestmark = pytest.mark.needs("tmux", "ssh", "ssh-keygen")


@pytest.mark.timeout(240)
def test_an_operators_day(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "sshd"], check=True)
        certificate = gate.run("certs", "sign", "--host", "db-fra-1", stdin=(tmp_path / "sshd.pub").read_text())
        assert certificate.startswith("ssh-ed25519-cert")
        with a_terminal_at(gate) as terminal:
            terminal.shows("Overview", "Users", "Devices", "Access", "Names", "Certificates", "Activity")

            # approve what asks to join
            terminal.shows("1 device asks to join")
            terminal.keys("3")
            terminal.shows("25 devices")
            terminal.text("/macbook-erin")
            terminal.shows("1 of 25")
            terminal.keys("Enter", "a")
            terminal.shows("approved macbook-erin-sample")
            terminal.keys("Escape")

            # tag it, and write a rule that separates the role
            terminal.shows("25 devices")
            terminal.text("/web-fra-1")
            terminal.keys("Enter")
            terminal.shows("1 of 25")
            terminal.keys("t")
            terminal.text(" tag:canary")
            terminal.keys("Enter")
            terminal.shows("tagged web-fra-1")

            terminal.keys("4")
            terminal.shows("Who reaches what", "version 1")
            terminal.keys("i")
            terminal.shows("leave the editor")
            terminal.keys(*["Down"] * (_line_of('"acls": [', terminal.screen()) - 1), "End", "Enter")
            terminal.text('{"action": "accept", "src": ["tag:mon"], "dst": ["tag:db:9100"]},')
            terminal.shows("1 error")
            terminal.keys("C-k")
            terminal.text(
                '{"action": "accept", "src": ["carol-sample@example.com"], "dst": ["erin-sample@example.com:22"]},'
            )
            terminal.shows("the draft is good")

            # see the diff, set it on trial, roll it back
            terminal.keys("C-s")
            terminal.shows(
                "Set this policy over version 1?", "What changes", "erin-sample", "+6", "--confirm-within 60s"
            )
            terminal.keys("S")
            terminal.shows("Version 2 is in force. Confirm it?")
            assert gate.json("policy", "show")["number"] == 2
            terminal.keys("u")
            terminal.shows("version 3")
            assert "carol-sample" not in gate.run("policy", "show")

            # revoke a certificate
            terminal.keys("6")
            terminal.shows("Authorities", "db-fra-1.example.com/1")
            terminal.keys("r")
            terminal.shows("Revoke certificate 1?", "cannot be undone")
            terminal.keys("R")
            terminal.shows("revoked 1")
            assert gate.json("certs", "show", "1")["state"] == "revoked"

            # look a name up
            terminal.keys("5", "L")
            terminal.shows("Look a name up")
            terminal.keys("C-u")
            terminal.text("db-fra-1")
            terminal.keys("Enter")
            terminal.shows("100.64.", "AAAA")
            terminal.keys("Escape")
            terminal.shows("Made by")

            # follow the audit: what another does shows without a key
            terminal.keys("7")
            terminal.shows("certs revoke")
            gate.run("devices", "rename", "ci-fra-1", "ci-fra-9")
            terminal.shows("devices rename")
            terminal.keys("C-q")
            terminal.shows("ended with 0")


def _line_of(text: str, screen: str) -> int:
    """The number that stands before `text` in the editor."""
    return next(int(line.split()[0]) for line in screen.splitlines() if text in line)


def test_a_terminal_that_shrinks_and_grows(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        with a_terminal_at(gate, "console", "devices", "db-fra-2") as terminal:
            terminal.shows("Devices › db-fra-2")
            terminal.resize(20, 6)
            terminal.resize(80, 24)
            screen = terminal.shows("Owner or tags", "db-fra-2")
            assert "WireGuard" not in screen
            terminal.resize(160, 40)
            terminal.shows("WireGuard", "System")
            terminal.keys("C-q")
            terminal.shows("ended with 0")


def test_a_gate_that_stops_says_so_and_gives_the_terminal_back(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate, a_terminal_at(gate) as terminal:
        terminal.shows("This network is empty")
        gate.process.terminate()
        screen = terminal.shows("ended with")
        assert "Overview" not in screen


def test_a_person_disabled_while_their_console_is_open_is_out(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("users", "add", "bob", "--role", "operator")
        gate.run("users", "keys", "add", "bob", "-", stdin=(tmp_path / "alice.pub").read_text())
        command = gate.ssh("-t", "bob@127.0.0.1")
        from terminals import Tmux

        terminal = Tmux(command)
        try:
            terminal.shows("bob operator")
            gate.run("users", "disable", "bob")
            terminal.shows("ended with")
        finally:
            terminal.close()
