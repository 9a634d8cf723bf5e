"""Users: the people, their roles and logins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.app.actions import Action
from console.app.backend import Listing, UserFacts, UserRow
from console.app.columns import Cell, Column, Context
from console.app.form import Field, Form
from console.app.inert import inert
from console.app.keytype import key_type
from console.app.lineedit import LineEdit
from console.app.listview import ListView
from console.app.pane import Pane, fact, gap, listed
from console.app.screens import bulk, meanwhile
from console.app.times import count, day
from model.records import Role, UserState

_ROLE = {Role.OWNER: "bright", Role.ADMIN: "text", Role.OPERATOR: "text"}


def _number(value: int, context: Context) -> Cell:
    return Cell(count(value), "text") if value else Cell("0", "muted")


COLUMNS = (
    Column(head="Name", sort="name", least=20, most=28, weight=3, cell=lambda r, c: Cell(inert(r.user.name))),
    Column(
        head="Role",
        sort="role",
        least=8,
        most=9,
        cell=lambda r, c: Cell(r.user.role.value, _ROLE.get(r.user.role, "muted")),
    ),
    Column(head="Devices", least=7, most=7, right=True, cell=lambda r, c: _number(r.devices, c)),
    Column(
        head="State",
        sort="state",
        least=8,
        most=8,
        drop=6,
        since=90,
        cell=lambda r, c: Cell("disabled" if r.user.state is UserState.DISABLED else "active", "muted"),
    ),
    Column(
        head="E-mail",
        sort="email",
        least=18,
        most=24,
        weight=1,
        drop=4,
        since=90,
        cell=lambda r, c: Cell(inert(r.user.email or "–"), "muted"),
    ),
    Column(head="Certificates", least=12, most=12, right=True, drop=3, cell=lambda r, c: _number(r.certificates, c)),
    Column(
        head="Groups",
        least=14,
        most=22,
        weight=1,
        drop=5,
        since=90,
        cell=lambda r, c: Cell(inert(" ".join(g.removeprefix("group:") for g in r.user.groups)) or "–", "muted"),
    ),
    Column(
        head="Added",
        sort="created_at",
        least=11,
        most=11,
        right=True,
        drop=8,
        since=150,
        cell=lambda r, c: Cell(day(r.user.created_at, c.now), "muted"),
    ),
)


class UsersView(ListView):
    title = "Users"
    listing = Listing.USERS
    noun = ("person", "people")
    filters = ("role", "state", "group", "service")

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def state(self, row: Any, context: Context) -> tuple[str, str]:
        disabled = row.user.state is UserState.DISABLED
        return (context.glyphs.disabled, "muted") if disabled else (context.glyphs.on, "ok")

    def called(self, row: Any) -> str:
        return inert(row.user.name)

    async def facts(self, row: Any, pane: Pane, context: Context) -> None:
        _fill(self, pane, await self.backend.user(row.user.name), context)

    def _chosen(self) -> list[UserRow]:
        return [row for row in self.table.chosen() if isinstance(row, UserRow)]

    def deeds(self) -> list[Action]:
        def some() -> bool:
            return bool(self.table.chosen())

        return [
            Action(key="n", label="add", about="a person", run=self._add, writes=True),
            Action(key="R", label="role", about="what they may do here", run=self._role, writes=True, when=some),
            Action(
                key="d",
                label="disable",
                about="no login, no devices, no certificates; or all of it back",
                run=self._disable,
                writes=True,
                when=some,
            ),
            Action(
                key="x",
                label="remove",
                about="with their devices and certificates",
                run=self._remove,
                writes=True,
                when=some,
            ),
            Action(key="D", label="devices", about="their devices", run=self._devices, shown=False, when=some),
            Action(
                key="C",
                label="certificates",
                about="their certificates",
                run=self._certificates,
                shown=False,
                when=some,
            ),
        ]

    def _devices(self) -> None:
        self._jump("Devices")

    def _certificates(self) -> None:
        self._jump("Certificates")

    def _jump(self, title: str) -> None:
        self.console_app.go(title, f"user:{self._chosen()[0].user.name}")

    def _add(self) -> None:
        roles = tuple(role.value for role in (Role.MEMBER, Role.AUDITOR, Role.OPERATOR, Role.ADMIN, Role.OWNER))
        fields = [
            Field(label="Name", hint=f"bob or bob@{self.backend.me().user_domain}", needed=True),
            Field(label="Role", edit=LineEdit("member"), choices=roles),
            Field(label="E-mail", hint="may stay empty"),
            Field(
                label="Invitation",
                edit=LineEdit("yes"),
                choices=("yes", "no"),
                hint="text to send them, with the gate's key",
            ),
        ]

        def command(form: Form) -> list[str]:
            words = ["users", "add", form.value("Name"), "--role", form.value("Role")]
            words += ["--email", form.value("E-mail")] if form.value("E-mail") else []
            return [*words, "--invite"] if form.value("Invitation") == "yes" else words

        def submit(form: Form) -> None:
            words = command(form)
            app = self.console_app
            app.perform(
                words,
                f"added {form.value('Name')}",
                then=lambda outcome: (
                    app.show_output(" ".join(words), outcome.output) if "\n" in outcome.output.strip() else None
                ),
                form=form,
            )

        self.console_app.mode = Form(
            self.console_app, "Add a person", fields, command=command, submit=submit, verb="add"
        )

    def _role(self) -> None:
        users = [row.user for row in self._chosen()]
        names, before = [user.name for user in users], {user.role.value for user in users}
        same = before.pop() if len(before) == 1 else ""
        field = Field(
            label="Role",
            edit=LineEdit(same or Role.MEMBER.value),
            choices=tuple(role.value for role in reversed(Role)),
        )

        def command(form: Form) -> list[str]:
            return ["users", "set-role", *names, form.value("Role")]

        def submit(form: Form) -> None:
            bulk.perform(
                self,
                command(form),
                f"{bulk.shown(names)} {'is' if len(names) == 1 else 'are'} {form.value('Role')} now",
                undo=["users", "set-role", *names, same] if same else [],
                form=form,
            )

        title = f"What may {bulk.called(names, 'person', 'people')} do?"
        self.console_app.mode = Form(
            self.console_app,
            title,
            [field],
            command=command,
            submit=submit,
            verb="set",
            meanwhile=meanwhile.given_a_role(users),
        )

    def _disable(self) -> None:
        users = [row.user for row in self._chosen()]
        names = [user.name for user in users]
        if all(user.state is UserState.DISABLED for user in users):
            bulk.perform(
                self, ["users", "enable", *names], f"enabled {bulk.shown(names)}", undo=["users", "disable", *names]
            )
            return
        bulk.ask(
            self,
            ["users", "disable", *names],
            f"disabled {bulk.shown(names)}",
            title=f"Disable {bulk.called(names, 'person', 'people')}?",
            follows="their sessions end, their devices lose their peers, their certificates are revoked",
            can="enabling brings login and devices back; certificates stay revoked",
            deed="Disable",
            names=names,
            undo=["users", "enable", *names],
            plane="warn",
        )

    def _remove(self) -> None:
        names = [row.user.name for row in self._chosen()]
        bulk.ask(
            self,
            ["users", "remove", *names],
            f"removed {bulk.shown(names)}",
            title=f"Remove {bulk.called(names, 'person', 'people')}?",
            follows="their devices leave the network, their certificates are revoked, their keys are forgotten",
            can="cannot be undone; disable keeps everything in place",
            deed="Remove",
            names=names,
        )


def _fill(view: UsersView, pane: Pane, facts: UserFacts, context: Context) -> None:
    from console.app.screens.certificatecolumns import ends
    from console.app.screens.certificatecolumns import state_of as certificate_state
    from console.app.screens.devicefacts import changes
    from console.app.screens.devices import seen
    from console.app.screens.devices import state_of as device_state

    user, app = facts.user, view.console_app
    disabled = user.state is UserState.DISABLED
    glyph = (context.glyphs.disabled, "muted") if disabled else (context.glyphs.on, "ok")
    pane.head(glyph, user.name, user.state.value)
    lines = pane.tab("Facts").lines
    lines += [
        fact("Role", user.role.value),
        fact("E-mail", (user.email or "–", "text" if user.email else "muted")),
        *(
            fact("Groups" if at == 0 else "", (group, "accent"), link=app.way("Access", group))
            for at, group in enumerate(user.groups)
        ),
        *([] if user.groups else [fact("Groups", ("none from the provider", "muted"))]),
        fact("Added", day(user.created_at, context.now)),
    ]
    lines.append(gap())
    for at, key in enumerate(facts.keys):
        lines.append(fact("Keys" if at == 0 else "", key_type(key.key), (key.comment, "muted")))
        lines.append(fact("", (key.key.fingerprint, "muted"), middle=True))
    if not facts.keys:
        lines.append(fact("Keys", ("no key registered", "muted")))
    lines.append(gap())
    for at, device in enumerate(facts.devices[:20]):
        lines.append(
            fact(
                "Devices" if at == 0 else "",
                device_state(device, context),
                device.name,
                (seen(device, context).text, "muted"),
                link=app.way("Devices", device.name),
            )
        )
    if not facts.devices:
        lines.append(fact("Devices", ("none", "muted")))
    tab = pane.tab("Certificates", len(facts.certificates))
    for certificate in facts.certificates:
        spans = [
            certificate_state(certificate, context),
            (str(certificate.serial), "text"),
            (certificate.device or "–", "muted"),
        ]
        way = app.way("Certificates", str(certificate.serial))
        tab.lines.append(listed(spans, ends(certificate, context).text, link=way))
    changes(pane.tab("Changes"), facts.changes, context, app, whose=False)
