"""What is done on Access: setting a draft, or not; confirming, going back; asking why one reaches another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.app import linediff
from console.app.actions import Action
from console.app.form import Field, Form
from console.app.modes import Asked
from console.app.screens import accesstests
from console.app.times import plural

if TYPE_CHECKING:
    from console.app.screens.access import AccessView
    from model.records import PolicyVersion

CONFIRM = 60
"""Seconds that a version on trial has."""
_Spec = tuple[str, str, str, Callable[[], object]]


def editing(view: AccessView) -> list[Action]:
    editor = view.editor
    specs: tuple[_Spec, ...] = (
        ("ctrl+d", "diff", "what the draft changes", view.show_diff),
        ("f8", "next error", "to the place of the next error", editor.next_fault),
        ("f6", "fold", "what stands around the caret, or open it; F7 all sections", editor.fold),
        ("f7", "fold all", "every section, or open them", editor.fold_all),
        ("ctrl+space", "complete", "the word before the caret", lambda: None),
        ("ctrl+z", "undo", "and ctrl+y redoes", editor.buffer.undo),
    )
    set_ = "check, show what changes, then set it"
    return [
        Action(key="ctrl+s", label="apply", about=set_, run=lambda: apply(view), writes=True),
        *(Action(key=key, label=label, about=about, run=run, shown=key != "f7") for key, label, about, run in specs),
    ]


def reading(view: AccessView) -> list[Action]:
    from console.app.screens.accesslayout import HISTORY, POLICY, TESTS

    unconfirmed = view.console_app.unconfirmed is not None
    tab, drafted = view.tab, view.editor.changed
    waits: Callable[[], bool] = lambda: unconfirmed  # noqa: E731 - one of several of its kind
    return [
        Action(
            key="y", label="confirm", about="keep the version that waits; from a connection made after it",
            run=lambda: confirm(view), writes=True, when=waits, shown=view.backend.proves_a_way_in(),
        ),
        Action(
            key="u", label="roll back", about="to the version before", run=lambda: roll_back(view), writes=True,
            when=waits,
        ),
        Action(
            key="i", label="edit", about="the policy, as a draft of your own", run=view.edit, writes=True,
            when=lambda: tab != HISTORY,
        ),
        Action(
            key="enter", label="edit", about="the policy; on Tests at the line of the test", shown=False, writes=True,
            run=(lambda: accesstests.open_chosen(view)) if tab == TESTS else view.edit, when=lambda: tab != HISTORY,
        ),
        Action(
            key="b", label="bring back", about="the version under the cursor", run=lambda: bring_back(view),
            writes=True, when=lambda: tab == HISTORY,
        ),
        Action(
            key="ctrl+s", label="apply", about="set the draft", run=lambda: apply(view), writes=True,
            when=lambda: drafted,
        ),
        Action(
            key="right", cap="← →", label="policy, diff, tests, history", about="the other parts", run=lambda: None
        ),
        Action(
            key="f", label="fold", about="the sections, or open them", run=view.editor.fold_all, shown=False,
            when=lambda: tab == POLICY,
        ),
        Action(key="m", label="next source", about="who reaches what, row by row", run=view.next_source),
        Action(key="e", label="explain", about="why one reaches another, or does not", run=lambda: explain(view)),
        Action(
            key="w", label="narrow" if view.wide else "wide", about="the whole width for the text, or not",
            run=view.widen,
        ),
        Action(
            key="X", label="drop draft", about="and go back to what is in force", run=lambda: drop(view),
            when=lambda: drafted,
        ),
    ]  # fmt: skip


def apply(view: AccessView) -> None:
    if not view.editor.changed:
        view.console_app.say_refused("the draft is what is in force already")
        return
    view.console_app.start(_apply(view))


async def _apply(view: AccessView) -> None:
    view.against = None
    await view.check()
    if view.verdict.faults:
        fault = view.verdict.faults[0]
        where = f"line {fault.line}: " if fault.line else ""
        view.console_app.say_refused(f"{where}{fault.message}", fault.hint or "")
        return
    if view.overtaken is not None:
        tell_overtaken(view, view.overtaken)
        return
    view.show_diff()
    came, went = linediff.counts(view.compared)
    lost = len({who for who, _ in view.difference.losing})
    lose = f"{plural(lost, 'person loses', 'people lose')} something" if lost else "nobody loses anything"
    words = ["policy", "set", "-", "--if-version", str(view.based_on)]
    trial = [*words, "--confirm-within", f"{CONFIRM}s"]
    view.console_app.ask(
        Asked(
            title=f"Set this policy over version {view.based_on}?",
            follows=f"{plural(came, 'line')} more, {plural(went, 'line')} less; {lose}",
            command=" ".join(trial),
            undo=f"goes back by itself unless confirmed in {CONFIRM} s; J sets it just so",
            deed="Set",
            plane="warn",
            run=lambda: _set(view, trial),
            second="Just set",
            run_second=lambda: _set(view, words),
        )
    )


def _set(view: AccessView, words: Sequence[str]) -> None:
    text = view.editor.buffer.text

    def settled(_: object) -> None:
        view.editor.base = text
        view.based_on += 1
        view.keep()

    view.console_app.perform(
        words,
        "the policy is in force",
        stdin=text,
        then=settled,
        undo=["policy", "rollback"],
        undo_label="rolls back",
    )


def tell_overtaken(view: AccessView, newer: PolicyVersion) -> None:
    """What the other changed stands above the question, so that it can be decided."""
    view.against = newer
    view.show_diff()
    came, went = linediff.counts(view.compared)
    theirs = f"theirs has {plural(came, 'line')} more and {plural(went, 'line')} less than that"
    view.console_app.ask(
        Asked(
            title=f"Version {newer.number} by {newer.created_by} came first",
            follows=f"your draft is based on version {view.based_on}; {theirs}, as shown",
            command="policy show",
            undo="taking theirs drops your draft; K keeps yours, to be set over theirs",
            deed="Take theirs",
            plane="warn",
            run=lambda: view.take(newer),
            second="Keep yours",
            run_second=lambda: rebase(view, newer),
        )
    )


def rebase(view: AccessView, newer: PolicyVersion) -> None:
    """The draft counts as written over `newer`: its diff shows what of theirs it takes back."""
    view.against = None
    view.editor.base = newer.text
    view.based_on = newer.number
    view.keep()
    view.show_diff()


def drop(view: AccessView) -> None:
    current = view.policy.current
    if current is None:
        return
    view.console_app.ask(
        Asked(
            title="Drop the draft?",
            follows=f"what you typed is lost; version {current.number} stays in force",
            command="policy show",
            undo="cannot be undone",
            deed="Drop",
            plane="warn",
            run=lambda: view.take(current),
        )
    )


def confirm(view: AccessView) -> None:
    view.console_app.perform(["policy", "confirm"], "confirmed: the version stays")


def roll_back(view: AccessView) -> None:
    view.console_app.perform(["policy", "rollback"], "rolled back")


def bring_back(view: AccessView) -> None:
    history = view.policy.history
    if not 0 < view.at < len(history):
        view.console_app.say_refused("this is the version in force")
        return
    number = history[view.at].number
    words = ["policy", "rollback", str(number)]
    view.console_app.ask(
        Asked(
            title=f"Bring version {number} back?",
            follows="its text is set anew, as a version of its own",
            command=" ".join(words),
            undo="can be undone in the same way",
            deed="Bring back",
            plane="warn",
            run=lambda: view.console_app.perform(words, f"version {number} is in force again"),
        )
    )


def explain(view: AccessView) -> None:
    fields = [
        Field(label="From", hint="a device, a person, a tag", needed=True),
        Field(label="To", hint="db-1:5432", needed=True),
    ]

    def command(form: Form) -> list[str]:
        return ["policy", "explain", form.value("From"), form.value("To")]

    def submit(form: Form) -> None:
        words = command(form)
        app = view.console_app
        app.perform(words, "", then=lambda outcome: app.show_output(" ".join(words), outcome.output), form=form)

    view.console_app.mode = Form(
        view.console_app, "Explain why one reaches another", fields, command=command, submit=submit, verb="explain"
    )
