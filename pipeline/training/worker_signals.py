"""What processes that prepare pictures for a training do with signals."""

from __future__ import annotations

import signal


def leave_signals(_worker: int = 0) -> None:
    """Ctrl-C is for the process that trains; it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
