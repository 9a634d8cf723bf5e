"""The CA's keys."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from console.commandline import shapes
from console.commandline.command import argument, option, verb
from console.commandline.render import Column, plural, until
from console.commandline.run import Run
from gate import reached
from gate.services import authority as service
from gate.services import names
from model.errors import Conflict
from model.records import CertificateKind, Generation, GenerationState, NameType
from model.sshd import DEFAULT_PATHS, DROP_IN

KIND = argument("kind", type=click.Choice(["user", "host"]), metavar="(user|host)")


@verb(
    "show", "show the CA's keys, generation by generation", operation="ca show", examples=("ca show", "ca show --json")
)
async def show(run: Run) -> None:
    views = await run.perform(service.show)
    now = int(time.time())
    run.rows(
        [Column("GENERATION"), Column("STATE"), Column("FINGERPRINT", flexible=True), Column("SIGNS"),
         Column("TAKEN BY", "right"), Column("LIVING", "right"), Column("LAST ENDS", "right")],
        [[v.generation.id, v.generation.state.value, v.generation.key.fingerprint,
          "yes" if v.signs else (v.fault or "no"), f"{v.taken} of {v.hosts} hosts", str(v.living),
          until(v.last_end, now) if v.last_end else "–"] for v in views],
        [{**shapes.generation(v.generation), "signs": v.signs, "fault": v.fault, "hosts": v.hosts,
          "taken": v.taken, "living": v.living,
          "last_end": shapes.timestamp(v.last_end) if v.last_end else None} for v in views],
    )  # fmt: skip


@verb(
    "rotate", "make the next key; it is trusted everywhere before it signs", KIND,
    option("--algorithm", type=click.Choice(["ed25519", "ecdsa-p256", "rsa-4096"]), default="ed25519",
           show_default=True, help="What kind of key."),
    option("--held-by", "backend", default="file", show_default=True, metavar="WHERE",
           help="file, agent:SHA256:FINGERPRINT, or pkcs11:/MODULE.so:TOKEN:KEY; on the gate's own host alone."),
    option("--emergency", help="The key was stolen: sign with the new one at once, and trust no other.", is_flag=True),
    option("--yes", help="With --emergency at a terminal: do it, having read what it breaks.", is_flag=True),
    operation="ca rotate", examples=("ca rotate user", "ca rotate user --emergency --yes"),
)  # fmt: skip
async def rotate(run: Run, kind: str, algorithm: str, backend: str, emergency: bool, yes: bool) -> None:
    views = await run.perform(service.show) if emergency else ()
    if emergency and not yes and run.terminal is not None:
        raise Conflict(_breaks(kind, views), hint="to do it: add --yes")
    changed = await run.perform(
        service.rotate, kind=CertificateKind(kind), algorithm=algorithm, emergency=emergency, backend=backend
    )
    said = "".join(f"{one.id} is {one.state.value}: {one.key.fingerprint}\n" for one in changed)
    taken = "every host has taken it" if kind == CertificateKind.USER else "clients have its line of `ca trust client`"
    later = f"when {taken}: wardgate ca promote {kind}\n"
    ended = _living(kind, views)
    if emergency:
        later = _revoked(ended) + _afterwards(run, changed[0])
    run.result({**shapes.generation(changed[0]), "certificates_revoked": ended}, said + later)


def _revoked(ended: int) -> str:
    return f"{plural(ended, 'certificate')} {'is' if ended == 1 else 'are'} revoked\n"


def _breaks(kind: str, views: Sequence[service.GenerationView]) -> str:
    return f"this ends {plural(_living(kind, views), f'living {kind} certificate')}, and " + (
        "all clients and devices that are away refuse this gate and every host until they are given the new CA"
        if kind == CertificateKind.HOST
        else "nobody logs in on a host until they fetch a new one"
    )


def _living(kind: str, views: Sequence[service.GenerationView]) -> int:
    return sum(view.living for view in views if view.generation.kind == kind)


def _afterwards(run: Run, made: Generation) -> str:
    """What is left for people, who are not reached from here."""
    ssh, target = reached.ssh(run.gate.snapshot.settings, "NAME"), reached.target(run.gate.snapshot.settings)
    if made.kind is CertificateKind.USER:
        return (
            f"people fetch new certificates: wardgate login NAME@{target}, or {ssh} cert < KEY.pub > CERT\n"
            "which hosts have not taken it: wardgate ca show\n"
        )
    return (
        f"tell people the new host CA's fingerprint, {made.key.fingerprint}; they run:\n"
        f"  wardgate login NAME@{target} --fingerprint {made.key.fingerprint}\n"
        "  with ssh alone: they put the line of `ca trust client` in place of the old one in ~/.ssh/known_hosts\n"
        "your own next ssh to this gate meets the new CA, too\n"
        "a device that is away now joins anew, with a new enrollment key: wardgate enrollment-keys create\n"
    )


@verb(
    "promote",
    "let the pending key sign; the one before stays trusted",
    KIND,
    operation="ca promote",
    examples=("ca promote user",),
)
async def promote(run: Run, kind: str) -> None:
    found = await run.perform(service.promote, kind=CertificateKind(kind))
    views = {view.generation.id: view for view in await run.perform(service.show)}
    risen = next(views[one.id] for one in found if one.state is GenerationState.ACTIVE)
    said = "".join(f"{one.id} is {one.state.value}\n" for one in found)
    shaped = [{**shapes.generation(one), "hosts": views[one.id].hosts, "taken": views[one.id].taken} for one in found]
    said += f"{risen.generation.id} is taken by {risen.taken} of {risen.hosts} hosts: wardgate ca show\n"
    if risen.generation.kind is CertificateKind.HOST:
        said += "who uses ssh alone needs its line of `ca trust client` in ~/.ssh/known_hosts, for this gate first\n"
    run.result(shaped, said)


@verb(
    "retire", "end the trust in a generation that no longer signs", argument("generation"),
    option("--anyway", help="Although certificates of it still live.", is_flag=True),
    operation="ca retire", examples=("ca retire user-1",),
)  # fmt: skip
async def retire(run: Run, generation: str, anyway: bool) -> None:
    gone = await run.perform(service.retire, id=generation, anyway=anyway)
    known = gone.generation.id
    said = f"{known} is trusted no more\n{_revoked(gone.revoked) if gone.revoked else ''}"
    run.result({**shapes.generation(gone.generation), "certificates_revoked": gone.revoked}, said)


@verb(
    "trust", "print what others need in order to trust this network's certificates",
    argument("what", type=click.Choice(["sshd", "client"]), metavar="(sshd|client)"),
    option("--script", "device", help="For sshd: one script for this device, which has no agent.", metavar="DEVICE"),
    option("--sshfp", help="For client: the hosts' keys as SSHFP records, for a DNS zone.", is_flag=True),
    operation="ca trust",
    examples=(
        "ca trust client", "ca trust client --sshfp", "ca trust sshd", "ca trust sshd --script db-1 | ssh root@db-1 sh",
    ),
)  # fmt: skip
async def trust(run: Run, what: str, device: str | None, sshfp: bool) -> None:
    if sshfp:
        if what != "client" or device is not None:
            raise click.UsageError("--sshfp goes with `ca trust client`")
        known = [one for one in await run.perform(names.list_names) if one.type == NameType.SSHFP]
        lines = [f"{one.name}. {one.ttl} IN SSHFP {value}" for one in known for value in one.values]
        said = "".join(f"{line}\n" for line in lines)
        run.result({"sshfp": lines}, said or "; no host has a certificate yet\n")
        return
    if device is not None:
        script = await run.perform(service.trust_script, device=device)
        run.result({"script": script}, script)
        return
    found = await run.perform(service.trust)
    if what == "client":
        run.result(
            {"known_hosts": found.known_hosts, "config": found.client_config},
            f"# ~/.ssh/known_hosts\n{found.known_hosts}\n# ~/.ssh/config\n{found.client_config}"
            "\n# hosts' keys for a DNS zone: wardgate ca trust client --sshfp\n",
        )
        return
    run.result(
        {"user_ca": found.user_ca, "config": found.sshd_config},
        f"# {DEFAULT_PATHS.user_ca}\n{found.user_ca}\n# {DROP_IN}\n{found.sshd_config}"
        "\n# agents keep all of this; for a host without one: wardgate ca trust sshd --script DEVICE\n",
    )


VERBS = (show, rotate, promote, retire, trust)
