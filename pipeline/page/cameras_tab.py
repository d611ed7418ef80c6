"""CamerasTab: how every camera of the service is doing, its newest picture, and what can be asked of it.

The script reads and steers through the HTTP API by itself, about once a second, as long as the tab is looked at.
"""

from __future__ import annotations

import gradio as gr

from pipeline.page import look
from pipeline.page.cameras_form import cameras_page


class CamerasTab:
    """Cards of cameras. Their buttons Events and Tracks become the events `events` and `tracks`, with the source."""

    def __init__(self, database: str) -> None:
        """`database`: its address without password."""
        self.cards = gr.HTML(str(cameras_page(database)), js_on_load=look.script("cameras"), apply_default_css=False)
