"""Workers that are threads, so that hundreds of logs can be read by two; tasks and scans still go through pipes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from audit.verify.workers import serve


def thread(connection: Connection) -> Callable[[], None]:
    """Like `audit.verify.workers.process`."""
    worker = threading.Thread(target=serve, args=(connection,), daemon=True)
    worker.start()
    return worker.join
