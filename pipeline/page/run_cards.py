"""What the page shows of runs, as HTML: how far they are, what they found, and what can be done with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.page import words
from pipeline.page.parts import facts, joined, trouble
from pipeline.store.cameras import LIVE
from pipeline.store.liveness import ShownStatus, can_resume, shown_status
from pipeline.store.rows import RunDetail, RunModelRow, RunSourceRow
from pipeline.store.run_kinds import FOLLOW
from pipeline.store.states import RequestedState, SourceStatus

FORMATS = {"mot": "MOT", "coco": "COCO", "csv": "CSV", "parquet": "Parquet", "mots": "MOTS masks"}
ALIVE = (ShownStatus.PENDING, ShownStatus.RUNNING, ShownStatus.PAUSED)
RESUME = "resume"  # what can be wanted of a run beside RequestedState

_TASKS = {"detect": "Detector", "embed": "Embedder", "segment": "Segmenter"}
_FIRST_SOURCES = 6  # the others are folded away


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    processed: int  # frames
    expected: int | None  # frames, None where a source does not know how many it has
    seconds: float  # since it began, or that it took
    tracks: int

    @property
    def share(self) -> float | None:
        """0..1, None where it cannot be known."""
        return None if not self.expected else min(self.processed / self.expected, 1.0)

    @property
    def rate(self) -> float:
        """Frames/s."""
        return self.processed / self.seconds if self.seconds > 0 else 0.0


def run_list(runs: Iterable[RunDetail], now: int) -> Markup:
    """Cards of runs. `now`: microseconds UTC."""
    return Markup('<div class="sl-runs">{}</div>').format(joined(run_card(run, now) for run in runs))


def run_card(detail: RunDetail, now: int) -> Markup:
    """One run. Its buttons name it and say what is wanted (`data-run`, `data-wanted`)."""
    run, status, progress = detail.run, shown_status(detail.run, now), progress_of(detail, now)
    return Markup(
        '<article class="sl-run" data-card="{id}"><header>{pill}<b>{when}</b>'
        '<span class="sl-sub">{numbers}</span><span class="sl-push">{buttons}{open}</span></header>'
        "{bar}{trouble}{sources}<div class='sl-folds'>{export}{settings}</div></article>"
    ).format(
        id=run.public_id,
        pill=status_pill(status, live=run.kind == LIVE),
        when=words.clock(run.created_at),
        numbers=_of_service(detail, progress, status) if run.kind == LIVE else numbers(progress, status),
        buttons=control_buttons(detail, now),
        open=open_button(detail, progress),
        bar=Markup() if run.kind == LIVE else progress_bar(progress, status),
        trouble=trouble(run.error) + trouble(_interrupted(status, live=run.kind == LIVE)),
        sources=_sources(detail),
        export=_export(detail) if progress.tracks else Markup(),
        settings=_settings(detail),
    )


def progress_of(detail: RunDetail, now: int) -> Progress:
    """Sums over the sources of a run. `now`: microseconds UTC."""
    run, sources = detail.run, detail.sources
    limit, start = _setting(detail, "source", "max_frames"), _setting(detail, FOLLOW, "start_frame") or 0
    expected = [
        max(min(source.frames - start, limit) if limit else source.frames - start, source.processed)
        for source in sources
        if source.frames
    ]
    last = run.finished_at or (now if shown_status(run, now) in ALIVE else run.heartbeat_at) or now
    return Progress(
        processed=sum(source.processed for source in sources),
        expected=sum(expected) if sources and len(expected) == len(sources) else None,
        seconds=max(last - run.created_at, 0) / 1e6,
        tracks=sum(source.tracks for source in sources),
    )


def status_pill(status: ShownStatus, *, live: bool = False) -> Markup:
    """The state of a run as a coloured word. `live`: a service over cameras, which is `live` while it is at work."""
    word = "live" if live and status is ShownStatus.RUNNING else status.value
    return Markup('<span class="sl-state {0}">{0}</span>').format(word)


def numbers(progress: Progress, status: ShownStatus) -> str:
    """Frames, time and rate in one line."""
    took = words.duration(progress.seconds)
    return " · ".join(
        [
            f"{progress.processed:,} of {progress.expected:,} frames"
            if progress.expected
            else words.count(progress.processed, "frame"),
            f"{progress.rate:.1f} frames/s",
            f"for {took}" if status in ALIVE else f"took {took}",
        ]
    )


def progress_bar(progress: Progress, status: ShownStatus) -> Markup:
    """How far the run is; nothing once it is finished."""
    if status is ShownStatus.FINISHED:
        return Markup()
    if progress.share is None:
        return Markup('<progress class="sl-bar" aria-label="Progress"></progress>') if status in ALIVE else Markup()
    return Markup(
        '<progress class="sl-bar {}" aria-label="Progress" max="1" value="{:.4f}">{:.0f} %</progress>'
    ).format(status.value, progress.share, 100 * progress.share)


def control_buttons(detail: RunDetail, now: int) -> Markup:
    """What can be asked of a run now."""
    run, status = detail.run, shown_status(detail.run, now)
    if status is ShownStatus.RUNNING and run.requested_state is RequestedState.STOP:
        return Markup('<span class="sl-sub">stopping …</span>')
    wanted: list[tuple[str, str]] = []
    if run.kind == LIVE:  # its cameras are paused one by one, and a new service takes its place
        wanted += [(RequestedState.STOP, "Stop")] if status is ShownStatus.RUNNING else []
    elif status is ShownStatus.RUNNING:
        pausing = run.requested_state is RequestedState.PAUSE
        wanted.append((RequestedState.RUN, "Go on") if pausing else (RequestedState.PAUSE, "Pause"))
    if status is ShownStatus.PAUSED:
        wanted.append((RequestedState.RUN, "Go on"))
    if run.kind != LIVE and status in (ShownStatus.RUNNING, ShownStatus.PAUSED):
        wanted.append((RequestedState.STOP, "Stop"))
    if can_resume(run, now):
        wanted.append((RESUME, "Resume"))
    return joined(
        Markup('<button type="button" class="sl-button" data-run="{}" data-wanted="{}">{}</button>').format(
            run.public_id, what, said
        )
        for what, said in wanted
    )


def open_button(detail: RunDetail, progress: Progress) -> Markup:
    """What leads to the tracks of a run, if it has any."""
    if not progress.tracks:
        return Markup('<span class="sl-sub">no tracks</span>')
    return Markup('<button type="button" class="sl-button primary" data-run="{}">Show {}</button>').format(
        detail.run.public_id, words.count(progress.tracks, "track")
    )


def _of_service(detail: RunDetail, progress: Progress, status: ShownStatus) -> str:
    """Cameras, frames and for how long."""
    took = words.duration(progress.seconds)
    return " · ".join(
        [
            words.count(len(detail.sources), "camera"),
            words.count(progress.processed, "frame"),
            f"up for {took}" if status in ALIVE else f"was up for {took}",
        ]
    )


def _interrupted(status: ShownStatus, *, live: bool) -> str | None:
    if status is not ShownStatus.INTERRUPTED:
        return None
    if live:
        return "The process of this service is gone. What it stored is kept; `sightline watch` starts a new one."
    return "The process of this run is gone. What it stored is kept; Resume goes on from there."


def _sources(detail: RunDetail) -> Markup:
    first, others = detail.sources[:_FIRST_SOURCES], detail.sources[_FIRST_SOURCES:]
    more = Markup()
    if others:
        more = Markup('<details data-fold="{}-sources"><summary>{} more</summary>{}</details>').format(
            detail.run.public_id, words.count(len(others), "source"), _source_list(others)
        )
    return _source_list(first) + more


def _source_list(sources: Sequence[RunSourceRow]) -> Markup:
    return Markup("<ul>{}</ul>").format(joined(_source(source) for source in sources))


def _source(source: RunSourceRow) -> Markup:
    more = source.frames is not None and source.frames > source.processed
    said = [f"{source.processed:,} of {source.frames:,} frames" if more else words.count(source.processed, "frame")]
    said.append(words.count(source.tracks, "track"))
    if source.width and source.height:
        said.append(f"{source.width} x {source.height}")
    if source.fps:
        said.append(f"{source.fps:g} frames/s")
    if source.dropped:
        said.append(f"{source.dropped:,} dropped")
    if source.repaired:
        said.append(f"{source.repaired:,} times mended")
    if source.damaged:
        said.append(f"{source.damaged:,} damaged")
    state = Markup()
    if source.status is not SourceStatus.FINISHED:
        state = Markup('<span class="sl-state {0}">{0}</span>').format(source.status.value)
    return Markup('<li><b title="{}">{}</b>{}{}{}</li>').format(
        source.uri_redacted,
        source.name,
        state,
        joined(Markup("<span>{}</span>").format(one) for one in said),
        trouble(source.error),
    )


def _export(detail: RunDetail) -> Markup:
    def links(reviewed: int) -> Markup:
        return joined(
            Markup('<a class="sl-button" href="/runs/{}/export?format={}&amp;reviewed={}" download>{}</a>').format(
                detail.run.public_id, key, reviewed, name
            )
            for key, name in FORMATS.items()
        )

    return Markup(
        '<details class="sl-export" data-fold="{}-export"><summary>Export</summary>'
        "<p><span>Reviewed <small>merges, splits, labels and deletions applied</small></span>{}</p>"
        "<p><span>As tracked <small>what the machine wrote</small></span>{}</p></details>"
    ).format(detail.run.public_id, links(1), links(0))


def _settings(detail: RunDetail) -> Markup:
    run = detail.run
    return Markup('<details data-fold="{}-settings"><summary>Settings</summary>{}{}<pre>{}</pre></details>').format(
        run.public_id,
        facts([(_TASKS.get(model.task, model.task), _model(model)) for model in detail.models]),
        facts(
            [
                ("Run", run.public_id),
                ("Code", f"sightline {run.code_version}"),
                *([("Machine", f"{run.host}, process {run.pid}")] if run.host else []),
                *([("Tracks again", run.parent)] if run.parent else []),
            ]
        ),
        json.dumps(run.settings, indent=2, sort_keys=True, ensure_ascii=False),
    )


def _model(model: RunModelRow) -> str:
    length = f", {model.dimension} numbers a picture" if model.dimension else ""
    return f"{model.name} in {model.runtime}{length}"


def _setting(detail: RunDetail, section: str, name: str) -> int | None:
    """A number among the settings of a run."""
    values = detail.run.settings.get(section)
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, int) else None
