"""The page's look and behaviour: its theme, and the style sheet and scripts that lie in `browser/`."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_FOLDER = Path(__file__).with_name("browser")


def theme() -> gr.themes.Base:
    """Colours and fonts, to go with `css`. The system's own fonts: those that gradio brings lack bold letters."""
    fonts = ("ui-sans-serif", "system-ui", "sans-serif")
    return gr.themes.Default(primary_hue="teal", secondary_hue="teal", neutral_hue="slate", font=fonts)


def css() -> str:
    """The style sheet."""
    return _read("page.css")


def head() -> str:
    """What stands in the page's head: the script that all tabs share, and what it can draw."""
    return "".join(
        f"<script>{_read(f'{name}.js')}</script>" for name in ("page", "chart", "sketch", "rules", "recording")
    )


def script(name: str) -> str:
    """What one component of the page does in the browser: `gallery`, `runs`, `track`, ..."""
    return _read(f"{name}.js")


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
