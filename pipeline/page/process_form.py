"""The form that starts a run, as HTML; its script sends it to the HTTP API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.page.parts import joined


@dataclass(frozen=True, slots=True)
class ConfigChoice:
    """A config that comes with Sightline."""

    name: str
    about: str  # a sentence


def process_form(configs: Sequence[ConfigChoice]) -> Markup:
    """Video, config and a few settings."""
    return Markup(
        '<form class="sl-form" autocomplete="off"><label class="sl-drop"><b>Drop a video here</b>'
        '<span>or click to choose one from this device</span><input type="file" accept="video/*"></label>'
        '<button type="button" class="sl-button sl-forget" hidden>Take another one</button>'
        '<progress class="sl-bar" aria-label="Upload" hidden></progress>'
        "<label><span>or a path on the server, or the address of a stream</span>"
        '<input type="text" name="address" placeholder="/videos/gate.mp4 or rtsp://10.0.0.4/stream" maxlength="4000">'
        "</label>"
        '<label><span>Config</span><select name="config">{options}</select><small class="sl-about">{about}</small>'
        '</label><div class="sl-pair"><label><span>Detector\'s weights</span><input type="text" name="detector"'
        ' placeholder="as the config says"></label><label><span>Embedder\'s weights</span>'
        '<input type="text" name="embedder" placeholder="as the config says"></label></div>'
        '<label><span>Frames at most</span><input type="number" name="frames" min="1" step="1" placeholder="all">'
        "</label><details><summary>More settings</summary><label><span>One a line, as for <code>--set</code></span>"
        '<textarea name="settings" spellcheck="false" placeholder="tracker.lost_seconds=4"></textarea></label>'
        '</details><p class="sl-said" role="status"></p>'
        '<button type="submit" class="sl-button primary">Start</button></form>'
    ).format(
        options=joined(
            Markup('<option value="{0}" data-about="{1}">{0}</option>').format(config.name, config.about)
            for config in configs
        ),
        about=configs[0].about if configs else "",
    )
