"""Settings -> what watches and draws zones and lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.events import Analyst
from pipeline.rule_settings import AnalyticsSettings, DrawnRule, LineSettings, ZoneSettings, merge_possible, merge_rules

if TYPE_CHECKING:
    from pipeline.rule_board import RuleBoard


def merged(settings: AnalyticsSettings, drawn: Iterable[DrawnRule]) -> AnalyticsSettings:
    """What the settings say of a source, with what was drawn for it.

    Raises ConfigError where two have the same name, or a drawn zone asks for speeds and no scale is set.
    """
    return merge_rules(settings, drawn)


def merged_possible(
    settings: AnalyticsSettings, drawn: Iterable[DrawnRule], classes: Sequence[str]
) -> tuple[AnalyticsSettings, list[str]]:
    """What the settings say, with what of the drawn can be watched, and what is wrong with the rest, in words."""
    return merge_possible(settings, drawn, lambda rules: analyst(rules, classes))


def analyst(settings: AnalyticsSettings, classes: Sequence[str]) -> Analyst | None:
    """A new one for one stream; None where there is no zone and no line. `classes`: of the detector, in label order.

    Raises ConfigError for a rule that asks for a class the detector does not know.
    """
    if not settings.zones and not settings.lines:
        return None
    from pipeline.analytics.analyst import RuleAnalyst
    from pipeline.analytics.ground import Ground
    from pipeline.analytics.lines import Line
    from pipeline.analytics.zones import Zone

    zones = [
        Zone(name, labels=_labels(name, zone, classes), **zone.model_dump(exclude={"classes"}))
        for name, zone in settings.zones.items()
    ]
    lines = [
        Line(name, labels=_labels(name, line, classes), **line.model_dump(exclude={"classes"}))
        for name, line in settings.lines.items()
    ]
    ground = Ground(**settings.scale.model_dump()) if settings.scale.known else None
    return RuleAnalyst(zones, lines, ground=ground)


def rule_board(settings: AnalyticsSettings) -> RuleBoard | None:
    """What draws the zones and lines of one stream; None where there are none."""
    if not settings.zones and not settings.lines:
        return None
    from pipeline.rule_board import RuleBoard

    return RuleBoard(
        {name: zone.polygon for name, zone in settings.zones.items()},
        {name: (line.start, line.end) for name, line in settings.lines.items()},
        {name: line.directions for name, line in settings.lines.items()},
    )


def _labels(name: str, rule: ZoneSettings | LineSettings, classes: Sequence[str]) -> frozenset[int] | None:
    """Of the classes that a rule counts; None: all."""
    if not rule.classes:
        return None
    if unknown := [one for one in rule.classes if one not in classes]:
        known = ", ".join(classes) or "none by name"
        raise ConfigError(f"analytics: '{name}' counts {', '.join(unknown)}, but the detector knows {known}")
    return frozenset(classes.index(one) for one in rule.classes)
