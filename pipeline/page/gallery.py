"""A gallery of tracks as HTML: cards with their best pictures, and the tools for the selected ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.page import words
from pipeline.page.parts import button, joined, picture
from pipeline.store.rows import ObjectRow
from pipeline.store.states import Verdict

VERDICTS = {Verdict.CONFIRMED: "✓ confirmed", Verdict.REJECTED: "✗ rejected", Verdict.UNSURE: "? unsure"}


@dataclass(frozen=True, slots=True)
class Steps:
    """What undo and redo would do now, in words; None where there is nothing."""

    undo: str | None
    redo: str | None


def gallery(cards: Iterable[Markup]) -> Markup:
    """Cards beside and below each other."""
    return Markup('<div class="sl-gallery">{}</div>').format(joined(cards))


def card(row: ObjectRow, *, distance: float | None = None, note: str | None = None) -> Markup:
    """One track: a click opens it, its box selects it. `distance`: of its looks to what was searched, 0..2."""
    return Markup(
        '<article class="sl-card {verdict}" data-track="{id}" data-label="{label}">'
        '<button type="button" class="sl-open" title="Open track {id}">'
        '<span class="sl-picture">{picture}</span><span class="sl-name"><b>{name}</b>{number}</span>'
        '<span class="sl-sub">{source}</span><span class="sl-sub">{when}</span><span class="sl-sub">{rest}</span>'
        '</button><label class="sl-pick"><input type="checkbox" aria-label="Select {name}, track {short}"></label>'
        "{badge}</article>"
    ).format(
        id=row.public_id,
        short=str(row.public_id)[-6:],
        verdict=row.verdict or "",
        label=row.name if row.name != row.class_name else "",
        picture=picture(row.crop, row.name),
        name=row.name,
        number=_number(row, distance),
        source=row.source_name or "source deleted",
        when=words.clock(row.first_at),
        rest=" · ".join([words.duration(row.seconds), *_extras(row), *([note] if note else [])]),
        badge=Markup()
        if row.verdict is None
        else Markup('<span class="sl-badge">{}</span>').format(_verdict(row.verdict)),
    )


def tools(steps: Steps, names: Sequence[str]) -> Markup:
    """What can be done with the selected tracks. `names`: labels to propose."""
    return Markup(
        '<div class="sl-tools" data-names="{names}" role="toolbar" aria-label="Selected tracks">'
        '<span class="sl-chosen" aria-live="polite"></span>{edits}<span class="sl-push">{steps}</span></div>'
    ).format(
        names=json.dumps(list(names), ensure_ascii=False),
        edits=joined(
            (
                button("Merge", op="merge", key="m", least=2, title="The selected tracks are one"),
                button("Label", op="label", key="l"),
                button("Confirm", op="confirmed", key="c"),
                button("Reject", op="rejected", key="r"),
                button("Unsure", op="unsure", key="u"),
                button("Delete", op="delete", key="Delete", kind="danger"),
                button("Clear", op="none", key="Escape", title="Select nothing"),
                button("Select", op="pick", key="x", kind="hidden", least=0),
            )
        ),
        steps=step_buttons(steps),
    )


def step_buttons(steps: Steps) -> Markup:
    """Undo and redo, each with what it would do."""
    return joined(
        Markup(
            '<button type="button" class="sl-button" data-op="{op}" data-key="{op}" title="{title}"{off}>'
            "{words}</button>"
        ).format(
            op=op,
            words=op.capitalize(),
            title=f"{op.capitalize()}: {what}" if what else f"Nothing to {op}",
            off=Markup() if what else Markup(" disabled"),
        )
        for op, what in (("undo", steps.undo), ("redo", steps.redo))
    )


def _number(row: ObjectRow, distance: float | None) -> Markup:
    if distance is None:
        return Markup('<i title="Best score">{:.2f}</i>').format(row.score_max)
    return Markup('<i title="Cosine distance: 0 looks the same">{:.3f}</i>').format(distance)


def _extras(row: ObjectRow) -> list[str]:
    return [f"{row.members} parts"] if row.members > 1 else [f"…{str(row.public_id)[-6:]}"]


def _verdict(verdict: str) -> str:
    return VERDICTS.get(Verdict(verdict), verdict) if verdict in set(Verdict) else verdict


def near_tools() -> Markup:
    """What can be done with tracks that look like the one above them."""
    return Markup(
        '<div class="sl-tools" role="toolbar" aria-label="Selected similar tracks">'
        '<span class="sl-chosen" aria-live="polite"></span>{}</div>'
    ).format(
        joined(
            (
                button("Merge into this track", op="merge", key="m", title="They are the track above"),
                button("Clear", op="none", key="Escape", title="Select nothing"),
                button("Select", op="pick", key="x", kind="hidden", least=0),
            )
        )
    )
