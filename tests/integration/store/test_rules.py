"""Drawn zones and lines: added, read, removed, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pipeline import build
from pipeline.errors import ConfigError, StoreError
from pipeline.rule_settings import AnalyticsSettings, DrawnRule, LineSettings, RuleKind, ZoneSettings, merge_rules
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.rules import add_rule, living_rules, remove_rule
from pipeline.store.run_queries import list_sources
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import RUN, VIDEO

GATE = {"start": [0.1, 0.5], "end": [0.9, 0.5]}
YARD = {"polygon": [[0, 0], [1, 0], [1, 1]], "dwell_seconds": 5}


def begun(database: Database, folder: Path, *, project: str = "default") -> tuple[Scope, UUID]:
    """A scope and a source within it."""
    writer = RunWriter.begin(database, replace(RUN, project=project), media_folder=folder)
    writer.add_source(VIDEO)
    with database.read() as connection:
        scope = scope_of(connection, [project])
        return scope, list_sources(scope, connection)[0].public_id


def test_rules_live_until_they_are_removed(database: Database, tmp_path: Path) -> None:
    scope, source = begun(database, tmp_path)
    with database.read() as connection:
        assert living_rules(scope, connection, source) == []
    line = add_rule(database, scope, source, "gate", "line", GATE)
    zone = add_rule(database, scope, source, "yard", "zone", YARD)
    with database.read() as connection:
        assert living_rules(scope, connection, source) == [line, zone]
    assert (line.kind, line.source) == (RuleKind.LINE, source)
    assert LineSettings.model_validate(line.definition) == LineSettings.model_validate(GATE)
    assert ZoneSettings.model_validate(zone.definition).dwell_seconds == 5
    assert remove_rule(database, scope, line.public_id) == line
    with database.read() as connection:
        assert living_rules(scope, connection, source) == [zone]
    again = add_rule(database, scope, source, "gate", "line", GATE)  # the name is free again
    assert again.public_id != line.public_id


def test_a_name_stands_for_one_living_rule_of_a_source(database: Database, tmp_path: Path) -> None:
    scope, source = begun(database, tmp_path)
    add_rule(database, scope, source, "gate", "line", GATE)
    with pytest.raises(ConfigError, match="already a zone or line 'gate'"):
        add_rule(database, scope, source, "gate", "zone", YARD)


@pytest.mark.parametrize(
    ("name", "kind", "definition", "said"),
    [
        ("gate", "circle", {}, "no kind of rule 'circle'; known: zone, line"),
        ("", "line", GATE, "printable"),
        ("a\x00b", "line", GATE, "printable"),
        (" gate", "line", GATE, "printable"),
        ("x" * 65, "line", GATE, "64"),
        ("gate", "line", {"start": [0.5, 0.5], "end": [0.5, 0.5]}, "line 'gate': a line needs two ends"),
        ("gate", "line", GATE | {"directions": ["in", "in"]}, "directions"),
        ("gate", "line", GATE | {"colour": "red"}, "colour: Extra inputs"),
        ("yard", "zone", {"polygon": [[0, 0], [1, 0]]}, "polygon: .*at least 3"),
        ("yard", "zone", {"polygon": [[0, 0], [1, 0], [1, 2]]}, r"polygon\.2\.1: .*less than or equal to 1"),
        ("yard", "zone", {"polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "cross each other"),
        ("yard", "zone", {"polygon": [[0, 0], [0.5, 0.5], [1, 1]]}, "no area"),
        ("yard", "zone", YARD | {"dwell_seconds": float("inf")}, "dwell_seconds"),
        ("yard", "zone", YARD | {"count_above": 0}, "count_above"),
    ],
)
def test_what_cannot_be_is_refused(
    database: Database, tmp_path: Path, name: str, kind: str, definition: dict[str, object], said: str
) -> None:
    scope, source = begun(database, tmp_path)
    with pytest.raises(ConfigError, match=said):
        add_rule(database, scope, source, name, kind, definition)
    with database.read() as connection:
        assert living_rules(scope, connection, source) == []


def test_what_lies_outside_the_scope_is_not_there(database: Database, tmp_path: Path) -> None:
    scope, source = begun(database, tmp_path)
    rule = add_rule(database, scope, source, "gate", "line", GATE)
    other, _ = begun(database, tmp_path, project="other")
    with database.read() as connection:
        assert living_rules(other, connection, source) == []
        assert living_rules(Scope(()), connection, source) == []
    with pytest.raises(StoreError, match="no source"):
        add_rule(database, other, source, "mine", "line", GATE)
    with pytest.raises(StoreError, match="no zone or line"):
        remove_rule(database, other, rule.public_id)
    with pytest.raises(StoreError, match="no zone or line"):
        remove_rule(database, scope, uuid4())
    remove_rule(database, scope, rule.public_id)
    with pytest.raises(StoreError, match="removed already"):
        remove_rule(database, scope, rule.public_id)


def test_drawn_rules_join_those_of_the_settings() -> None:
    settings = AnalyticsSettings.model_validate({"lines": {"gate": GATE}})
    both = merge_rules(settings, [DrawnRule("yard", RuleKind.ZONE, YARD)])
    assert (list(both.lines), list(both.zones)) == (["gate"], ["yard"])
    assert merge_rules(settings, []) == settings
    with pytest.raises(ConfigError, match="rename one"):
        merge_rules(settings, [DrawnRule("gate", RuleKind.ZONE, YARD)])
    fast = DrawnRule("yard", RuleKind.ZONE, YARD | {"speed_above": 2})
    with pytest.raises(ConfigError, match="zone yard has speed_above"):
        merge_rules(settings, [fast])
    scaled = AnalyticsSettings.model_validate({"scale": {"metres_per_pixel": 0.1}})
    assert merge_rules(scaled, [fast]).zones["yard"].speed_above == 2


def test_a_drawn_rule_that_cannot_be_leaves_the_others() -> None:
    settings = AnalyticsSettings.model_validate({"lines": {"gate": GATE}})
    drawn = [
        DrawnRule("gate", RuleKind.ZONE, YARD),  # as the settings call theirs since
        DrawnRule("street", RuleKind.ZONE, YARD | {"speed_above": 2}),
        DrawnRule("pond", RuleKind.ZONE, YARD | {"classes": ["duck"]}),
        DrawnRule("yard", RuleKind.ZONE, YARD | {"classes": ["person"]}),
    ]
    merged, wrong = build.merged_possible(settings, drawn, ["person"])
    assert (list(merged.lines), list(merged.zones)) == (["gate"], ["yard"])
    assert [said.partition(" is not watched: ")[0] for said in wrong] == [
        "the zone 'gate'",
        "the zone 'street'",
        "the zone 'pond'",
    ]
    assert "set analytics.scale" in wrong[1]
    assert "the detector knows person" in wrong[2]
    assert build.merged_possible(settings, [], ["person"]) == (settings, [])
