"""Fingerprint: a short text that changes when a file's content does, so that a changed source is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

WHOLE_LIMIT = 256 << 20  # bytes; up to here every byte is hashed (0.2 s), so any change is seen
BLOCK = 1 << 20  # bytes
SAMPLES = 64  # blocks of a larger file: first, last and evenly between


def fingerprint_file(path: Path) -> str:
    """ "sha256:<hex>" of all bytes up to WHOLE_LIMIT, beyond it "sha256-sampled:<hex>" of the size and 64 MiB of it.

    Neither name nor dates count: a copied file keeps its fingerprint. Raises OSError where the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_LIMIT:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        digest = hashlib.sha256(f"{size}\n".encode())
        for sample in range(SAMPLES):
            file.seek((size - BLOCK) * sample // (SAMPLES - 1))
            digest.update(file.read(BLOCK))
    return f"sha256-sampled:{digest.hexdigest()}"


def fingerprint_files(paths: Sequence[Path]) -> str:
    """ "sha256-files:<hex>" of the files' names and fingerprints in this order. Raises OSError."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{fingerprint_file(path)}\n".encode())
    return f"sha256-files:{digest.hexdigest()}"
