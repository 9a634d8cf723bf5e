"""What anyone has, of their own."""

from __future__ import annotations

from console.commandline import shapes
from console.commandline.command import DURATION, FILE, Noun, argument, option, verb
from console.commandline.render import facts, until
from console.commandline.run import Run
from console.commands.certs import signed_or_waiting
from console.commands.logins import logout, person
from console.commands.users import key_removed, key_rows, register_key
from gate.services import certificates, logins, users
from model.errors import Invalid
from model.keys import ssh_key


@verb(
    "cert", "sign your public key, on standard input, for one device of yours",
    option("--device", help="Which device; needed where you have several."),
    option("--ttl", "lives", help="How long it lives.", type=DURATION),
    operation="cert", reads_stdin=True, examples=("cert --ttl 1h < id_ed25519.pub > id_ed25519-cert.pub",),
)  # fmt: skip
async def cert(run: Run, device: str | None, lives: int | None) -> None:
    if run.actor.user is None:
        raise Invalid(
            "a certificate belongs to a person, and this is the gate's own host",
            hint="come as one: ssh -p PORT NAME@GATE cert < KEY.pub",
        )
    key = ssh_key(await run.text("-", 65536))
    certificate = await run.perform(certificates.for_myself, key=key, device=device, lives=lives)
    signed_or_waiting(run, certificate)


@verb("me", "show who you are here, and what lets you in", operation="me", examples=("me",))
async def me(run: Run) -> None:
    if run.actor.user is None:
        run.result(
            {"name": run.actor.name, "role": run.actor.role.value},
            facts([("name", run.actor.name), ("role", run.actor.role.value)]),
        )
        return
    here = f"{run.actor.method} from {run.actor.source}"
    person(run, await run.perform(logins.me), (("here by", here),))


@verb("list", "list the keys that let you in", operation="users keys list", examples=("keys list",))
async def list_keys(run: Run) -> None:
    key_rows(run, await run.perform(users.list_keys, name="me"))


@verb(
    "add", "let yourself in with another key", argument("file", type=FILE, metavar="FILE"),
    option("--for-login", help="For as long as the login lasts by which you are here.", is_flag=True),
    operation="users keys add", examples=("keys add ~/.ssh/id_ed25519.pub", "keys add - < id_ed25519.pub"),
)  # fmt: skip
async def add_key(run: Run, file: str, for_login: bool) -> None:
    text = await run.text(file, 65536)
    if not for_login:
        await register_key(run, "me", text)
        return
    added = await run.perform(logins.add_login_key, key=ssh_key(text))
    until_then = until(added.expires_at) if added.expires_at else ""
    run.result(shapes.user_key(added), f"{added.user} gets in with {added.key.fingerprint} for {until_then}")


@verb(
    "remove",
    "take a key of yours away",
    argument("fingerprint"),
    operation="users keys remove",
    examples=("keys remove SHA256:...",),
)
async def remove_key(run: Run, fingerprint: str) -> None:
    removed, changes = await run.perform_told(users.remove_key, name="me", fingerprint=fingerprint)
    key_removed(run, removed, f"removed {removed.key.fingerprint}", changes)


KEYS = Noun("keys", "the SSH keys that let you in here")
for _command in (list_keys, add_key, remove_key):
    KEYS.add_command(_command)

VERBS = (cert, me, KEYS, logout)
