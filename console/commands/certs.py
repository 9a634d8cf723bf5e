"""Certificates."""

from __future__ import annotations

import base64
import time

import click

import console.commandline.certificates as readable
from console.commandline import shapes
from console.commandline.command import DURATION, FILE, argument, option, verb
from console.commandline.render import Column, until
from console.commandline.run import Run
from gate.services import certificates as service
from gate.services import revocations
from gate.services.queries import Query
from model.errors import Conflict
from model.ids import serial
from model.keys import ssh_key
from model.records import Certificate, Consent

EVERYTHING = 1 << 31


@verb(
    "list", "list certificates, the newest first",
    option("--filter", "words", help="Words and key:value pairs, like user:alice or state:valid.", default=""),
    option("--limit", help="At most so many.", type=click.IntRange(1), default=EVERYTHING, show_default=False),
    operation="certs list", examples=("certs list", "certs list --filter kind:host --json"),
)  # fmt: skip
async def list_certificates(run: Run, words: str, limit: int) -> None:
    query = Query(filter=words, sort="serial", descending=True, limit=limit, strict=True)
    page = await run.perform(service.list_certificates, query=query)
    found = [row for row in page.rows if isinstance(row, Certificate)]
    now = int(time.time())
    await run.listed(
        [Column("SERIAL", "right"), Column("KIND"), Column("KEY ID", flexible=True), Column("STATE"),
         Column("ENDS IN", "right"), Column("PRINCIPALS", flexible=True)],
        found,
        lambda c: [
            str(c.serial), c.kind.value, c.key_id, c.state(now).value, until(c.valid_before, now),
            " ".join(c.principals),
        ],
        shapes.certificate,
        empty="no certificate matches" if words else "no certificates yet; people get theirs with: cert < KEY.pub",
    )  # fmt: skip


@verb(
    "show",
    "show a certificate as ssh-keygen -L does, and whose it is",
    argument("number", metavar="SERIAL"),
    operation="certs show",
    examples=("certs show 1042",),
)
async def show(run: Run, number: str) -> None:
    certificate = await run.perform(service.show, serial=serial(number))
    run.result(shapes.certificate(certificate), readable.description(certificate))


@verb(
    "sign", "sign a public key on standard input: with --host, as that device's host key",
    option("--host", help="The device whose host key it is."),
    option("--device", help="A tagged device, for a certificate as automation."),
    option("--ttl", "lives", help="How long it lives.", type=DURATION),
    operation="certs sign", reads_stdin=True, examples=("certs sign --host db-1 < ssh_host_ed25519_key.pub",),
)  # fmt: skip
async def sign(run: Run, host: str | None, device: str | None, lives: int | None) -> None:
    if (host is None) == (device is None):
        raise click.UsageError("name one device: --host DEVICE, or --device DEVICE")
    key = ssh_key(await run.text("-", 65536))
    certificate = await run.perform(
        service.sign, key=key, device=host or device or "", host=host is not None, lives=lives
    )
    signed_or_waiting(run, certificate)


def signed_or_waiting(run: Run, outcome: Certificate | Consent) -> None:
    """The certificate; or a refusal that says whose word it waits for."""
    if isinstance(outcome, Consent):
        raise Conflict(
            f"this certificate needs a second operator's consent: request {outcome.id}",
            hint=f"ask one to run: certs approve {outcome.id}; then ask for it again",
        )
    document = {**shapes.certificate(outcome), "domain": run.gate.snapshot.domain}
    run.result(document, f"{outcome.line} {outcome.key_id}")


@verb(
    "waiting",
    "list certificates that wait for a second operator",
    operation="certs waiting",
    examples=("certs waiting",),
)
async def waiting(run: Run) -> None:
    found = await run.perform(service.waiting)
    run.rows(
        [Column("REQUEST", "right"), Column("FOR", flexible=True), Column("DEVICE"), Column("KEY", flexible=True),
         Column("ASKED BY", flexible=True)],
        [[one.id, " ".join(one.principals), one.device, one.fingerprint, one.asked_by] for one in found],
        [shapes.builtins(one) for one in found], empty="no certificate waits for consent",
    )  # fmt: skip


@verb(
    "approve", "consent, as a second operator, to a certificate that waits", argument("request", metavar="REQUEST"),
    operation="certs approve", examples=("certs approve 7",),
)  # fmt: skip
async def approve(run: Run, request: str) -> None:
    given = await run.perform(service.consent_to, id=request)
    said = f"consented to {' '.join(given.principals)} on {given.device}; what is signed by it ends"
    run.result(shapes.builtins(given), f"{said} in {until(given.until)}, at {shapes.timestamp(given.until or 0)}")


@verb(
    "revoke", "revoke certificates: by serial or key ID, or all of a user, a device or a key",
    argument("serials", many=True, required=False, metavar="[SERIAL ...]"),
    option("--user", help="All that live of this person."),
    option("--device", help="All that live of this device."),
    option("--key", help="Whatever was or will be signed of this public key.", type=FILE),
    option("--key-id", help="Whatever has this key ID, on record or not."),
    option("--reason", help="Why, for the audit trail.", default=""),
    operation="certs revoke", examples=("certs revoke 1042", "certs revoke --device laptop"),
)  # fmt: skip
async def revoke(
    run: Run, serials: tuple[str, ...], user: str | None, device: str | None, key: str | None, key_id: str | None,
    reason: str,
) -> None:  # fmt: skip
    made = await run.perform(
        revocations.revoke, serials=[serial(text) for text in serials], user=user, device=device,
        key=ssh_key(await run.text(key, 65536)) if key else None, key_id=key_id, reason=reason,
    )  # fmt: skip
    said = "".join(f"revoked {one.serial or one.key_id or (one.key and one.key.fingerprint)}\n" for one in made)
    run.result([shapes.builtins(one) for one in made], said or "nothing of it was valid\n")


@verb(
    "krl", "print the revocation list for hosts without an agent, into a new file that then replaces the old",
    operation="certs krl", examples=("certs krl > revoked.new && mv revoked.new revoked.krl",),
)  # fmt: skip
async def krl(run: Run) -> None:
    encoded = await run.perform(service.krl)
    if run.as_json:
        run.document({"krl": encoded})
    else:
        run.streams.write_bytes(base64.b64decode(encoded))


VERBS = (list_certificates, show, sign, waiting, approve, revoke, krl)
