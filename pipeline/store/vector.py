"""Feature vectors as a column: float32 bytes everywhere, pgvector's `vector` on PostgreSQL."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Dialect, LargeBinary, TypeDecorator
from sqlalchemy.types import TypeEngine

from pipeline.errors import DependencyError, StoreError
from pipeline.store.states import EmbeddingKind

INDEX_PREFIX = "ix_embeddings_vector_model_"
INDEX_LIMIT = 2000  # pgvector's HNSW takes no longer vectors; longer ones are searched exactly

Float32Array = npt.NDArray[np.float32]


class Vector(TypeDecorator[Float32Array]):
    """A (d,) float32 array. Little-endian bytes in SQLite; `vector` without a fixed length in PostgreSQL.

    Raises StoreError for what is not a non-empty (d,) array of finite numbers: a NaN would poison every later search.
    """

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """pgvector's type on PostgreSQL, else bytes."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(LargeBinary())
        try:
            from pgvector.sqlalchemy import VECTOR
        except ImportError as error:
            raise DependencyError("PostgreSQL needs pgvector: pip install 'sightline[postgres]'") from error
        return dialect.type_descriptor(VECTOR())

    def process_bind_param(self, value: Float32Array | None, dialect: Dialect) -> Any:
        """Array to what the driver takes."""
        if value is None:
            return None
        vector = checked(value)
        return vector if dialect.name == "postgresql" else vector.astype("<f4").tobytes()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Float32Array | None:
        """What the driver gives to an array."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return np.asarray(value, np.float32)
        if len(value) % 4:
            raise StoreError(f"a stored feature vector is damaged: {len(value)} bytes are no whole number of float32")
        return np.frombuffer(value, "<f4").astype(np.float32)


def checked(value: Float32Array) -> Float32Array:
    """The same numbers as a contiguous float32 array. Raises StoreError if they cannot be stored."""
    vector = np.ascontiguousarray(value, np.float32)
    if vector.ndim != 1 or not len(vector):
        raise StoreError(f"a feature vector must have the shape (d,) with d > 0, not {vector.shape}")
    if not np.isfinite(vector).all():
        raise StoreError("a feature vector holds NaN or infinity; check the embedding model and its input crops")
    return vector


def create_vector_index(connection: Connection, model_id: int, dimension: int) -> None:
    """Let PostgreSQL search one model's exemplars by cosine with an HNSW graph. Does nothing elsewhere or again.

    An index needs a fixed length and lengths differ between models, so each model gets its own partial index. Means
    stay out: they are replaced with every chunk, which a graph takes badly, and an object ranks by its best exemplar.
    """
    if connection.dialect.name != "postgresql" or not 0 < dimension <= INDEX_LIMIT:
        return
    connection.exec_driver_sql(
        f"CREATE INDEX IF NOT EXISTS {INDEX_PREFIX}{int(model_id)} ON embeddings "
        f"USING hnsw ((vector::vector({int(dimension)})) vector_cosine_ops) "
        f"WHERE model_id = {int(model_id)} AND kind = '{EmbeddingKind.EXEMPLAR}'"
    )
