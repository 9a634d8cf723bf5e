"""A member's own view: their devices, certificates and keys on one page."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app.actions import Action
from console.app.backend import Listing, Query, UserFacts
from console.app.columns import Context
from console.app.form import Field, Form
from console.app.inert import inert
from console.app.keytype import key_type
from console.app.lineedit import LineEdit
from console.app.modes import Asked
from console.app.row import Row, fit, fit_middle
from console.app.screens import meanwhile
from console.app.screens.certificatecolumns import ends
from console.app.screens.certificatecolumns import state_of as certificate_state
from console.app.screens.devices import expires, seen
from console.app.screens.devices import state_of as device_state
from console.app.times import age, ago, span
from console.app.view import View
from model.records import Certificate, Device, DeviceState, UserKey

Thing = Device | Certificate | UserKey


class MemberView(View):
    title = "Overview"

    def __init__(self) -> None:
        super().__init__()
        self.facts: UserFacts | None = None
        self.devices: tuple[Device, ...] = ()
        self.certificates: tuple[Certificate, ...] = ()
        self.at = 0
        self._top = 0

    async def load(self) -> None:
        self.facts = await self.backend.user(self.backend.me().name)
        rows = await self.backend.rows(Listing.DEVICES, Query(sort="name"))
        self.devices = tuple(row for row in rows.rows if isinstance(row, Device))
        issued = await self.backend.rows(Listing.CERTIFICATES, Query(sort="serial", descending=True, limit=20))
        self.certificates = tuple(row for row in issued.rows if isinstance(row, Certificate))
        self.at = max(0, min(self.at, len(self._things()) - 1))

    def crumbs(self) -> Sequence[str]:
        return (self.backend.me().name,)

    def _things(self) -> list[Thing]:
        return [*self.devices, *self.certificates, *(self.facts.keys if self.facts else ())]

    def _thing(self) -> Thing | None:
        things = self._things()
        return things[self.at] if self.at < len(things) else None

    def key(self, event: events.Key) -> bool:
        step = {"down": 1, "j": 1, "up": -1, "k": -1, "home": -999, "end": 999}.get(event.key)
        if step is None:
            return False
        self.at = max(0, min(self.at + step, len(self._things()) - 1))
        return True

    # Deeds

    def actions(self) -> list[Action]:
        thing = self._thing()
        device, certificate = isinstance(thing, Device), isinstance(thing, Certificate)
        return [
            Action(key="n", label="new device", about="a key for this person's next machine", run=self._new),
            Action(
                key="q",
                label="add a phone",
                about="a device without an agent, by QR code",
                run=self._phone,
                when=lambda: self.backend.me().adds_devices,
            ),
            Action(
                key="w",
                label="configuration",
                about="WireGuard's, of the device under the cursor, for a phone's app",
                run=self._configuration,
                shown=False,
                when=lambda: isinstance(thing, Device) and thing.ssh_key is None,
            ),
            Action(
                key="r",
                label="revoke",
                about="the certificate under the cursor",
                run=self._revoke,
                when=lambda: certificate,
            ),
            Action(key="r", label="rename", about="the device under the cursor", run=self._rename, when=lambda: device),
            Action(key="x", label="remove", about="the device under the cursor", run=self._remove, when=lambda: device),
            Action(key="c", label="copy", about="what is under the cursor", run=self._copy),
        ]

    def _new(self) -> None:
        from console.app.screens.enrollment import show_once

        app = self.console_app
        words = ["enrollment-keys", "create", "--user", self.backend.me().name, "--expires", "5m"]
        app.perform([*words, "--json"], "", then=lambda outcome: show_once(app, outcome))

    def _phone(self) -> None:
        from console.app.screens.phone import add_phone

        add_phone(self.console_app)

    def _configuration(self) -> None:
        from console.app.screens.phone import show_configuration

        device = self._thing()
        if isinstance(device, Device):
            show_configuration(self.console_app, device.name)

    def _rename(self) -> None:
        device = self._thing()
        if not isinstance(device, Device):
            return

        def command(form: Form) -> list[str]:
            return ["devices", "rename", device.name, form.value("Name")]

        self.console_app.mode = Form(
            self.console_app,
            f"Rename {device.name}",
            [Field(label="Name", edit=LineEdit(device.name))],
            command=command,
            submit=lambda form: self.console_app.perform(
                command(form),
                f"renamed to {form.value('Name')}",
                undo=["devices", "rename", form.value("Name"), device.name],
                form=form,
            ),
            verb="rename",
            meanwhile=meanwhile.renamed(device),
        )

    def _remove(self) -> None:
        device = self._thing()
        if not isinstance(device, Device):
            return
        self.console_app.ask(
            Asked(
                title=f"Remove {device.name}?",
                follows="it leaves the network at once, its certificates are revoked",
                command=f"devices remove {device.name}",
                undo="cannot be undone; it would have to enroll again",
                deed="Remove",
                run=lambda: self.console_app.perform(["devices", "remove", device.name], f"removed {device.name}"),
            )
        )

    def _revoke(self) -> None:
        certificate = self._thing()
        if not isinstance(certificate, Certificate):
            return
        serial = str(certificate.serial)
        self.console_app.ask(
            Asked(
                title=f"Revoke certificate {serial}?",
                follows=inert(certificate.key_id),
                command=f"certs revoke {serial}",
                undo="cannot be undone; wardgate login makes another",
                deed="Revoke",
                run=lambda: self.console_app.perform(["certs", "revoke", serial], f"revoked {serial}"),
            )
        )

    def _copy(self) -> None:
        thing = self._thing()
        if isinstance(thing, Device):
            self.console_app.copy(thing.ipv4)
        elif isinstance(thing, Certificate):
            self.console_app.copy(thing.line, f"certificate {thing.serial}")
        elif isinstance(thing, UserKey):
            self.console_app.copy(thing.key.fingerprint)

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        context = self.context
        rows: list[Row] = [Row(width)]
        places: dict[int, int] = {}
        x = (20, 35, min(50, width - 30))
        rows.append(
            self._heads(width, "Devices", len(self.devices), ((x[0], "IPv4"), (x[1], "System")), ("Seen", "Expires"))
        )
        for device in self.devices:
            self._add(rows, places, self._device(width, device, x, context))
        if not self.devices:
            rows.append(self._quiet(width, f"none yet: {self.cap('n')} makes a key for one"))
        rows += [Row(width)]
        heads = ((x[0], "Principals"), (x[2], "Device"))
        rows.append(self._heads(width, "Certificates", len(self.certificates), heads, ("", "Ends in")))
        for certificate in self.certificates:
            self._add(rows, places, self._certificate(width, certificate, x, context))
        if not self.certificates:
            me = self.backend.me()
            whole = f"wardgate login {me.name.partition('@')[0]}@{me.gate}"
            rows.append(self._quiet(width, f"none yet: {whole} signs one"))
        keys = self.facts.keys if self.facts else ()
        heads = ((x[0], "Fingerprint"), (x[2], "Comment"))
        rows += [Row(width), self._heads(width, "Keys", len(keys), heads, ("", "Added"))]
        for key in keys:
            self._add(rows, places, self._key(width, key, x, context))
        rows += [Row(width), *self._note(width, context)]
        body, line = height - 1, places.get(self.at, 0)
        self._top = max(0, min(max(self._top, line - body + 2), max(0, line - 2), max(0, len(rows) - body)))
        shown = rows[self._top : self._top + body]
        return [*shown, *[Row(width) for _ in range(body - len(shown))], self.draw_status(width)]

    def _add(self, rows: list[Row], places: dict[int, int], row: Row) -> None:
        at = len(places)
        places[at] = len(rows)
        if at == self.at:
            row.plane("cursor", 1, row.width - 1)
            row.put(1, self.console_app.glyphs.cursor, "accent")
        row.links.append((0, row.width, lambda: setattr(self, "at", at)))
        rows.append(row)

    def _heads(
        self, width: int, title: str, number: int, heads: Sequence[tuple[int, str]], right: tuple[str, str]
    ) -> Row:
        row = Row(width)
        end = row.put(2, title, "bright", "b")
        row.put(end + 2, str(number), "muted")
        for x, head in heads:
            row.put(x, head, "muted")
        row.right(width - 18, right[0], "muted")
        row.right(width - 2, right[1], "muted")
        return row

    def _quiet(self, width: int, text: str) -> Row:
        row = Row(width)
        row.put(5, fit(text, width - 7), "muted")
        return row

    def _device(self, width: int, device: Device, x: tuple[int, int, int], context: Context) -> Row:
        row = Row(width)
        row.put(3, *device_state(device, context))
        row.put(5, fit(inert(device.name), x[0] - 6), "text")
        row.put(x[0], device.ipv4, "text")
        row.put(x[1], fit(inert(device.os) or "–", width - 18 - 9 - x[1]), "muted")
        when, until = seen(device, context), expires(device, context)
        row.right(width - 18, when.text, when.role)
        row.right(width - 2, until.text, until.role)
        return row

    def _certificate(self, width: int, certificate: Certificate, x: tuple[int, int, int], context: Context) -> Row:
        row = Row(width)
        row.put(3, *certificate_state(certificate, context))
        row.put(5, str(certificate.serial), "text")
        row.put(x[0], fit(inert(", ".join(certificate.principals)), x[2] - x[0] - 2), "muted")
        row.put(x[2], fit(inert(certificate.device or "–"), width - 12 - x[2]), "text")
        cell = ends(certificate, context)
        row.right(width - 2, cell.text, cell.role)
        return row

    def _key(self, width: int, key: UserKey, x: tuple[int, int, int], context: Context) -> Row:
        row = Row(width)
        row.put(5, fit(key_type(key.key), 14), "text")
        row.put(x[0], fit_middle(key.key.fingerprint, 20), "muted")
        row.put(x[2], fit(inert(key.comment) or "–", width - 14 - x[2]), "text")
        row.right(width - 2, age(key.added_at, context.now), "muted")
        return row

    def _note(self, width: int, context: Context) -> list[Row]:
        """What a pending device waits for, told where its owner looks first."""
        waiting = next((device for device in self.devices if device.state is DeviceState.PENDING), None)
        if waiting is None:
            return []
        title = Row(width)
        title.put(2, inert(waiting.name), "bright", "b")
        title.right(width - 2, f"asked {ago(waiting.created_at, context.now)}", "muted")
        first, second, third = Row(width), Row(width), Row(width)
        first.put(3, context.glyphs.waiting, "warn")
        first.put(5, "waits for an operator to approve it", "text")
        second.put(5, fit("Until then it has an address and no peers. You need do nothing.", width - 7), "muted")
        end = third.put(5, "Check its WireGuard key: it begins ", "muted")
        third.put(end, waiting.wireguard_key[:12], "bright", "b")
        return [title, first, second, third]

    def status(self, row: Row) -> None:
        until = self.backend.me().login_ends
        if until is not None:
            end = row.right(row.width - 2, span(until - self.backend.now()), "text")
            row.right(end - 1, "login ends in", "muted")
