"""What the page shows of runs and tracks, as HTML. Markup's format and join escape whatever is not Markup itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.page import charts, words
from pipeline.store.rows import (
    EmbeddingTable,
    MemberRow,
    ObjectRow,
    ObservationTable,
    RunDetail,
    RunModelRow,
    RunSourceRow,
)
from pipeline.store.states import EmbeddingKind, RunStatus, SourceStatus

QUIET = 120.0  # seconds without a sign of life after which a run that says `running` is doubted

_TASKS = {"detect": "Detector", "embed": "Embedder", "segment": "Segmenter"}


@dataclass(frozen=True, slots=True)
class TrackView:
    """All that is shown of one object."""

    row: ObjectRow
    picture: str | None  # data URI of the best crop
    members: Sequence[MemberRow]
    observations: ObservationTable
    sources: Sequence[RunSourceRow]  # where it was seen
    embeddings: Sequence[tuple[RunModelRow, EmbeddingTable]]


def banner(database: str) -> Markup:
    """The head of the page. `database`: its address without password, a path in quotes."""
    return Markup(
        '<header class="sl-banner"><span class="sl-mark">Sightline</span><span class="sl-sub">{}</span></header>'
    ).format(database.strip("'"))


def empty_store(database: str) -> Markup:
    """What to do where there is no run yet."""
    return Markup(
        '<section class="sl-hint"><h2>Nothing here yet</h2>'
        "<p>No run has been stored in <code>{0}</code>. Track the objects of a video into it:</p>"
        "<pre>sightline run VIDEO --database {0}</pre>"
        "<p>Then press <b>Refresh</b>; tracks appear while the run goes on.</p></section>"
    ).format(database)


def hint(title: str, advice: str) -> Markup:
    """A place where something will be, and how to get it there."""
    return Markup('<section class="sl-hint"><h2>{}</h2><p>{}</p></section>').format(title, advice)


def run_list(runs: Iterable[RunDetail], now: int) -> Markup:
    """Cards of runs. `now`: microseconds UTC."""
    return Markup('<div class="sl-runs">{}</div>').format(Markup().join(_run(run, now) for run in runs))


def gallery(tracks: Iterable[tuple[ObjectRow, str | None]]) -> Markup:
    """Cards of tracks, each with the data URI of its picture; a click on one names its id (`data-track`)."""
    return Markup('<div class="sl-gallery">{}</div>').format(
        Markup().join(_card(row, picture) for row, picture in tracks)
    )


def track(view: TrackView) -> Markup:
    """One track on a page of its own."""
    row, table = view.row, view.observations
    return Markup(
        '<article class="sl-track"><div class="sl-top"><figure class="sl-picture">{picture}</figure>'
        '<div class="sl-facts"><h2>{name}</h2>{facts}</div></div>'
        '<div class="sl-charts">{paths}<figure><figcaption><b>Score</b> {shaded}</figcaption>{score}</figure></div>'
        "</article>"
    ).format(
        picture=_picture(view.picture, row.name),
        name=row.name,
        facts=_facts(_track_facts(view)),
        paths=Markup().join(_paths(view)),
        score=charts.score_chart(table),
        shaded="of each detection over time; shaded where it was not detected",
    )


def _run(detail: RunDetail, now: int) -> Markup:
    run = detail.run
    tracks = sum(source.tracks for source in detail.sources)
    return Markup(
        '<article class="sl-run"><header><span class="sl-state {status}">{status}</span><b>{when}</b>'
        '<span class="sl-sub">{took}</span><span class="sl-push">{open}</span></header>{trouble}'
        "<ul>{sources}</ul>{models}<details><summary>Settings</summary>{facts}<pre>{settings}</pre></details></article>"
    ).format(
        status=run.status.value,
        when=words.clock(run.created_at),
        took=_took(detail, now),
        open=Markup('<button type="button" data-run="{}">Show {}</button>').format(
            run.public_id, words.count(tracks, "track")
        )
        if tracks
        else "no tracks",
        trouble=_trouble(run.error) + _trouble(_silence(detail, now)),
        sources=Markup().join(_source(source) for source in detail.sources),
        models=_facts([(_TASKS.get(model.task, model.task), _model(model)) for model in detail.models]),
        facts=_facts(
            [
                ("Run", run.public_id),
                ("Code", f"sightline {run.code_version}"),
                *([("Machine", f"{run.host}, process {run.pid}")] if run.host else []),
                *([("Tracks again", run.parent)] if run.parent else []),
            ]
        ),
        settings=json.dumps(run.settings, indent=2, sort_keys=True, ensure_ascii=False),
    )


def _took(detail: RunDetail, now: int) -> str:
    run = detail.run
    if run.finished_at is not None:
        return f"took {words.duration((run.finished_at - run.created_at) / 1e6)}"
    return f"started {words.duration((now - run.created_at) / 1e6)} ago"


def _silence(detail: RunDetail, now: int) -> str | None:
    run = detail.run
    if run.status is not RunStatus.RUNNING or run.heartbeat_at is None:
        return None
    quiet = (now - run.heartbeat_at) / 1e6
    if quiet < QUIET:
        return None
    return f"No sign of life for {words.duration(quiet)}: the process may have been interrupted."


def _source(source: RunSourceRow) -> Markup:
    facts = [f"{source.processed:,} of {source.frames:,} frames" if source.frames else f"{source.processed:,} frames"]
    facts.append(words.count(source.tracks, "track"))
    if source.width and source.height:
        facts.append(f"{source.width} x {source.height}")
    if source.fps:
        facts.append(f"{source.fps:g} frames/s")
    if source.dropped:
        facts.append(f"{source.dropped:,} dropped")
    if source.repaired:
        facts.append(f"{source.repaired:,} times mended")
    state = Markup()
    if source.status is not SourceStatus.FINISHED:
        state = Markup('<span class="sl-state {0}">{0}</span>').format(source.status.value)
    return Markup('<li><b title="{}">{}</b>{}{}{}</li>').format(
        source.uri_redacted,
        source.name,
        state,
        Markup().join(Markup("<span>{}</span>").format(fact) for fact in facts),
        _trouble(source.error),
    )


def _model(model: RunModelRow) -> str:
    length = f", {model.dimension} numbers a picture" if model.dimension else ""
    return f"{model.name} in {model.runtime}{length}"


def _card(row: ObjectRow, picture: str | None) -> Markup:
    return Markup(
        '<button type="button" class="sl-card" data-track="{id}" title="Track {id}">'
        '<span class="sl-picture">{picture}</span><span class="sl-name"><b>{name}</b><i>{score:.2f}</i></span>'
        '<span class="sl-sub">{source}</span><span class="sl-sub">{when}</span>'
        '<span class="sl-sub">{took} · …{short}</span></button>'
    ).format(
        id=row.public_id,
        picture=_picture(picture, row.name),
        name=row.name,
        score=row.score_max,
        source=row.source_name or "source deleted",
        when=words.clock(row.first_at),
        took=words.duration(row.seconds),
        short=str(row.public_id)[-6:],
    )


def _track_facts(view: TrackView) -> list[tuple[str, object]]:
    row = view.row
    facts: list[tuple[str, object]] = [
        ("Source", ", ".join(dict.fromkeys(member.source_name for member in view.members)) or "deleted"),
        ("First seen", f"{words.clock(row.first_at)} {words.zone(row.first_at)}"),
        ("Last seen", f"{words.clock(row.last_at)} {words.zone(row.last_at)}"),
        ("Duration", words.duration(row.seconds)),
        *_in_video(view),
        ("Best score", f"{row.score_max:.3f}"),
        ("Boxes", charts.ways_of_knowing(view.observations) or "none"),
        ("Embeddings", "; ".join(_described(model, table) for model, table in view.embeddings) or "none"),
    ]
    if row.name != row.class_name:
        facts.append(("Class", row.class_name))
    if row.verdict:
        facts.append(("Verdict", row.verdict))
    numbers = ", ".join(str(member.local_id) for member in view.members)
    return [*facts, ("Number in run" if row.members == 1 else "Numbers in runs", numbers), ("Id", row.public_id)]


def _in_video(view: TrackView) -> list[tuple[str, object]]:
    """Where to look in the file, if it was seen in one file."""
    if len(view.sources) != 1 or view.sources[0].kind != "file" or view.sources[0].start_at is None:
        return []
    start = view.sources[0].start_at
    first, last = ((at - start) / 1e6 for at in (view.row.first_at, view.row.last_at))
    return [("In the video", f"{words.position(first)} to {words.position(last)}")]


def _described(model: RunModelRow, table: EmbeddingTable) -> str:
    means = sum(kind is EmbeddingKind.MEAN for kind in table.kinds)
    mean = " and the mean" if means == 1 else f" and {means} means" if means else ""
    return f"{words.count(len(table) - means, 'exemplar')}{mean} by {model.name}"


def _paths(view: TrackView) -> Iterable[Markup]:
    """The path through the picture of each source in which it was seen."""
    for source in view.sources:
        boxes = view.observations.boxes[view.observations.run_source_ids == source.run_source_id]
        size = (source.width, source.height) if source.width and source.height else None
        yield Markup(
            "<figure><figcaption><b>Path</b> in {}, from the dashed box to the dot</figcaption>{}</figure>"
        ).format(source.name, charts.path_chart(boxes, size))


def _picture(picture: str | None, name: str) -> Markup:
    if picture is None:
        return Markup('<span class="sl-none">no picture</span>')
    return Markup('<img src="{}" alt="{}">').format(picture, name)


def _facts(facts: Sequence[tuple[str, object]]) -> Markup:
    if not facts:
        return Markup()
    return Markup("<dl>{}</dl>").format(
        Markup().join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in facts)
    )


def _trouble(message: str | None) -> Markup:
    return Markup() if message is None else Markup('<p class="sl-trouble">{}</p>').format(message)
