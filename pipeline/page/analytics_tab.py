"""AnalyticsTab: what happened at the zones and lines of a camera or video, by time; drawing them; its recordings.

The scripts read and write through the HTTP API by themselves, as long as the tab is looked at.
"""

from __future__ import annotations

import gradio as gr

from pipeline.page import look
from pipeline.page.analytics_form import analytics_page


class AnalyticsTab:
    """Counts, zones and lines, recordings, events. Whom an event shows becomes the event `open`, with the track."""

    def __init__(self) -> None:
        self.panel = gr.HTML(str(analytics_page()), js_on_load=look.script("analytics"), apply_default_css=False)
