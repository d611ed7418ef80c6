"""Small pieces of HTML that several tabs use. Markup's format and join escape whatever is not Markup itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from markupsafe import Markup

from pipeline.store.rows import MediaRow

HINT = Markup('<section class="sl-hint"><h2>{}</h2><p>{}</p></section>')


def banner(database: str) -> Markup:
    """The head of the page. `database`: its address without password, a path in quotes."""
    return Markup(
        '<header class="sl-banner"><span class="sl-mark">Sightline</span><span class="sl-sub">{}</span></header>'
    ).format(database.strip("'"))


def empty_store(database: str) -> Markup:
    """What to do where there is no run yet."""
    return Markup(
        '<section class="sl-hint"><h2>Nothing here yet</h2>'
        "<p>No run has been stored in <code>{0}</code>. Choose a video under <b>Process</b>, or track it from the "
        "command line:</p><pre>sightline run VIDEO --database {0}</pre>"
        "<p>Tracks appear while the run goes on.</p></section>"
    ).format(database)


def hint(title: str, advice: str | Markup) -> Markup:
    """A place where something will be, and how to get it there."""
    return HINT.format(title, advice)


def trouble(message: str | None) -> Markup:
    """What went wrong, if anything did."""
    return Markup() if message is None else Markup('<p class="sl-trouble">{}</p>').format(message)


def facts(rows: Sequence[tuple[str, object]]) -> Markup:
    """Names and values below each other."""
    if not rows:
        return Markup()
    return Markup("<dl>{}</dl>").format(
        joined(Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in rows)
    )


def joined(pieces: Iterable[Markup]) -> Markup:
    """Pieces one after the other."""
    return Markup().join(pieces)


def media_address(public_id: UUID) -> str:
    """Where the server gives a stored picture."""
    return f"/media/{public_id}"


def picture(crop: MediaRow | None, name: str) -> Markup:
    """The best crop of a track; the browser asks for it when it comes into view."""
    if crop is None:
        return Markup('<span class="sl-none">no picture</span>')
    return image(media_address(crop.public_id), name)


def image(address: str, name: str) -> Markup:
    """A picture of the server's, asked for when it comes into view. Its frame says so where it cannot be had."""
    return Markup('<img src="{}" alt="{}" loading="lazy"><span class="sl-none">no picture</span>').format(address, name)


def button(words: str, *, op: str, key: str = "", kind: str = "", least: int = 1, title: str = "") -> Markup:
    """A button that the tab's script turns into an event. `least`: how many tracks must be chosen for it."""
    return Markup(
        '<button type="button" class="sl-button {kind}" data-op="{op}" data-key="{key}" data-least="{least}"'
        ' title="{title}">{words}{shown}</button>'
    ).format(
        kind=kind,
        op=op,
        key=key,
        least=least,
        title=title,
        words=words,
        shown=Markup("<kbd>{}</kbd>").format("Del" if key == "Delete" else key)
        if len(key) == 1 or key == "Delete"
        else "",
    )


def corner(*, logged_in: bool) -> Markup:
    """What stands at the end of the head: the keys, and the way out where there is a password."""
    out = Markup('<form method="post" action="/logout"><button class="sl-button">Log out</button></form>')
    return Markup(
        '<div class="sl-corner"><button type="button" class="sl-button" onclick="sightline.help()"'
        ' title="Keyboard shortcuts"><kbd>?</kbd> Keys</button>{}</div>'
    ).format(out if logged_in else Markup())
