"""The tab Cameras as HTML that its script fills: the service, a card a camera, and the form that adds one."""

from __future__ import annotations

from markupsafe import Markup

_NUMBERS = (  # what the script finds them by, how they are called, what they mean
    ("fps", "frames/s", "Frames processed a second"),
    ("latency", "latency", "From the moment a frame was taken to its tracks; 95 of 100 frames are faster"),
    ("tracks", "tracks", "Confirmed tracks in the picture now"),
    ("dropped", "dropped", "Frames that were read but not processed, because fresher ones were there"),
    ("outages", "outages", "How often the stream was lost"),
)


def cameras_page(database: str) -> Markup:
    """The whole tab. `database`: its address without password, a path in quotes."""
    return Markup(
        '<section class="sl-cameras" aria-busy="true">'
        '<header class="sl-service" hidden><span class="sl-state" data-f="service"></span>'
        '<span class="sl-sub" data-f="about"></span><span class="sl-push">'
        '<button type="button" class="sl-button primary" data-do="add">Add camera</button>'
        '<button type="button" class="sl-button danger" data-do="stop">Stop the service</button></span></header>'
        '<p class="sl-trouble" data-f="trouble" role="alert" hidden></p>'
        '<div class="sl-hint" data-f="restart" hidden><h2>The service is not running</h2>'
        '<p data-f="last"></p>{start}</div>'
        '<div class="sl-hint" data-f="none" hidden><h2>No cameras yet</h2>'
        "<p>A service watches cameras, tracks what they show and comes back after every outage. Write a file and start "
        "it; its cameras appear here.</p>{example}{start}</div>"
        '<div class="sl-hint" data-f="empty" hidden><h2>This service has no camera</h2>'
        "<p>Add one: it is taken up within a second.</p></div>"
        '<div class="sl-cams"></div>{card}{form}</section>'
    ).format(
        start=Markup("<pre>sightline watch cameras.yaml --database {}</pre>").format(database),
        example=Markup(
            "<pre># cameras.yaml\ndetector:\n  weights: bundled:person-vehicle-bicycle   # or a file\n"
            "cameras:\n  gate:\n"
            "    url: rtsp://10.0.0.4/stream1\n    secret: gate   # SIGHTLINE_SECRET_GATE=user:password</pre>"
        ),
        card=_card(),
        form=_form(),
    )


def _card() -> Markup:
    numbers = Markup().join(
        Markup('<div title="{2}"><dt>{1}</dt><dd data-f="{0}">&ndash;</dd></div>').format(*one) for one in _NUMBERS
    )
    return Markup(
        '<template><article class="sl-cam"><button type="button" class="sl-view" data-do="large" '
        'title="Show it large"><img alt="" hidden><span class="sl-none">no picture yet</span>'
        '<span class="sl-rec" data-f="recording" hidden></span></button><div class="sl-cam-body"><header>'
        '<b data-f="name"></b><span class="sl-state" data-f="state"></span></header>'
        '<p class="sl-sub" data-f="since"></p><dl class="sl-numbers">{}</dl>'
        '<p class="sl-cam-said" data-f="said"></p><footer>'
        '<button type="button" class="sl-button" data-do="pause">Pause</button>'
        '<button type="button" class="sl-button" data-do="resume">Resume</button>'
        '<button type="button" class="sl-button" data-do="events">Events</button>'
        '<button type="button" class="sl-button" data-do="tracks">Tracks</button>'
        '<button type="button" class="sl-button danger" data-do="remove">Remove</button>'
        "</footer></div></article></template>"
    ).format(numbers)


def _form() -> Markup:
    return Markup(
        '<dialog class="sl-dialog sl-adding"><form class="sl-form" autocomplete="off" novalidate><h2>Add a camera</h2>'
        '<label><span>Name</span><input type="text" name="name" maxlength="64" placeholder="gate" required></label>'
        '<label><span>Address, without user and password</span><input type="text" name="url" maxlength="1000" '
        'placeholder="rtsp://10.0.0.4/stream1" inputmode="url" spellcheck="false" required></label>'
        '<label><span>Secret</span><input type="text" name="secret" maxlength="64" placeholder="none">'
        "<small>Name of a secret that the service knows, from <code>SIGHTLINE_SECRET_NAME=user:password</code> or its "
        "secrets file. Passwords are never typed here.</small></label>"
        '<div class="sl-pair"><label><span>Frames</span><select name="policy">'
        '<option value="live">the freshest (live)</option><option value="batch">every one, in order (batch)</option>'
        '</select></label><label><span>Recording</span><select name="record">'
        '<option value="">as the service says</option><option value="off">off</option>'
        '<option value="events">around events</option><option value="always">always</option></select></label></div>'
        '<p class="sl-said" role="status"></p><menu><button type="button" class="sl-button" data-do="cancel">Cancel'
        '</button><button type="submit" class="sl-button primary">Add</button></menu></form></dialog>'
    )
