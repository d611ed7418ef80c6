"""The tab Analytics as HTML that its scripts fill: counts over time, zones and lines, recordings, newest events."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_RANGES = (("hour", "Hour"), ("day", "Day"), ("week", "Week"), ("all", "All"), ("custom", "From … to …"))
_BUCKETS = (
    *((0, "by itself"), (1, "second"), (10, "10 seconds"), (60, "minute"), (300, "5 minutes"), (900, "15 minutes")),
    *((1800, "half hour"), (3600, "hour"), (10800, "3 hours"), (86400, "day")),
)


def analytics_page() -> Markup:
    """The whole tab."""
    return Markup(
        '<section class="sl-analytics" aria-busy="true">{ask}'
        '<p class="sl-trouble" data-f="trouble" role="alert" hidden></p>'
        '<div class="sl-hint" data-f="none" hidden><h2>Nothing to count yet</h2><p>As soon as a camera or a video has '
        "been watched, zones and lines can be drawn here, and what happens at them is counted.</p></div>"
        '<div class="sl-found" data-f="found" hidden><div class="sl-totals" data-f="totals"></div>'
        '<section class="sl-panel"><header><h3>Over time</h3><span class="sl-choice" data-f="groups" role="group" '
        'aria-label="What is plotted"></span></header><div data-f="chart"></div>'
        '<p class="sl-quiet" data-f="quiet" hidden></p></section>'
        '{picture}{recording}<section class="sl-panel"><header><h3>Newest events</h3></header>'
        '<ol class="sl-events" data-f="events"></ol><p class="sl-quiet" data-f="no-events" hidden>None at this time.'
        '</p><button type="button" class="sl-button" data-do="more" hidden>Show more</button></section></div></section>'
    ).format(ask=_ask(), picture=_picture(), recording=_recording())


def _ask() -> Markup:
    return Markup(
        '<form class="sl-ask" autocomplete="off"><label><span>Camera or video</span><select name="source"></select>'
        '</label><label data-f="runs" hidden><span>Run</span><select name="run"></select></label>'
        '<div><span>Time</span><span class="sl-choice" role="group" aria-label="Time">{ranges}</span></div>'
        '<label><span>Counted by</span><select name="bucket">{buckets}</select></label>'
        '<div class="sl-custom" data-f="custom" hidden><label><span>From</span>'
        '<input type="datetime-local" step="1" name="from"></label><label><span>To</span>'
        '<input type="datetime-local" step="1" name="to"></label></div></form>'
    ).format(
        ranges=_buttons("range", _RANGES),
        buckets=Markup().join(Markup('<option value="{}">{}</option>').format(*one) for one in _BUCKETS),
    )


def _buttons(name: str, choices: Sequence[tuple[str, str]]) -> Markup:
    return Markup().join(
        Markup('<button type="button" data-{}="{}" aria-pressed="false">{}</button>').format(name, value, said)
        for value, said in choices
    )


def _picture() -> Markup:
    return Markup(
        '<section class="sl-panel sl-place"><header><h3>Zones and lines</h3><label class="sl-check">'
        '<input type="checkbox" name="heat"> heat map</label></header><div class="sl-halves2"><div>'
        '<div data-f="sketch"></div><p class="sl-quiet" data-f="how" role="status"></p></div><div>'
        '<div class="sl-drawing" data-f="start"><button type="button" class="sl-button" data-do="zone">Draw a zone'
        '</button><button type="button" class="sl-button" data-do="line">Draw a line</button>'
        '<button type="button" class="sl-button" data-do="look">New picture</button></div>{form}'
        '<ul class="sl-rules" data-f="rules"></ul></div></div></section>'
    ).format(form=_rule_form())


def _rule_form() -> Markup:
    def number(name: str, said: str, unit: str) -> Markup:
        return Markup(
            '<label class="zone"><span>{}</span><input type="number" name="{}" min="0" step="any" placeholder="{}">'
            "</label>"
        ).format(said, name, unit)

    return Markup(
        '<form class="sl-form sl-rule" data-f="rule" autocomplete="off" novalidate hidden>'
        '<label><span>Name</span><input type="text" name="name" maxlength="100" required></label>'
        '<div class="sl-pair"><label><span>Only these classes</span><input type="text" name="classes" '
        'placeholder="all" list="sl-classes"></label><label><span>Somebody stands</span><select name="anchor">'
        '<option value="bottom">at the box\'s foot</option><option value="centre">at its centre</option></select>'
        '</label></div><datalist id="sl-classes"></datalist>'
        '<div class="sl-pair line"><label><span>Along the arrow is called</span>'
        '<input type="text" name="first" maxlength="40" value="in"></label><label><span>and back</span>'
        '<input type="text" name="second" maxlength="40" value="out"></label></div>'
        '<div class="sl-pair zone">{dwell}{loiter}</div><div class="sl-pair zone">{above}{speed}</div>'
        '<p class="sl-said" role="status"></p><div class="sl-drawing">'
        '<button type="submit" class="sl-button primary">Save</button>'
        '<button type="button" class="sl-button line" data-do="turn">Turn the arrow</button>'
        '<button type="button" class="sl-button" data-do="cancel">Cancel</button></div></form>'
    ).format(
        dwell=number("dwell_seconds", "Tell of staying longer than", "seconds"),
        loiter=number("loiter_seconds", "Tell of standing about for", "seconds"),
        above=number("count_above", "Tell of more inside than", "how many"),
        speed=number("speed_above", "Tell of faster than", "metres a second"),
    )


def _recording() -> Markup:
    return Markup(
        '<section class="sl-panel sl-recording" data-f="recording" hidden><header><h3>Recording</h3>'
        '<span class="sl-day"><button type="button" class="sl-button" data-day="-1" aria-label="The day before">'
        '&lsaquo;</button><input type="date" aria-label="Day"><button type="button" class="sl-button" data-day="1" '
        'aria-label="The day after">&rsaquo;</button></span></header>'
        '<div class="sl-track-of-day" tabindex="0" role="slider" aria-label="Time of day" aria-valuemin="0" '
        'aria-valuemax="86400"></div><p class="sl-quiet" data-f="said" role="status"></p>'
        '<div class="sl-player" hidden><video controls muted playsinline preload="metadata"></video>'
        '<p><span data-f="what"></span><span class="sl-push"><button type="button" class="sl-button" data-keep>Keep'
        '</button><a class="sl-button" download>Download</a></span></p></div></section>'
    )
