"""Settings -> when the segmenter and the embedder look."""

from __future__ import annotations

from pipeline.asks import Asks, FeatureAsk, MaskAsk
from pipeline.config import Settings
from pipeline.models.base import Embedder, Segmenter


def asks(settings: Settings, *, segmenter: Segmenter | None, embedder: Embedder | None) -> Asks:
    """Which of the networks that there are look only where it can matter."""
    masks, features = settings.segmenter, settings.embedder
    return Asks(
        masks=MaskAsk(masks.refresh_seconds, masks.overlap, masks.weak_score)
        if segmenter is not None and masks.when == "asked"
        else None,
        features=FeatureAsk(features.refresh_seconds) if embedder is not None and features.when == "asked" else None,
    )
