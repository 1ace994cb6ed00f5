"""Run a module that ends when whoever started it does: `python -m simulator.tethered PARENT_PID MODULE [ARG ...]`.

So that a demo that is killed leaves nothing behind. The child ties the tether itself, not between fork and exec: a
parent whose libraries have threads (gRPC's do) must not run code there.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def tie(parent: int) -> None:
    """Get SIGTERM when `parent` dies; end now if it is gone already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(f"process {parent}, which started this one, is gone")


if __name__ == "__main__":
    tie(int(sys.argv[1]))
    module = sys.argv[2]
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
