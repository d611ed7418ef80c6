"""/runs/{id}/export: a run's tracks as a file that other programs read."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, Request, Response

from pipeline.api.failures import not_found
from pipeline.api.files import answer_file
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.errors import OutputError
from pipeline.exports.export import ExportFormat, export_run
from pipeline.store.run_queries import run_detail

TYPES = {
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}


def export_routes(services: Services) -> APIRouter:
    """GET /runs/{id}/export."""
    router = APIRouter(tags=["runs"])

    @router.get("/runs/{public_id}/export")
    def export(public_id: UUID, format: ExportFormat, request: Request, reviewed: bool = True) -> Response:
        """The tracks as reviewers left them, or as the machine found them. Several sources come as a ZIP file."""
        with reading(services, "look for a run") as (scope, connection):
            if run_detail(scope, connection, public_id) is None:
                raise not_found("run")
        with _folder(services.media_folder) as folder:
            stem = f"{'reviewed' if reviewed else 'raw'}-{public_id}"
            out = Path(folder) / f"{stem}{format.suffix}"
            files = export_run(services.database, scope, public_id, format=format, out=out, reviewed=reviewed)
            file = files[0] if len(files) == 1 else _packed(files, Path(folder) / "all.zip")
            answer = answer_file(
                request,
                file,
                etag=f"{public_id}-{file.stat().st_mtime_ns:x}",
                media_type=TYPES[file.suffix],
                cache="no-store",
                download=f"{stem}{file.suffix}",
            )
        if answer is None:
            raise not_found("export")
        return answer

    return router


def _folder(media_folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Beside the media, where there is room. What is opened in it can still be sent when it is gone."""
    try:
        media_folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".export-", dir=media_folder)
    except OSError as error:
        raise OutputError(f"the export cannot be written: {error.strerror}; check the disk of the media") from error


def _packed(files: Sequence[Path], path: Path) -> Path:
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.name)
    except OSError as error:
        raise OutputError(f"the export cannot be packed: {error.strerror}; check the disk of the media") from error
    return path
