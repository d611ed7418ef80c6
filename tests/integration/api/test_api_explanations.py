"""Why a track was found, over HTTP: drawn once of the frame and the box that are asked for."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import httpx
from sqlalchemy import select

from pipeline.api.app import make_app
from pipeline.store import tables
from pipeline.store.filters import Scope, scope_of
from pipeline.store.queries import observations_of_object
from pipeline.track_explanation import TrackExplainer
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving
from trackers.structures import FloatArray, Frame

PNG = b"\x89PNG, as far as anybody looks"


class _Notes:
    """Explains everything alike, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, ...], list[float], UUID]] = []
        self.now = "a"

    def networks(self, scope: Scope, *, run: UUID) -> str:
        return self.now

    def explain(self, frame: Frame, box: FloatArray, scope: Scope, *, run: UUID) -> bytes:
        self.asked.append((frame.image.shape, box.tolist(), run))
        return PNG


def test_the_frame_and_the_box_of_the_moment_are_explained_once(site: Site) -> None:
    object_, notes = site.objects()[0], _Notes()
    with site.database.read() as connection:
        table = observations_of_object(scope_of(connection, ["default"]), connection, object_.public_id)
        run = connection.scalar(select(tables.Run.public_id))
    row = len(table) // 2
    services = replace(site.services(), explanations=notes)
    with serving(make_app(services)) as address, asking(address) as client:
        ask = {"url": f"/objects/{object_.public_id}/explanation.png", "params": {"at": int(table.at[row])}}
        answers = [client.get(**ask) for _ in range(2)]
        notes.now = "b"
        client.get(**ask)
        nobody = client.get(f"/objects/{uuid4()}/explanation.png")
    assert [answer.content for answer in answers] == [PNG, PNG]
    assert answers[0].headers["content-type"] == "image/png"
    assert notes.asked == [((270, 480, 3), table.boxes[row].tolist(), run)] * 2  # once for each of the networks
    assert nobody.status_code == 404


def test_a_run_that_had_no_network_cannot_be_explained(site: Site) -> None:
    services = replace(site.services(), explanations=TrackExplainer(site.database))
    with serving(make_app(services)) as address, asking(address) as client:
        answer = client.get(f"/objects/{site.objects()[0].public_id}/explanation.png")
    assert answer.status_code == 422
    assert "judges a picture by those before it" in answer.json()["detail"]


def test_without_an_explainer_it_is_said_where_to_ask(site: Site, client: httpx.Client) -> None:
    answer = client.get(f"/objects/{site.objects()[0].public_id}/explanation.png")
    assert answer.status_code == 422
    assert "sightline explain" in answer.json()["detail"]
