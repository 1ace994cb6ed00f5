"""An agent as a child of the launcher: it ends when the launcher does, however that came about."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from typing import Final

from agent import edge
from daemon import logs
from daemon.run import Stop
from daemon.run import run as run_daemon
from dermscore.errors import DermsError

log = logs.get(__name__)

SERVER_FOLDER: Final = "DERMS_FORK_SERVER_FOLDER"
"""Names, in its environment, the folder that the fork server takes away as it ends: after the launcher and its agents.
"""


def run(spec: edge.Spec) -> None:
    """The body of a child process. Exit code 0 after a stop, 1 when it could not start or run."""
    logs.configure()
    try:
        run_daemon(lambda stop: _run(spec, stop))
    except DermsError as error:
        log.error("agent cannot run", agent=spec.id, why=str(error))
        sys.exit(1)


async def _run(spec: edge.Spec, stop: Stop) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a launcher's child needs its parent's pipe")
    loop = asyncio.get_running_loop()

    def on_parent_gone() -> None:
        loop.remove_reader(parent.sentinel)  # a closed pipe stays readable, and would spin the loop while we drain
        stop.set("the launcher is gone")

    loop.add_reader(parent.sentinel, on_parent_gone)
    try:
        await edge.run(spec, stop)
    finally:
        loop.remove_reader(parent.sentinel)
