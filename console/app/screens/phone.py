"""A device without an agent, such as a phone: added by whose it is, its configuration shown as a QR code."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec
import segno
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from console.app.backend import Outcome
from console.app.form import Field, Form
from console.app.qr import half_blocks
from model.keys import Secret
from model.records import DeviceState

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

PLACE = "PRIVATE_KEY"
"""What stands in a configuration where the private key belongs."""
NONE = Secret("")


def add_phone(app: ConsoleApp) -> None:
    """Asks for a name and a key: nobody but the phone need ever hold the private key, whose public part its app shows.

    Where the device is approved at once, none need be given: then one is made here, shown this once, and not kept.
    """
    me = app.backend.me()
    makes = "the public key that its app shows" + ("; or none, and one is made here" if me.approves_itself else "")
    fields = [Field(label="Name", hint="phone", needed=True), Field(label="WireGuard key", hint=makes)]

    def command(form: Form) -> list[str]:
        key = form.value("WireGuard key") or "KEY"
        return ["devices", "add", form.value("Name"), "--user", me.name, "--wireguard-key", key]

    def submit(form: Form) -> None:
        private, words = NONE, command(form)
        if not form.value("WireGuard key"):
            if not me.approves_itself:
                form.refused("the phone's public key is needed; its WireGuard app makes one and shows it")
                return
            private, words[-1] = key_pair()
        name = form.value("Name")
        app.perform(
            [*words, "--json"], f"added {name}", then=lambda added: _added(app, name, added, private), form=form
        )

    app.mode = Form(app, "Add a phone", fields, command=command, submit=submit, verb="add")


def _added(app: ConsoleApp, name: str, added: Outcome, private: Secret) -> None:
    if _document(added).get("state") == DeviceState.PENDING.value:
        app.say(f"added {name}: once an operator approved it, {app.cap('w', 'Overview')} shows its configuration")
        return
    show_configuration(app, name, private)


def show_configuration(app: ConsoleApp, name: str, private: Secret = NONE) -> None:
    """The device's WireGuard configuration of this moment, as text and as a QR code where one holds it."""
    words = ["devices", "config", name]

    def show(outcome: Outcome) -> None:
        from console.app.screens.output import Output

        text = str(_document(outcome).get("config", outcome.output))
        if private:
            text = text.replace(PLACE, private, 1)
        copies = app.cap("c", " ".join(words))
        note = (
            f"shown once: {copies} copies it, Esc forgets it" if private else f"{PLACE} is the phone's own to fill in"
        )
        code = _code(text, app.theme_in_use.dark)
        whole = text if code else f"There are more peers than a QR code holds: copy the text.\n\n{text}"
        app.overlay(Output(" ".join(words), whole, secret=text, note=note, code=code))

    app.perform([*words, "--json"], "", then=show)


def _code(text: str, dark: bool) -> list[str]:
    try:
        return half_blocks(text, dark=dark)
    except segno.DataOverflowError:
        return []


def key_pair() -> tuple[Secret, str]:
    """A WireGuard key as `wg genkey` and `wg pubkey` write them."""
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return Secret(base64.b64encode(private.private_bytes_raw()).decode()), base64.b64encode(public).decode()


def _document(outcome: Outcome) -> dict[str, Any]:
    try:
        return msgspec.json.decode(outcome.output.encode(), type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
