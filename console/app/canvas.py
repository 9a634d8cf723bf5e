"""Textual's screen, without what it does more than once before the first frame."""

from __future__ import annotations

from textual.screen import Screen


class Canvas(Screen[None]):
    """What all that is shown stands on. There is one a session, and its styles were applied as each widget came: no
    class, no focus and no theme of Textual's changes any of them."""

    def update_node_styles(self, animate: bool = True) -> None:
        """Asked for when the screen comes into sight, for all widgets anew."""

    def _compositor_refresh(self) -> None:
        """While the app keeps frames back it would be drawn for nothing."""
        if not self.app._batch_count:
            super()._compositor_refresh()

    def show(self) -> None:
        """Lays out and sends what there is, in this turn of the loop: Textual's own timer would wait up to 16 ms."""
        self._refresh_layout(self.app.size)
        self._layout_required = self._repaint_required = False
        self._dirty_widgets.clear()
