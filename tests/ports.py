"""Ports that no other test of this machine is given.

They lie below 32768: what lies above is handed out to outgoing connections meanwhile. A process of tests claims a block
of them for as long as it lives, so that neither another worker of this run nor another run takes one between the
moment it is looked at and the moment a child of ours listens on it; and hands each out in turn, so that none is used
again soon.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
import socket
from collections.abc import Iterator

_FIRST, _LAST, _BLOCK = 20_480, 32_768, 512  # a demo that finds the usual ports taken looks below these


def free_ports(count: int) -> list[int]:
    """That many ports of 127.0.0.1, none of them in use."""
    return list(itertools.islice(filter(_is_free, _turn()), count))


@functools.cache
def _turn() -> Iterator[int]:
    """One for the whole process. Owner: whoever asks, one at a time."""
    blocks = range(_FIRST, _LAST, _BLOCK)
    for first in random.sample(blocks, len(blocks)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0derms-test-ports-{first}")
        except OSError:
            claim.close()
            continue
        claim.detach()  # held until the process ends
        return itertools.cycle(range(first, first + _BLOCK))
    raise OSError("every block of ports is claimed by some other tests")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
