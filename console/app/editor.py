"""The policy's editor: a buffer with keys, and folds."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable

from textual import events

from console.app import folding
from console.app.editordrawing import MEANT, EditorDrawing
from console.app.inert import inert

_WORDS = (
    "groups",
    "tagOwners",
    "acls",
    "grants",
    "ssh",
    "hosts",
    "autoApprovers",
    "tests",
    "sshTests",
    "nodeAttrs",
    "postures",
    "ipsets",
    "action",
    "accept",
    "src",
    "dst",
    "users",
    "check",
    "checkPeriod",
    "proto",
    "deny",
    "autogroup:member",
    "autogroup:self",
    "autogroup:internet",
    "autogroup:nonroot",
    "autogroup:tagged",
    "autogroup:admin",
    "autogroup:owner",
)


class Editor(EditorDrawing):
    # Folds

    def fold(self) -> None:
        """What begins on the caret's line, or stands around it; again opens it."""
        line, ends = self.buffer.line, self.ends()
        if line in self.folded:
            self.folded.discard(line)
            return
        around = [start for start, end in ends.items() if start <= line <= end and start]
        if around:
            self.folded.add(max(around))
            self.buffer.to(max(around), 0)

    def fold_all(self) -> None:
        """Every section, or none where some are folded."""
        if self.folded:
            self.folded.clear()
            return
        self.ends()
        self.folded = set(folding.sections(self._colours.depths()))
        self._reveal(back=True)

    def scroll(self, step: int) -> None:
        """Without a caret in sight."""
        shown = self.visible()
        at = bisect.bisect_right(shown, self.top) - 1
        self.top = shown[max(0, min(at + step, len(shown) - 1))]
        self.buffer.to(self.top, 0)

    def show(self, line: int) -> None:
        """Puts the caret there, in sight."""
        self.buffer.to(line, 0)
        self.buffer.home()
        self._reveal()

    def _reveal(self, *, down: bool = False, back: bool = False) -> None:
        """The caret is never inside of a fold: it goes past it, or the fold opens."""
        line = self.buffer.line
        for start in sorted(self.folded):
            end = self.ends().get(start, start)
            if start < line <= end:
                if down:
                    past = end + 1 if end + 1 < len(self.buffer.lines) else start  # the last line may be in the fold
                    self.buffer.to(past, self.buffer.column)
                elif back:
                    self.buffer.to(start, self.buffer.column)
                else:
                    self.folded.discard(start)
                    continue
                return

    # Keys

    def key(self, event: events.Key) -> bool:
        line, lines = self.buffer.line, len(self.buffer.lines)
        done = self._key(event)
        if more := len(self.buffer.lines) - lines:
            self.folded = folding.moved(self.folded, min(line, self.buffer.line), more)
        self._reveal(down=event.key in {"down", "pagedown"}, back=event.key in {"up", "pageup"})
        return done

    def _key(self, event: events.Key) -> bool:
        offering = event.key in {"ctrl+@", "ctrl+space"}
        if not offering:
            self._offers = []
        deed = self._deeds().get(event.key)
        if deed is not None:
            deed()
        elif event.character and event.character.isprintable() and not event.key.startswith(("ctrl+", "alt+")):
            self.buffer.insert(inert(event.character))
        else:
            return False
        return True

    def _deeds(self) -> dict[str, Callable[[], object]]:
        buffer, page = self.buffer, max(1, self._room - 2)
        return {
            "up": lambda: buffer.move(lines=-1),
            "down": lambda: buffer.move(lines=1),
            "left": lambda: buffer.move(columns=-1),
            "right": lambda: buffer.move(columns=1),
            "ctrl+left": lambda: buffer.word(-1),
            "ctrl+right": lambda: buffer.word(1),
            "pageup": lambda: buffer.move(lines=-page),
            "pagedown": lambda: buffer.move(lines=page),
            "home": buffer.home,
            "end": lambda: buffer.to(buffer.line, len(buffer.lines[buffer.line])),
            "ctrl+home": lambda: buffer.to(0, 0),
            "ctrl+end": lambda: buffer.to(len(buffer.lines), 0),
            "ctrl+a": buffer.home,
            "ctrl+e": lambda: buffer.to(buffer.line, len(buffer.lines[buffer.line])),
            "enter": buffer.newline,
            "backspace": buffer.backspace,
            "ctrl+h": buffer.backspace,
            "delete": buffer.delete,
            "tab": lambda: buffer.insert("  "),
            "ctrl+k": self._kill,
            "ctrl+u": self._put_back,
            "ctrl+z": buffer.undo,
            "ctrl+y": buffer.redo,
            "ctrl+@": self._offer,
            "ctrl+space": self._offer,
            "f8": self.next_fault,
            "f2": self.take_hint,
            "f6": self.fold,
            "f7": self.fold_all,
        }

    def paste(self, text: str) -> None:
        line, before = self.buffer.line, len(self.buffer.lines)
        lines = [inert(line) for line in text.expandtabs(2).replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        self.buffer.insert("\n".join(lines), "paste")
        self.folded = folding.moved(self.folded, line, len(self.buffer.lines) - before)

    def _kill(self) -> None:
        self._cut = self.buffer.kill_line()

    def _put_back(self) -> None:
        if self._cut:
            self.buffer.to(self.buffer.line, 0)
            self.buffer.insert(self._cut + "\n", "paste")

    def _offer(self) -> None:
        """Completes the word before the caret; again takes the next that fits."""
        line = self.buffer.lines[self.buffer.line]
        found = re.search(r"[\w:@.-]*\Z", line[: self.buffer.column])
        stem = found[0] if found else ""
        if not self._offers:
            words = {*_WORDS, *re.findall(r'"([^"\s]{3,60})"', self.buffer.text)}
            self._offers = sorted(word for word in words if word.startswith(stem) and word != stem)
        if self._offers:
            word = self._offers.pop(0)
            kept, self._offers = self._offers, []
            self.buffer.replace(self.buffer.line, self.buffer.column - len(stem), self.buffer.column, word)
            self._offers = kept

    def next_fault(self) -> None:
        places = sorted((fault.line - 1, (fault.column or 1) - 1) for fault in self.faults if fault.line)
        here = (self.buffer.line, self.buffer.column)
        if places:
            self.buffer.to(*next((place for place in places if place > here), places[0]))
            self._reveal()

    def take_hint(self) -> None:
        """Puts what was meant in the place of what was written."""
        for fault in self.faults:
            meant = MEANT.search(fault.hint or "")
            if meant and fault.line:
                start, end = self._span(fault)
                self.buffer.replace(fault.line - 1, start, end, meant[1])
                return
