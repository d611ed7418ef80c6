"""A dispatcher in a process of its own, to be killed: `python -m tests.integration.alerts.sending DATABASE URL`."""

from __future__ import annotations

import sys
import time

from pipeline.alerts.dispatcher import Dispatcher, Receiver
from pipeline.alerts.webhook import Webhook
from pipeline.store.database import open_database
from pipeline.store.filters import Scope
from tests.promptness import allowed


def main(address: str, url: str) -> None:
    """Send to the target "hq" until killed."""
    seconds = allowed(1.0)
    hook = Webhook(url, timeout=seconds)
    with open_database(address) as database, Dispatcher(database, Scope((1,)), [Receiver("hq", hook, seconds)]):
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
