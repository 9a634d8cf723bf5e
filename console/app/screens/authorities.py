"""The authorities over the list of certificates: generations, and the rotation that is going on step by step."""

from __future__ import annotations

from console.app.backend import Authorities, Authority
from console.app.columns import Context
from console.app.inert import inert
from console.app.row import Row, fit, fit_middle
from console.app.times import age, count, day, moment
from model.records import CertificateKind, GenerationState

_STATES = {
    GenerationState.PENDING: ("waiting", "warn"),
    GenerationState.ACTIVE: ("on", "ok"),
    GenerationState.TRUSTED: ("trusted", "muted"),
    GenerationState.RETIRED: ("off", "muted"),
}


def pending(of: Authorities) -> Authority | None:
    return next((a for a in of.generations if a.generation.state is GenerationState.PENDING), None)


def retirable(of: Authorities) -> Authority | None:
    return next((a for a in of.generations if a.generation.state is GenerationState.TRUSTED), None)


def draw(of: Authorities, width: int, context: Context) -> list[Row]:
    """Nothing but the parts that there are, each followed by a blank row."""
    rows = [Row(width)]
    rows += _generations(of, width, context)
    rows.append(Row(width))
    moving = pending(of) or retirable(of)
    if moving is not None:
        rows += _rotation(of, moving, width, context)
        rows.append(Row(width))
    return rows


def _generations(of: Authorities, width: int, context: Context) -> list[Row]:
    wide, made = width >= 100, _made(width)
    title = Row(width)
    title.put(2, "Authorities", "bright", "b")
    heads = Row(width)
    heads.put(4, "Generation", "muted")
    heads.put(21, "State", "muted")
    heads.put(33, "Key", "muted")
    if made:
        heads.put(made, "Made", "muted")
    if wide:
        heads.right(width - 33, "Signed, valid", "muted")
        heads.right(width - 15, "Trusted by", "muted")
    most = max((a.of for a in of.generations), default=0)
    heads.right(width - 2, (f"of {count(most)}" if most else "") if wide else "Signed, valid", "muted")
    return [title, heads, *(_generation(a, width, context, wide) for a in of.generations)]


def _made(width: int) -> int:
    """Where the day stands on which a generation was made, between its key and what it signed; 0 without room."""
    return 58 if width >= 100 else 52 if width >= 80 else 0


def _generation(authority: Authority, width: int, context: Context, wide: bool) -> Row:
    generation, glyphs = authority.generation, context.glyphs
    row = Row(width)
    retired = generation.state is GenerationState.RETIRED
    quiet = "muted" if retired else "text"
    kind, _, number = generation.id.partition("-")
    row.put(4, f"{kind} {number}", quiet)
    name, role = _STATES[generation.state]
    end = row.put(21, getattr(glyphs, name), role)
    row.put(end + 1, generation.state.value, "warn" if role == "warn" else quiet)
    row.put(33, fit_middle(generation.key.fingerprint, 17), "muted" if retired else "text")
    if made := _made(width):
        row.put(made, day(generation.created_at, context.now), "muted")
    if not wide:
        row.right(width - 2, count(authority.signed), quiet)
        return row
    row.right(width - 33, count(authority.signed), quiet)
    row.right(width - 15, count(authority.trusted_by), quiet)
    if authority.of:
        share = glyphs.absent if retired else f"{100 * authority.trusted_by // authority.of} %"
        row.right(width - 2, share, "muted")
    return row


def _rotation(of: Authorities, moving: Authority, width: int, context: Context) -> list[Row]:
    generation, glyphs = moving.generation, context.glyphs
    spreading = generation.state is GenerationState.PENDING
    kind = "user" if generation.kind is CertificateKind.USER else "host"
    left = width if width < 110 else round(width * 0.62)
    rows = [Row(width) for _ in range(5)]
    end = rows[0].put(2, f"Rotation of the {kind} CA", "bright", "b")
    rows[0].put(end + 2, "step 2 of 4" if spreading else "step 4 of 4", "muted")
    old = next(
        (
            a.generation.id
            for a in of.generations
            if a.generation.kind is generation.kind and a.generation.state is GenerationState.ACTIVE
        ),
        "the old one",
    )
    trusted = moving if spreading else None
    steps = (
        (True, "Make a generation", moment(generation.created_at, context.now)),
        (not spreading, "Spread its trust", ""),
        (not spreading, "Promote", f"it signs then; {old if spreading else generation.id} stays trusted"),
        (False, f"Retire {old if spreading else generation.id}", _until(moving, context)),
    )
    at = 1 if spreading else 3
    for y, (done, label, note) in enumerate(steps):
        row, current = rows[y + 1], y == at
        if current:
            row.plane("warn", 1, left - 1)
        glyph, role = (glyphs.done, "ok") if done else (glyphs.waiting, "warn") if current else (glyphs.off, "muted")
        row.put(4, glyph, role)
        row.put(6, label, "bright" if current else "text" if done else "muted", "b" if current else "")
        row.put(27, fit(note, left - 30), "muted")
        if current and trusted is not None:
            _spread(row, trusted, left, context)
    if spreading and width >= 110:
        _behind(rows, of, left + 2, width, context)
    return rows


def _spread(row: Row, authority: Authority, left: int, context: Context) -> None:
    text = f" of {count(authority.of)} devices"
    start = row.right(left - 3, text, "text")
    start = row.right(start, count(authority.trusted_by), "bright", "b")
    size = max(4, start - 29)
    full = size * authority.trusted_by // max(1, authority.of)
    row.put(27, context.glyphs.bar * full, "warn")
    row.put(27 + full, context.glyphs.rest * (size - full), "line")


def _until(authority: Authority, context: Context) -> str:
    until = authority.generation.trusted_until
    return (
        f"when its last certificate ends, {moment(until, context.now)}" if until else "when its last certificate ends"
    )


def _behind(rows: list[Row], of: Authorities, x: int, width: int, context: Context) -> None:
    end = rows[0].put(x, "Still to trust it", "bright", "b")
    rows[0].put(end + 2, count(len(of.behind)), "muted")
    shown = of.behind if len(of.behind) <= 4 else of.behind[:3]
    for y, (name, why, since) in enumerate(shown):
        row = rows[y + 1]
        bad = why != "offline"
        row.put(x, context.glyphs.bad if bad else context.glyphs.off, "bad" if bad else "muted")
        row.put(x + 2, fit(inert(name), 12), "text")
        row.put(x + 15, fit(why, max(0, width - x - 26)), "bad" if bad else "muted")
        row.right(width - 2, age(since, context.now) if since else "never", "muted")
    if len(of.behind) > 4:
        rows[4].put(x, context.glyphs.off, "muted")
        rows[4].put(x + 2, f"{len(of.behind) - 3:,} more", "muted")
