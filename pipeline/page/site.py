"""The whole page: its tabs, and how they lead to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline.page.analytics_tab import AnalyticsTab
from pipeline.page.cameras_tab import CamerasTab
from pipeline.page.edits import Edits
from pipeline.page.events import Updates, on, word
from pipeline.page.follow_tab import FollowTab
from pipeline.page.label_names import LabelNames
from pipeline.page.parts import banner, corner
from pipeline.page.process_form import ConfigChoice
from pipeline.page.process_tab import ProcessTab
from pipeline.page.runs_tab import RunsTab
from pipeline.page.runs_view import RunsView
from pipeline.page.search_tab import SearchTab
from pipeline.page.similar_view import Similarity, SimilarView
from pipeline.page.steering import RunSteering
from pipeline.page.track_tab import TrackTab
from pipeline.page.track_view import TrackView
from pipeline.page.tracks_tab import TracksTab
from pipeline.page.tracks_view import TracksView
from pipeline.store.database import Database

CAMERAS, ANALYTICS = "cameras", "analytics"  # the tabs, in their order
RUNS, TRACKS, TRACK, SEARCH, PROCESS = "runs", "tracks", "track", "search", "process"
FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class Behind:
    """What the page shows and works with."""

    database: Database
    media_folder: Path
    runs: RunSteering
    index: Similarity
    configs: Sequence[ConfigChoice]  # to choose from
    logged_in: bool = False  # whether there is a password, so that one can log out


class Site:
    """Eight tabs over one store."""

    def __init__(self, behind: Behind) -> None:
        names = LabelNames()
        edits = Edits(behind.database, names)
        runs_view = RunsView(behind.database, behind.media_folder)
        tracks_view, similar = TracksView(behind.database, names), SimilarView(behind.database, behind.index, names)
        with gr.Blocks(title="Sightline", fill_width=True, analytics_enabled=False) as self.blocks:
            with gr.Row(elem_classes="sl-head"):
                gr.HTML(str(banner(behind.database.name)), scale=1, apply_default_css=False)
                gr.HTML(str(corner(logged_in=behind.logged_in)), scale=0, min_width=90, apply_default_css=False)
                self.refresh = gr.Button("Refresh", size="sm", scale=0, min_width=100)
            with gr.Tabs(selected=RUNS) as self.tabs:
                with gr.Tab("Cameras", id=CAMERAS):
                    self.cameras = CamerasTab(behind.database.name)
                with gr.Tab("Analytics", id=ANALYTICS):
                    self.analytics = AnalyticsTab()
                with gr.Tab("Runs", id=RUNS):
                    self.runs = RunsTab(runs_view, behind.runs)
                with gr.Tab("Tracks", id=TRACKS):
                    self.tracks = TracksTab(tracks_view, edits)
                with gr.Tab("Track", id=TRACK):
                    self.track = TrackTab(TrackView(behind.database, names), similar, edits)
                with gr.Tab("Search", id=SEARCH):
                    self.search = SearchTab(similar, edits)
                with gr.Tab("Process", id=PROCESS):
                    self.process = ProcessTab(runs_view, behind.configs, self.runs.ask)
                with gr.Tab("Follow", id=FOLLOW):
                    self.follow = FollowTab(runs_view, self.runs.ask)
            for tab in (self.runs, self.tracks, self.track, self.search, self.process, self.follow):
                tab.wire()
            self._wire()
        self.blocks.queue(default_concurrency_limit=8)

    def _wire(self) -> None:
        runs, tracks, track, search = self.runs, self.tracks, self.track, self.search
        for event in (self.blocks.load, self.refresh.click):  # apart, so that no tab waits for what another shows
            shown = on(event, tracks.show, [tracks.pager.number, *tracks.filters], tracks.outputs)
            on(event, runs.show, [runs.pager.number], runs.outputs)
            on(event, track.show, [track.chosen], track.outputs)
            for run in (self.process.run, self.follow.run):
                on(event, run.show, [run.watched], run.outputs)
            chosen = [tracks.form.run, search.form.run]
            on(
                shown.then,
                self._choices,
                chosen,
                [*runs.choice_outputs, *tracks.choice_outputs, *search.choice_outputs],
            )
        on(runs.cards.open, self._open_run, [], [self.tabs, *tracks.filters, *tracks.outputs])
        on(self.process.run.live.open, self._open_run, [], [self.tabs, *tracks.filters, *tracks.outputs])
        on(self.cameras.cards.tracks, self._open_source, [], [self.tabs, *tracks.filters, *tracks.outputs])
        for cards in (tracks.cards, track.near, search.cards, self.analytics.panel, self.follow.run.live):
            on(cards.open, self._open_track, [], [self.tabs, *track.outputs])
        on(track.card.follow, self._show_follow, [], [self.tabs])
        on(track.card.similar, self._search, search.form.fields, [self.tabs, *search.outputs])

    def _choices(self, run: str, run_of_search: str) -> Updates:
        """What there is to choose from now."""
        found = self.tracks.found(run)
        offered = self.tracks.form.offered(found, run) | self.search.form.offered(found, run_of_search)
        return offered | self.runs.offered(found.runs)

    def _open_run(self, event: gr.EventData) -> Updates:
        run = word(event, "run")
        return {self.tabs: gr.Tabs(selected=TRACKS)} | self.tracks.of_run(run) if run else {self.tabs: gr.skip()}

    def _open_source(self, event: gr.EventData) -> Updates:
        source = word(event, "source")
        return (
            {self.tabs: gr.Tabs(selected=TRACKS)} | self.tracks.of_source(source) if source else {self.tabs: gr.skip()}
        )

    def _open_track(self, event: gr.EventData) -> Updates:
        chosen = word(event, "track")
        return {self.tabs: gr.Tabs(selected=TRACK)} | self.track.show(chosen) if chosen else {self.tabs: gr.skip()}

    def _show_follow(self) -> Updates:
        return {self.tabs: gr.Tabs(selected=FOLLOW)}

    def _search(self, event: gr.EventData, *values: Any) -> Updates:
        return {self.tabs: gr.Tabs(selected=SEARCH)} | self.search.by_track(word(event, "track"), *values)
