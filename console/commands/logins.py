"""How people log in: second factors, invitations, and the end of logins."""

from __future__ import annotations

import shlex

from console.commandline import shapes
from console.commandline.command import DURATION, argument, option, verb
from console.commandline.render import Column, ago, facts, until
from console.commandline.run import Run
from gate import reached
from gate.login import totp
from gate.login.invitations import host_ca_fingerprint
from gate.services import logins as service
from gate.services.logins import Invitation, Me
from model.errors import Invalid
from model.keys import SSHKey
from model.records import UserKey

NAME = argument("name")


async def set_up(run: Run, name: str) -> None:
    """Shows a new secret once; it counts when a code of it was shown back."""
    made = await run.perform(service.set_up_totp, name=name)
    document = {
        "user": made.user, "secret": str(made.secret), "uri": str(made.uri),
        "recovery_codes": [str(code) for code in made.recovery_codes],
    }  # fmt: skip
    codes = "".join(f"  {code}\n" for code in made.recovery_codes)
    run.result(
        document,
        f"{totp.qr(str(made.uri))}\n{made.uri}\n\nrecovery codes, each serves once; keep them apart:\n{codes}\n"
        f"then show a code back, or it does not count: users totp {made.user} --confirm (the code on standard input)",
    )


@verb(
    "totp", "set up a person's second factor: a QR code and recovery codes, shown this once", NAME,
    option("--confirm", help="Show a code back, one line on standard input; from then on it is asked for.",
           is_flag=True),
    option("--remove", help="Take the second factor away.", is_flag=True),
    operation="users totp", examples=("users totp alice", "users totp alice --confirm < CODE"),
)  # fmt: skip
async def second_factor(run: Run, name: str, confirm: bool, remove: bool) -> None:
    if confirm and remove:
        raise Invalid("--confirm and --remove do not go together")
    if confirm:
        code = await run.secret("code")
        user = await run.perform(service.confirm_totp, name=name, code=code)
        run.result(shapes.user(user), f"logins of {user.name} by password ask for a code from now on")
    elif remove:
        user = await run.perform(service.remove_totp, name=name)
        run.result(shapes.user(user), f"removed the second factor of {user.name}")
    else:
        await set_up(run, name)


def trusting(host_ca: SSHKey) -> list[str]:
    """Options by which ssh believes that CA alone: nobody is asked whether a fingerprint is right."""
    return ["-o StrictHostKeyChecking=yes", f"-o 'KnownHostsCommand=/bin/echo @cert-authority * {host_ca}'"]


def invited(run: Run, invitation: Invitation) -> None:
    """The one-time command, and what proves the gate to the person who runs it."""
    code = str(invitation.code)
    local, _, domain = invitation.user.name.partition("@")
    name = local if domain == run.gate.snapshot.user_domain else invitation.user.name
    settings, fingerprint = run.gate.snapshot.settings, host_ca_fingerprint(code)
    known = [] if reached.first(settings)[0] == reached.UNKNOWN else trusting(invitation.host_ca)
    command, gate = reached.ssh(settings, name, *known), shlex.quote(f"{name}@{reached.target(settings)}")
    document = {
        **shapes.user(invitation.user), "invitation": code, "command": command, "fingerprint": fingerprint,
        "expires_at": shapes.timestamp(invitation.expires_at),
    }  # fmt: skip
    run.result(
        document,
        f"invited {invitation.user.name}, for {until(invitation.expires_at)}\n\n  {command}\n\n"
        f"at the first prompt, give this invitation; it serves once:\n\n  {code}\n\n"
        f"the gate is the right one if its host CA is {fingerprint}\n"
        f"with the program: wardgate login {gate} --fingerprint {fingerprint}",
    )


@verb(
    "invite", "let a person set up their own login, or replace a forgotten password: a one-time code", NAME,
    option("--expires", "lives", help="How long it serves; 72h without it.", type=DURATION),
    operation="users invite", examples=("users invite alice --expires 24h",),
)  # fmt: skip
async def invite(run: Run, name: str, lives: int | None) -> None:
    invited(run, await run.perform(service.invite, name=name, lives=lives or service.INVITATION_LIFE))


@verb(
    "unlock",
    "forget wrong guesses at a person's login, so that they need not wait",
    NAME,
    operation="users unlock",
    examples=("users unlock alice",),
)
async def unlock(run: Run, name: str) -> None:
    user = await run.perform(service.unlock, name=name)
    run.result(shapes.user(user), f"{user.name} may try again")


@verb(
    "unbind", "take a provider's account from a person", NAME, argument("issuer"), operation="users set-role",
    examples=("users unbind alice https://id.example.com",),
)  # fmt: skip
async def unbind(run: Run, name: str, issuer: str) -> None:
    user = await run.perform(service.unbind, name=name, issuer=issuer)
    run.result(shapes.user(user), f"{user.name} has no account at {issuer} any more")


def described(key: UserKey) -> str:
    """A key's comment, and that it is kept for emergencies."""
    if not key.break_glass or key.comment == "break-glass":
        return key.comment
    return f"{key.comment} (break-glass)".lstrip()


def person(run: Run, found: Me, more: tuple[tuple[str, str], ...] = ()) -> None:
    """A person with all that lets them in, either way."""
    document = {
        **shapes.user(found.user), **{label.replace(" ", "_"): value for label, value in more},
        "keys": [shapes.user_key(key) for key in found.keys],
        "devices": [shapes.device(device, run.gate.presence.online) for device in found.devices],
        "logins": [shapes.builtins(login) for login in found.logins],
        "providers": list(found.providers), "has_password": found.has_password, "has_totp": found.has_totp,
        "recovery_codes_left": found.recovery_codes_left,
    }  # fmt: skip
    factor = f"set, {found.recovery_codes_left} recovery codes left" if found.has_totp else "none"
    run.result(
        document,
        facts([
            ("name", found.user.name), ("e-mail", found.user.email or "–"), ("role", found.user.role.value),
            ("state", found.user.state.value), *more,
            ("password", "set" if found.has_password else "none"), ("second factor", factor),
            *(("provider", issuer) for issuer in found.providers),
            *(("key", f"{key.key.fingerprint} {described(key)}".rstrip()) for key in found.keys),
            *(("device", f"{d.name} {d.ipv4} {d.state.value}, expires: {until(d.expires_at)}") for d in found.devices),
            *(("login", f"{one.method} from {one.source}, began {ago(one.started_at)}, ends in {until(one.ends_at)}")
              for one in found.logins),
        ]),
    )  # fmt: skip


@verb(
    "logout",
    "end what your logins gave: certificates, keys for their time, open consoles",
    operation="logout",
    examples=("logout",),
)
async def logout(run: Run) -> None:
    ended = await run.perform(service.logout)
    run.rows(
        [Column("METHOD"), Column("FROM"), Column("SINCE")],
        [[one.method, one.source, shapes.timestamp(one.started_at)] for one in ended],
        [shapes.builtins(one) for one in ended],
        empty="no login was running; certificates that you had are revoked",
    )


USER_VERBS = (second_factor, invite, unlock, unbind)
