"""One track on a page of its own, as HTML: clip, facts, timeline, path, crops, parts and history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipeline.page import words
from pipeline.page.clip_parts import ClipPart, as_json
from pipeline.page.gallery import VERDICTS, Steps, step_buttons
from pipeline.page.parts import button, facts, image, joined, picture
from pipeline.page.path_chart import path_chart
from pipeline.page.timeline import timeline, ways_of_knowing
from pipeline.store.review_log import EditRow
from pipeline.store.rows import EmbeddingTable, MemberRow, ObjectRow, ObservationTable, RunModelRow, RunSourceRow
from pipeline.store.segments import CAMERA
from pipeline.store.states import EmbeddingKind, Verdict
from trackers.structures import IntArray

JUDGING = (
    (Verdict.CONFIRMED, "Confirm", "c"),
    (Verdict.REJECTED, "Reject", "r"),
    (Verdict.UNSURE, "Unsure", "u"),
)
CROPS = 10  # pictures of the track over time


@dataclass(frozen=True, slots=True, eq=False)
class TrackFacts:
    """All that is shown of one object."""

    row: ObjectRow
    clips: Sequence[ClipPart]
    gone: str | None  # why its sources cannot be looked at again, None where they can
    members: Sequence[MemberRow]
    observations: ObservationTable
    sources: Sequence[RunSourceRow]  # where it was seen
    embeddings: Sequence[tuple[RunModelRow, EmbeddingTable]]
    history: Sequence[EditRow]  # the newest first
    steps: Steps
    names: Sequence[str]  # labels to propose


def track_page(track: TrackFacts) -> Markup:
    """Everything about one track. What looks like it is added by the tab: it takes longer to find."""
    row = track.row
    return Markup(
        '<article class="sl-track" data-track="{id}" data-clips="{clips}" data-label="{label}"'
        ' data-names="{names}"><div class="sl-top">{clip}<div class="sl-facts">'
        "<header><h2>{name}</h2>{verdict}</header>{tools}{facts}</div></div>"
        '<section class="sl-explained" hidden><h3>Why it was found</h3><p class="sl-why" role="status"></p>'
        '<div class="sl-heat-maps"><img alt="Heat maps of detector and embedder over the track" hidden></div></section>'
        "<section><h3>Timeline <small>a click goes to that moment</small></h3>{timeline}</section>"
        '<div class="sl-columns"><section><h3>Path</h3>{paths}</section>'
        "<section><h3>Over time</h3>{crops}{members}{history}</section></div></article>"
    ).format(
        id=row.public_id,
        clips=json.dumps(as_json(track.clips)),
        label=_label(row),
        names=json.dumps(list(track.names), ensure_ascii=False),
        clip=_clip(track),
        name=row.name,
        verdict=_verdict(row.verdict),
        tools=_tools(track),
        facts=facts(_facts(track)),
        timeline=timeline(track.observations),
        paths=joined(_paths(track)),
        crops=_crops(track),
        members=_members(track.members),
        history=_history(track.history),
    )


def _clip(track: TrackFacts) -> Markup:
    row = track.row
    if track.gone is not None:
        return Markup(
            '<div class="sl-clip"><figure class="sl-picture">{}</figure><p class="sl-why">{}{}</p></div>'
        ).format(picture(row.crop, row.name), track.gone, _remedy(track))
    return Markup(
        '<div class="sl-clip"><video controls muted playsinline preload="metadata" src="{clip}"'
        ' poster="/objects/{id}/frame.jpg" aria-label="Clip of the track with its box"></video>'
        '<p class="sl-why" hidden></p>{keys}</div>'
    ).format(id=row.public_id, clip=_clip_address(track), keys=_player_keys())


def _remedy(track: TrackFacts) -> Markup:
    """How what is gone can be had again, or kept the next time."""
    if all(source.kind == CAMERA for source in track.sources):
        return Markup(" <code>record: {mode: events}</code> in the cameras file keeps what it shows around events.")
    return Markup(" If it was moved, <code>sightline relink</code> tells where it is now.")


def _clip_address(track: TrackFacts) -> str:
    """Of the part with the best moment; the script knows the others."""
    best = track.row.first_at if track.row.crop is None else track.row.crop.from_at
    part = next((one for one in track.clips if one.from_at <= best <= one.to_at), track.clips[0])
    return f"/objects/{track.row.public_id}/clip.mp4?from={part.from_at}&to={part.to_at}"


def _judging(row: ObjectRow, verdict: Verdict, said: str, key: str) -> Markup:
    """A button for a verdict; pressed once more it takes the verdict back."""
    if row.verdict == verdict:
        return button(said, op="unjudged", key=key, kind="pressed", title="Take the verdict back")
    return button(said, op=verdict.value, key=key)


def _protecting(row: ObjectRow) -> Markup:
    """A button that keeps the track, and what was recorded of it, from retention and deletion."""
    if row.protected:
        return button("Protect", op="unprotect", key="p", kind="pressed", title="It may go with the others again")
    return button("Protect", op="protect", key="p", title="Keep it and its recording, however old they are")


def _player_keys() -> Markup:
    """Buttons that only keys press: play, a step back, a step on."""
    return Markup(
        '<span class="sl-unseen"><button type="button" tabindex="-1" data-play="1" data-key="Space"></button>'
        '<button type="button" tabindex="-1" data-step="-1" data-key="ArrowLeft"></button>'
        '<button type="button" tabindex="-1" data-step="1" data-key="ArrowRight"></button></span>'
    )


def _tools(track: TrackFacts) -> Markup:
    split = Markup()
    if track.gone is None:
        split = button("Split here", op="split", key="s", title="Two tracks: before and from the moment the clip shows")
    return Markup('<div class="sl-tools busy" role="toolbar" aria-label="This track">{}</div>').format(
        joined(
            (
                *(_judging(track.row, verdict, said, key) for verdict, said, key in JUDGING),
                button("Label", op="label", key="l"),
                _protecting(track.row),
                split,
                _following(track),
                _explaining(track),
                Markup(
                    '<button type="button" class="sl-button" data-similar="1" data-key="f">Find similar'
                    "<kbd>f</kbd></button>"
                ),
                button("Delete", op="delete", key="Delete", kind="danger"),
                Markup('<span class="sl-push">{}</span>').format(step_buttons(track.steps)),
            )
        )
    )


def _following(track: TrackFacts) -> Markup:
    """A button that lets a target tracker go on from the moment the clip shows, where that is in one video."""
    sources = {source.public_id: source.kind for source in track.sources}
    if track.gone is not None or len(sources) != 1 or not set(sources.values()) <= {"file", "images"}:
        return Markup()
    return Markup(
        '<button type="button" class="sl-button" data-follow="{}" data-class="{}" title="Follow what its box '
        'shows from the moment of the clip on, as a track of its own">Follow from here</button>'
    ).format(next(iter(sources)), track.row.class_name)


def _explaining(track: TrackFacts) -> Markup:
    """A button that shows why the track was found at the moment of the clip, where its pictures can be looked at."""
    if track.gone is not None:
        return Markup()
    return Markup(
        '<button type="button" class="sl-button" data-explain="1" title="Why the detector saw it at the moment of '
        'the clip, and what makes it look as it does">Explain</button>'
    )


def _facts(track: TrackFacts) -> list[tuple[str, object]]:
    row = track.row
    found: list[tuple[str, object]] = [
        ("Source", ", ".join(dict.fromkeys(member.source_name for member in track.members)) or "deleted"),
        ("First seen", f"{words.clock(row.first_at)} {words.zone(row.first_at)}"),
        ("Last seen", f"{words.clock(row.last_at)} {words.zone(row.last_at)}"),
        ("Duration", words.duration(row.seconds)),
        *_in_video(track),
        ("Best score", f"{row.score_max:.3f}"),
        ("Boxes", ways_of_knowing(track.observations) or "none"),
        ("Embeddings", "; ".join(_described(model, table) for model, table in track.embeddings) or "none"),
    ]
    if row.name != row.class_name:
        found.append(("Class", row.class_name))
    return [*found, ("Id", row.public_id)]


def _in_video(track: TrackFacts) -> list[tuple[str, object]]:
    """Where to look in the file, if it was seen in one file."""
    if len(track.sources) != 1 or track.sources[0].kind != "file" or track.sources[0].start_at is None:
        return []
    start = track.sources[0].start_at
    first, last = ((at - start) / 1e6 for at in (track.row.first_at, track.row.last_at))
    return [("In the video", f"{words.position(first)} to {words.position(last)}")]


def _described(model: RunModelRow, table: EmbeddingTable) -> str:
    means = sum(kind is EmbeddingKind.MEAN for kind in table.kinds)
    mean = " and the mean" if means == 1 else f" and {means} means" if means else ""
    return f"{words.count(len(table) - means, 'exemplar')}{mean} by {model.name}"


def _paths(track: TrackFacts) -> Iterable[Markup]:
    """The path through the picture of each source in which it was seen."""
    for source in track.sources:
        rows = np.flatnonzero(track.observations.run_source_ids == source.run_source_id)
        size = (source.width, source.height) if source.width and source.height else None
        frame = None
        if track.gone is None:
            frame = f"/objects/{track.row.public_id}/frame.jpg"
            if len(track.sources) > 1:
                frame += f"?at={int(track.observations.at[rows[len(rows) // 2]])}"
        yield Markup("<figure>{}<figcaption>{}, from the dashed box to the dot</figcaption></figure>").format(
            path_chart(track.observations.boxes[rows], size, frame=frame), source.name
        )


def _crops(track: TrackFacts) -> Markup:
    """The track at moments spread over its time; a click goes to that moment."""
    if track.gone is not None or not len(track.observations):
        return Markup('<div class="sl-strip"><span class="sl-picture">{}</span></div>').format(
            picture(track.row.crop, track.row.name)
        )
    moments = _spread(track.observations.at)
    return Markup('<div class="sl-strip">{}</div>').format(
        joined(
            Markup(
                '<button type="button" data-at="{at}" title="{when}"><span class="sl-picture">{crop}</span>'
                "<small>{when}</small></button>"
            ).format(
                at=at,
                when=words.moment(at),
                crop=image(f"/objects/{track.row.public_id}/crop.jpg?at={at}", track.row.name),
            )
            for at in moments
        )
    )


def _spread(at: IntArray) -> list[int]:
    rows = np.unique(np.linspace(0, len(at) - 1, min(CROPS, len(at))).round().astype(np.int64))
    return [int(one) for one in at[rows]]


def _members(members: Sequence[MemberRow]) -> Markup:
    if len(members) < 2:
        return Markup()
    return Markup('<h3>{} in this one</h3><ul class="sl-list">{}</ul>').format(
        words.count(len(members), "part"),
        joined(
            Markup('<li><button type="button" data-at="{}">{}</button> {}, number {} in its run</li>').format(
                member.from_at, words.clock(member.from_at), member.source_name, member.local_id
            )
            for member in members
        ),
    )


def _history(history: Sequence[EditRow]) -> Markup:
    if not history:
        return Markup()
    return Markup('<h3>Edits</h3><ul class="sl-list">{}</ul>').format(
        joined(
            Markup("<li{}><time>{}</time> {} <small>by {}</small></li>").format(
                Markup(' class="undone"') if edit.undone_by is not None else Markup(),
                words.clock(edit.at),
                edit.summary,
                edit.actor,
            )
            for edit in history
        )
    )


def _label(row: ObjectRow) -> str:
    return row.name if row.name != row.class_name else ""


def _verdict(verdict: str | None) -> Markup:
    if verdict is None:
        return Markup()
    said = VERDICTS.get(Verdict(verdict), verdict) if verdict in set(Verdict) else verdict
    return Markup('<span class="sl-badge {}">{}</span>').format(verdict, said)
