"""From a key to what it does: the mode that holds the keys, the screen, or an action, at once and in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from textual import events

from console.app import frame
from console.app.actions import Action, keycap
from console.app.desk import Desk
from console.app.keymap import EVERYWHERE, Keymap
from console.app.keysmode import KeysMode

HELD_KEYS = 256
KEYS_A_STEP = 16
"""Keys acted on before others on the same loop have their turn."""


class Keyboard(Desk):
    """Textual's focus and bindings are not used."""

    keymap: Keymap
    _held: deque[events.Key | events.Paste]
    """Typed before the screen was ready."""
    _keys: int

    def soon(self) -> None:
        raise NotImplementedError

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self.route(event)
            self._keys += 1
            if self._keys % KEYS_A_STEP == 0:
                await asyncio.sleep(0)
        else:
            if isinstance(event, events.Resize):
                self.backend.resized(event.size.width, event.size.height)
            await super().on_event(event)

    def route(self, event: events.Key | events.Paste) -> None:
        if isinstance(event, events.Key) and event.key == "ctrl+q":
            self.exit(return_code=0)
            return
        if self._held or not (self.view.ready or self.mode):
            self._held.append(event)
        else:
            self._dispatch_input(event)
        self.soon()

    def let_waiting_keys_go(self) -> None:
        while self._held and (self.view.ready or self.mode):
            self._dispatch_input(self._held.popleft())

    def _dispatch_input(self, event: events.Key | events.Paste) -> None:
        if self.toast and not self.toast.good:
            self.toast = None
        if isinstance(event, events.Paste):
            (self.mode or self.view).paste(event.text)
        elif self.mode is not None:
            self.mode.key(events.Key("escape", None) if event.key == "ctrl+c" else event)
        elif (meant := self._meant(event)) is not None and not self.view.key(meant):
            self._act(meant)

    def _meant(self, event: events.Key) -> events.Key | None:
        """The key as the screen knows it, where the person moved keys."""
        if not self.keymap.moved:
            return event
        key = self.keymap.pressed(self.view.title, event.key, self._has, typing=self.view.typing)
        return None if key is None else event if key == event.key else events.Key(key, None)

    def _has(self, key: str) -> bool:
        return any(action.key == key and action.possible for action in self.view.actions())

    def has_alt(self, key: str) -> bool:
        """Whether a key with Alt is meant: the person has it for something, or is choosing one."""
        chosen = any(key in pairs.values() for pairs in self.keymap.moved.values())
        return chosen or (isinstance(self.mode, KeysMode) and self.mode.waits)

    def _act(self, event: events.Key) -> None:
        for action in [*self.view.actions(), *self.global_actions()]:
            if action.key == event.key and action.possible:
                if action.writes and self.backend.me().reads_only:
                    self.say_refused("an auditor reads, and changes nothing")
                else:
                    action.run()
                return

    def hints(self) -> tuple[list[tuple[str, str, Any]], list[tuple[str, str, Any]]]:
        if self.mode is not None:
            return frame.of_hints(self.mode.hints), frame.of_hints(self.mode.right_hints)
        right = frame.of_hints(self.view.right_hints) or frame.of_actions(self.view_globals())
        return frame.of_actions(self.allowed(self.actions_here())), right

    def view_globals(self) -> list[Action]:
        return [action for action in self.actions_everywhere() if action.shown]

    def allowed(self, actions: Sequence[Action]) -> list[Action]:
        """Those that are offered to the person."""
        reads_only = self.backend.me().reads_only
        return [action for action in actions if not (action.writes and reads_only)]

    def actions_here(self) -> list[Action]:
        """Of the screen, under the keys that the person has for them."""
        return self.keymap.shown(self.view.title, self.view.actions())

    def cap(self, key: str, scope: str = EVERYWHERE) -> str:
        """How the key is called that does here what `key` was made for."""
        return keycap(self.keymap.moved.get(scope, {}).get(key, key))

    def actions_everywhere(self) -> list[Action]:
        return self.keymap.shown(EVERYWHERE, self.global_actions())

    def global_actions(self) -> list[Action]:
        from console.app.everywhere import actions

        return actions(self._whole)
