"""Two runs beside each other, as a table: what each found, how far they agree, and which settings differ."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from pipeline.compare import Changed, Compared, Comparison, Figures
from pipeline.page.parts import joined


def comparison_table(comparison: Comparison) -> Markup:
    """Run B ("this run") beside run A ("against")."""
    return Markup('<div class="sl-compare">{verdict}{only}{sources}{settings}</div>').format(
        verdict=Markup("<p>{}</p>").format(_verdict(comparison)),
        only=_only("this run", comparison.only_b) + _only("the other run", comparison.only_a),
        sources=joined(_source(one) for one in _shown(comparison)),
        settings=_settings(comparison.settings),
    )


def _verdict(comparison: Comparison) -> str:
    if all(one.identical for one in comparison.sources):
        return "Both found exactly the same: the same boxes under the same numbers in the same frames."
    return "They did not find the same."


def _shown(comparison: Comparison) -> Sequence[Compared]:
    return comparison.sources if len(comparison.sources) == 1 else (comparison.total, *comparison.sources)


def _only(whose: str, names: Sequence[str]) -> Markup:
    if not names:
        return Markup()
    return Markup("<p>Only {} has read {}.</p>").format(whose, ", ".join(names))


def _source(one: Compared) -> Markup:
    rows: list[tuple[str, float, float, str]] = [
        ("Tracks", one.b.tracks, one.a.tracks, "d"),
        ("Boxes", one.b.observations, one.a.observations, "d"),
        ("Length of a track, seconds", one.b.mean_seconds, one.a.mean_seconds, ".1f"),
        ("Interruptions of a track", _interruptions(one.b), _interruptions(one.a), ".2f"),
    ]
    return Markup(
        "<table><thead><tr><th>{}</th><th>This run</th><th>Against</th><th>Change</th></tr></thead>"
        "<tbody>{}</tbody></table>{}"
    ).format(
        "All sources" if one.name == "all" else one.name,
        joined(_row(name, mine, other, form) for name, mine, other, form in rows),
        _agreement(one),
    )


def _row(name: str, mine: float, other: float, form: str) -> Markup:
    comma = "," if form == "d" else ""
    return Markup('<tr class="{}"><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>').format(
        "changed" if mine != other else "",
        name,
        f"{mine:{comma}{form}}",
        f"{other:{comma}{form}}",
        f"{mine - other:+{comma}{form}}" if mine != other else "same",
    )


def _agreement(one: Compared) -> Markup:
    """How alike the tracks are, with those of the other run taken for the truth."""
    scores = one.agreement
    if scores is None:
        return Markup("<p><small>There are too many tracks to say how far they agree.</small></p>")
    return Markup(
        "<p>Agreement: <b>{:.1f} %</b> of the boxes belong to the same track (IDF1), HOTA {:.1f}, {:,} switches from "
        "one of the other run's tracks to another.</p>"
    ).format(100 * scores.identity.idf1, 100 * scores.hota.hota, scores.clear.idsw)


def _settings(changes: Sequence[Changed]) -> Markup:
    if not changes:
        return Markup("<p>Their settings and models are the same.</p>")
    return Markup(
        "<table><thead><tr><th>Setting</th><th>This run</th><th>Against</th></tr></thead><tbody>{}</tbody></table>"
    ).format(
        joined(
            Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>").format(one.path, _value(one.b), _value(one.a))
            for one in changes
        )
    )


def _value(value: object) -> str:
    return "none" if value is None else str(value)


def _interruptions(figures: Figures) -> float:
    return figures.interruptions / figures.tracks if figures.tracks else 0.0
