"""FollowPlan: what a run that follows one target will do, looked at as a whole before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

from pipeline import build
from pipeline.config import Settings, SourceSettings, digest
from pipeline.follow_settings import StoredFollowSettings, follow_digest, kept_follow_settings, limited, target_digest
from pipeline.models.base import ModelCard
from pipeline.models.licences import joined
from pipeline.outputs import Outputs
from pipeline.run_plan import look_at, refuse_unreadable, without_finished
from pipeline.run_record import LICENCES, MODELS, OUTPUTS, inputs, media_folder, model_keys
from pipeline.store.database import Database
from pipeline.store.filters import project_scope
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.rows import RunDetail
from pipeline.store.run_kinds import FOLLOW
from pipeline.store.writer import RunWriter
from pipeline.stored_runs import refuse_changes, refuse_resume

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FollowPlan:
    """Of one source and one target. Nothing is written before `begin`."""

    def __init__(
        self,
        database: Database,
        address: str,
        settings: StoredFollowSettings,
        *,
        outputs: Outputs,
        resumed: RunDetail | None = None,
        public_id: UUID | None = None,
        preview: bool = False,
    ) -> None:
        """`outputs`: files that are written beside. `resumed`: the run that goes on.

        `public_id`: of the new run, where it was given out before. `preview`: keep the newest picture with the box in
        the media folder. Raises SourceError, ModelError; ConfigError where the run cannot go on like this.
        """
        self.settings = settings
        self.preview = preview
        self.media = media_folder(Settings(store=settings.store))
        (self._seen,) = look_at([address], settings.source)
        refuse_unreadable([self._seen])
        self.embedder = build.embedder(settings.embedder)
        self._models = build.target_models(settings.target)
        self.card = self._card()
        self._database = database
        self._outputs = outputs
        self._record = self._recorded()
        self._resumed = resumed
        self._public_id = public_id
        if resumed is not None:
            refuse_resume(resumed)
            refuse_changes(resumed, self._record, [self._seen])

    @property
    def store_name(self) -> str:
        """Of the database, for people; without its password."""
        return self._database.name

    @property
    def inputs(self) -> dict[Path, str]:
        """Files that no output may overwrite, and what they are."""
        return inputs(Settings(store=self.settings.store))

    @property
    def source(self) -> SourceRecord:
        """What the store keeps of the source."""
        assert self._seen.record is not None, "it could be read"
        return self._seen.record

    def finished_before(self) -> UUID | None:
        """The run that followed the same target in the same way to the end of this content, if there is one."""
        _, skipped = without_finished(
            self._database,
            project_scope(self._database),
            [self._seen],
            settings_hash=self._record.settings_hash,
            outputs=self._outputs,
            drawn={},
            kind=FOLLOW,
        )
        return skipped[0].run if skipped else None

    def source_settings(self) -> SourceSettings:
        """How the source is to be opened: where a run goes on, with the clock it began with."""
        settings = limited(self.settings.source, self.settings.follow.start_frame)
        if self._resumed is None:
            return settings
        writer = RunWriter.attach(self._database, self._resumed.run.public_id, media_folder=self.media)
        began = writer.progress(self._resumed.sources[0].run_source_id).started_at
        if began is None:
            return settings
        return settings.model_copy(update={"start_at": _EPOCH + timedelta(microseconds=began)})

    def begin(self) -> RunWriter:
        """Say in the store that the run is at work. Raises StoreError."""
        if self._resumed is None:
            return RunWriter.begin(self._database, self._record, media_folder=self.media, public_id=self._public_id)
        run = self._resumed.run
        return RunWriter.resume(self._database, run.public_id, beaten_at=run.heartbeat_at, media_folder=self.media)

    def _recorded(self) -> RunRecord:
        cards = [self.card] if self.embedder is None else [self.card, self.embedder.card]
        models = model_keys(*cards)
        kept = kept_follow_settings(self.settings)
        kept[OUTPUTS] = {name: str(path.resolve()) for name, path in self._outputs.by_name.items()}
        kept[MODELS] = models
        if licences := {card.task: card.licence for card in cards if card.licence is not None}:
            kept[LICENCES] = licences
        hashed = digest({FOLLOW: follow_digest(self.settings, self._files), MODELS: list(models.values())})
        return RunRecord(FOLLOW, kept, hashed, version("sightline"))

    def _card(self) -> ModelCard:
        """The target's tracker as what finds the boxes of the run: its class names the track."""
        return ModelCard(
            name=self.settings.target.name,
            task="detect",
            version=f"sightline {version('sightline')}",
            sha256=target_digest(self.settings, self._files),
            runtime="target tracker",
            input_size=None,
            classes=(self.settings.follow.label,),
            licence=joined([None if model is None else model.entry.licence for model in self._models.values()]),
        )

    @property
    def _files(self) -> dict[str, Sequence[Path]]:
        """Of the models that the target's tracker is told by their names."""
        return {name: model.paths for name, model in self._models.items() if model is not None}
