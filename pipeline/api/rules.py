"""/api/sources/.../rules: zones and lines of a source: those drawn in the page, and those of its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pipeline.api.failures import not_found
from pipeline.api.records import Moment
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.errors import ConfigError
from pipeline.rule_settings import RuleKind, checked_rule
from pipeline.store.cameras import list_cameras
from pipeline.store.filters import Scope
from pipeline.store.rows import RunRow
from pipeline.store.rules import RuleRow, add_rule, living_rules, remove_rule
from pipeline.store.run_kinds import FOLLOW
from pipeline.store.run_queries import run_detail
from pipeline.store.source_queries import runs_of, source_row


class RuleOrigin(StrEnum):
    """Where a zone or line comes from."""

    DRAWN = "drawn"  # in the page; can be removed here
    SETTINGS = "settings"  # of the cameras file or the run; changed there


class NewRule(BaseModel):
    """A zone or line to draw."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    kind: RuleKind
    definition: dict[str, Any] = Field(description="as a settings file would say it; corners as shares of the picture")


class RuleJson(BaseModel):
    """A zone or line."""

    id: UUID | None = Field(description="null where it comes from the settings")
    name: str
    kind: RuleKind
    origin: RuleOrigin
    definition: Mapping[str, Any]
    created: Moment | None

    @classmethod
    def of(cls, row: RuleRow) -> RuleJson:
        """One that was drawn."""
        return cls(
            id=row.public_id,
            name=row.name,
            kind=row.kind,
            origin=RuleOrigin.DRAWN,
            definition=row.definition,
            created=Moment.of(row.created_at),
        )


class RulesJson(BaseModel):
    """All zones and lines of a source."""

    items: list[RuleJson]


def rule_routes(services: Services) -> APIRouter:
    """Reading, drawing and removing zones and lines."""
    router = APIRouter(prefix="/api/sources/{public_id}/rules", tags=["events"])

    @router.get("")
    def rules(public_id: UUID) -> RulesJson:
        """Zones and lines of a source: of its settings first, then those drawn, the oldest first."""
        with reading(services, "list zones and lines") as (scope, connection):
            _check(scope, connection, public_id)
            drawn = living_rules(scope, connection, public_id)
            settings = _of_settings(scope, connection, public_id)
        return RulesJson(items=[*settings, *(RuleJson.of(row) for row in drawn)])

    @router.post("", status_code=201)
    def draw(public_id: UUID, body: NewRule) -> RuleJson:
        """Draw a zone or line. A service watches it within seconds, a video once it is tracked again."""
        with reading(services, "look for a source") as (scope, connection):
            _check(scope, connection, public_id)
            _check_possible(scope, connection, public_id, body)
        return RuleJson.of(add_rule(services.database, scope, public_id, body.name, body.kind, body.definition))

    @router.delete("/{rule}", status_code=204)
    def remove(public_id: UUID, rule: UUID) -> Response:
        """Take a drawn zone or line away; its events stay."""
        with reading(services, "look for a zone or line") as (scope, connection):
            if all(one.public_id != rule for one in living_rules(scope, connection, public_id)):
                raise not_found("zone or line")
        remove_rule(services.database, scope, rule)
        return Response(status_code=204)

    return router


def _check(scope: Scope, connection: Connection, source: UUID) -> None:
    if source_row(scope, connection, source) is None:
        raise not_found("source")


def _check_possible(scope: Scope, connection: Connection, source: UUID, rule: NewRule) -> None:
    """Raises ConfigError for what could not be watched once it is drawn, as far as the newest run tells."""
    kind, definition = checked_rule(rule.name, rule.kind, rule.definition)
    if rule.name in {one.name for one in _of_settings(scope, connection, source)}:
        raise ConfigError(f"the settings of this source have a zone or line '{rule.name}'; take another name")
    if definition.get("speed_above") is not None and not _has_scale(scope, connection, source):
        raise ConfigError(
            f"{kind} '{rule.name}' asks for a speed, but nothing says how long a pixel of this source is; set "
            "analytics.scale in the cameras file, or for a video by `sightline retrack RUN --set "
            "analytics.scale.metres_per_pixel=...`, or leave speed_above out"
        )
    known = _classes(scope, connection, source)
    unknown = [one for one in definition["classes"] or () if one not in known]
    if known and unknown:
        raise ConfigError(
            f"{kind} '{rule.name}' counts {', '.join(unknown)}, but the detector knows {', '.join(known)}"
        )


def _classes(scope: Scope, connection: Connection, source: UUID) -> Sequence[str]:
    """What the detector of the newest run over the source can tell apart; empty where nobody knows."""
    for run in _newest(scope, connection, source):
        found = run_detail(scope, connection, run.public_id)
        models = () if found is None else found.models
        return next((model.classes for model in models if model.task == "detect"), ())
    return ()


def _newest(scope: Scope, connection: Connection, source: UUID) -> Sequence[RunRow]:
    """The newest run that watched all of the source, if there is one; none that followed one target."""
    return runs_of(scope, connection, source, but=(FOLLOW,), limit=1)


def _of_settings(scope: Scope, connection: Connection, source: UUID) -> list[RuleJson]:
    """What the newest run over the source was told, and, for a camera, what its own section says."""
    found: dict[str, RuleJson] = {}
    for run in _newest(scope, connection, source):
        cameras = list_cameras(scope, connection, run=run.public_id)
        for settings in (run.settings, *(camera.settings for camera in cameras if camera.source == source)):
            found |= {rule.name: rule for rule in _written(settings)}
    return list(found.values())


def _has_scale(scope: Scope, connection: Connection, source: UUID) -> bool:
    """Whether the newest run over the source knows how long its pixels are. A camera's own section is all it has."""
    for run in _newest(scope, connection, source):
        cameras = list_cameras(scope, connection, run=run.public_id)
        own = [one.settings["analytics"] for one in cameras if one.source == source and "analytics" in one.settings]
        section = own[0] if own else run.settings.get("analytics") or {}
        return any(value is not None for value in (section.get("scale") or {}).values())
    return False


def _written(settings: Mapping[str, Any]) -> Iterator[RuleJson]:
    section = settings.get("analytics") or {}
    for kind, key in ((RuleKind.ZONE, "zones"), (RuleKind.LINE, "lines")):
        for name, definition in (section.get(key) or {}).items():
            yield RuleJson(
                id=None, name=name, kind=kind, origin=RuleOrigin.SETTINGS, definition=definition, created=None
            )
