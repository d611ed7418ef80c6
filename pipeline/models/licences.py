"""Licences of several models that work together, as SPDX writes them."""

from __future__ import annotations

from collections.abc import Sequence

_UNKNOWN = "unknown"  # the catalogue's word


def joined(licences: Sequence[str | None]) -> str | None:
    """All of them count: "AGPL-3.0-only AND Apache-2.0". What is not known (None) is said beside what is.

    None where nothing is known of any.
    """
    if not any(licences):
        return None
    each = dict.fromkeys(licence or _UNKNOWN for licence in licences)
    return " AND ".join(f"({one})" if " OR " in one and len(each) > 1 else one for one in each)
