"""A dispatcher in a process of its own, to be killed: `python -m tests.integration.alerts.sending DATABASE URL`."""

from __future__ import annotations

import sys
import time

from pipeline.alerts.dispatcher import Dispatcher, Receiver
from pipeline.alerts.webhook import Webhook
from pipeline.store.database import open_database
from pipeline.store.filters import Scope


def main(address: str, url: str) -> None:
    """Send to the target "hq" until killed."""
    hook = Webhook(url, timeout=1.0)
    with open_database(address) as database, Dispatcher(database, Scope((1,)), [Receiver("hq", hook, 1.0)]):
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
