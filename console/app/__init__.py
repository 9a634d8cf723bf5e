"""The Textual console: one app a session, in the gate's own process, painted over a channel."""
