"""Fingerprints of files too large to hash whole."""

from __future__ import annotations

from pathlib import Path

from pipeline.sources.fingerprint import BLOCK, WHOLE_LIMIT, fingerprint_file


def test_a_large_file_is_sampled_at_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "large"
    size = WHOLE_LIMIT + BLOCK

    def changed_at(position: int) -> str:
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(position)
            file.write(b"x")
        return fingerprint_file(path)

    prints = {changed_at(0), changed_at(size - 1)}
    with path.open("wb") as file:
        file.truncate(size)
    prints.add(fingerprint_file(path))
    with path.open("wb") as file:
        file.truncate(size + 1)
    prints.add(fingerprint_file(path))
    assert len(prints) == 4
    assert all(text.startswith("sha256-sampled:") for text in prints)
