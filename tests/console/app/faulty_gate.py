"""`wardgate`, with a Devices screen that fails when asked to: run in place of the program by a test."""

from __future__ import annotations

from typing import Any

from textual import events

from console.__main__ import main
from console.app.row import Row
from console.app.screens.devices import DevicesView

SECRET = "s3cr3t-in-a-local"
"""What stands in a variable where the fault is, and must stand nowhere else."""
_draw, _key, _load = DevicesView.draw, DevicesView.key, DevicesView.load


def draw(self: DevicesView, width: int, height: int) -> list[Row]:
    fail_where(self.filter_text == "draw", SECRET)
    return _draw(self, width, height)


def key(self: DevicesView, event: events.Key) -> bool:
    fail_where(event.key == "exclamation_mark", SECRET)
    return _key(self, event)


async def load(self: DevicesView) -> None:
    fail_where(self.filter_text == "load", SECRET)
    await _load(self)


def fail_where(wanted: bool, secret: Any) -> None:
    if wanted:
        raise RuntimeError(f"a fault with {secret}")


if __name__ == "__main__":
    DevicesView.draw, DevicesView.key, DevicesView.load = draw, key, load  # type: ignore[method-assign]
    main()
