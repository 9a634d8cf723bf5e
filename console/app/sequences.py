"""What a terminal is told when a console begins on it and when it ends."""

START = (
    "\x1b[?1049h\x1b[?25l\x1b[?7l"  # alternate screen, no cursor, no line wrap
    "\x1b[?1000h\x1b[?1002h\x1b[?1006h"  # mouse: presses, drags and the wheel, in the extended form
    "\x1b[?1004h\x1b[?2004h"  # focus reports, bracketed paste
    "\x1b[>1u"  # keys apart from escape sequences (kitty's protocol, ignored elsewhere)
)
STOP = "\x1b[<u\x1b[?2004l\x1b[?1004l\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?7h\x1b[?1049l\x1b[?25h\x1b[0m"
