"""The form that starts following one target, as HTML; its script fills it and sends it to the HTTP API."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from pipeline.page.parts import joined

_ABOUT = {  # trackers that are not named here are offered without a word about them
    "mosse": "fastest; one size",
    "correlation": "sizes and looks may change",
    "siamese": "compares with the first look",
    "mdnet": "learns as it goes; slow",
    "flow": "the motion of points",
    "auto": "joins several of them",
}
_FIRST = "correlation"


def follow_form(trackers: Sequence[str]) -> Markup:
    """Video, picture, box and tracker."""
    return Markup(
        '<form class="sl-form sl-follow" autocomplete="off" novalidate>'
        '<div class="sl-pair"><label><span>Video</span><select name="source"></select></label>'
        "<label><span>or a path on the server</span>"
        '<input type="text" name="address" placeholder="/videos/gate.mp4" maxlength="1000"></label></div>'
        '<div data-f="found" hidden><div data-f="sketch"></div>'
        '<p class="sl-quiet" data-f="how" role="status"></p>'
        '<div class="sl-slide"><button type="button" class="sl-button" data-step="-1" aria-label="The picture before">'
        '&lsaquo;</button><input type="range" name="slide" min="0" max="0" step="1" value="0" aria-label="Picture">'
        '<button type="button" class="sl-button" data-step="1" aria-label="The next picture">&rsaquo;</button>'
        '<label><span>Picture</span><input type="number" name="frame" min="0" step="1" value="0"></label>'
        '<output data-f="time">0:00.00</output></div></div>'
        '<div class="sl-pair"><label><span>Tracker</span><select name="tracker">{options}</select></label>'
        '<label><span>What it is</span><input type="text" name="label" placeholder="target" maxlength="100">'
        "</label></div>"
        "<details><summary>More settings</summary>"
        '<label><span>Pictures at most</span><input type="number" name="frames" min="1" step="1" placeholder="all">'
        "</label><label><span>One a line, as for <code>sightline follow --set</code></span>"
        '<textarea name="settings" spellcheck="false" placeholder="target.profile=fast"></textarea></label></details>'
        '<p class="sl-said" data-f="said" role="status"></p>'
        '<button type="submit" class="sl-button primary">Follow</button></form>'
    ).format(options=joined(_option(name) for name in trackers))


def _option(name: str) -> Markup:
    about = f"{name}: {_ABOUT[name]}" if name in _ABOUT else name
    chosen = Markup(" selected") if name == _FIRST else Markup()
    return Markup('<option value="{}"{}>{}</option>').format(name, chosen, about)
